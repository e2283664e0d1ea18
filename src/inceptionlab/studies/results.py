"""From the finished runs of a study to comparisons: main effects and interactions, paired by seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

from inceptionlab.runs.folder import RunFolder
from inceptionlab.studies.design import Study, label
from inceptionlab.studies.running import Run, costs_of, require, runs_of
from inceptionlab.studies.statistics import Comparison, bootstrap_mean, compare, compare_pictures, holm, pareto_front
from inceptionlab.training.records import Epoch

METRIC = "top1"


@dataclass(frozen=True, slots=True)
class Results:
    """What a study found: a row a cell, a comparison a level and interaction, and every run."""

    study: Study
    runs: list[Run]
    cells: list[dict[str, Any]]
    comparisons: list[Comparison]

    @property
    def claim(self) -> str:
        """What the comparisons say of the study's claim: "confirmed" where all that it expects came, "refuted" where
        one was decided otherwise, "undecided" else; "" for a study without expectations.
        """
        expects = self.study.expects
        found = {f"{c.factor}: {c.b}": c.verdict for c in self.comparisons}
        verdicts = [(found.get(name, "undecided"), wanted) for name, wanted in expects.items()]
        if not verdicts:
            return ""
        if any(verdict not in (wanted, "undecided") for verdict, wanted in verdicts):
            return "refuted"
        return "confirmed" if all(verdict == wanted for verdict, wanted in verdicts) else "undecided"

    def as_record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        runs = [
            {"cell": run.cell, "seed": run.seed, "folder": str(run.folder), "test": run.record, "error": run.error}
            for run in self.runs
        ]
        comparisons = [one.as_record() for one in self.comparisons]
        about = {"study": self.study.name, "claim": self.study.claim, "verdict": self.claim}
        return {**about, "comparisons": comparisons, "cells": self.cells, "runs": runs}


def gather(study: Study, out: Path) -> Results:
    """The results of the runs in a folder. Raises `RunError` where none is finished."""
    runs = runs_of(study, out)
    finished = require(runs)
    comparisons = holm([*_main_effects(study, finished), *_interactions(study, finished)], study.worth)
    return Results(study, runs, _cells(study, finished), comparisons)


def _value(runs: Sequence[Run], cell: dict[str, str], seed: int) -> float | None:
    found = (run.record[METRIC] for run in runs if run.cell == cell and run.seed == seed and run.record)
    return next(found, None)


def _cells(study: Study, runs: Sequence[Run]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for cell in study.cells():
        own = [run for run in runs if run.cell == cell and run.record]
        if own:
            mean, low, high = bootstrap_mean([run.record[METRIC] for run in own if run.record])
            costs = [costs_of(run) for run in own]
            rows.append({
                "cell": label(cell), "levels": cell, "n": len(own), METRIC: mean, "low": low, "high": high,
                "params": costs[0]["params"], "macs": costs[0]["macs"], "seconds": fmean(c["seconds"] for c in costs),
                "step_ms": fmean(c["step_ms"] for c in costs), "memory": costs[0]["memory"],
                "curve": _curve([RunFolder(run.folder).epochs() for run in own]),
            })  # fmt: skip
    front = pareto_front([(row["macs"], row[METRIC]) for row in rows])
    return [{**row, "pareto": i in front} for i, row in enumerate(rows)]


def _curve(metrics: Sequence[Sequence[Epoch]]) -> list[float]:
    """The mean validation accuracy after each epoch that all runs have."""
    return [fmean(record.val_top1 for record in epoch) for epoch in zip(*metrics, strict=False)]


def _main_effects(study: Study, runs: Sequence[Run]) -> Iterator[Comparison]:
    """Each level against the first of its factor, or the one before it."""
    for factor, levels in study.factors.items():
        names = list(levels)
        for i, level in enumerate(names[1:]):
            other = names[i] if study.against == "previous" else names[0]
            matches = _matches(study, factor, other, level)
            pairs = _paired(study, runs, matches)
            if len(study.seeds) == 1 and len(matches) == 1 and pairs:
                yield _of_two_runs(study, factor, (other, level), matches[0], runs)
            elif pairs:
                yield compare(factor, other, level, METRIC, pairs, study.worth)


Match = tuple[list[dict[str, str]], list[dict[str, str]]]
"""Cells at one level and cells at another whose means are compared."""


def _matches(study: Study, factor: str, first: str, second: str) -> list[Match]:
    """The cells that differ in a factor alone, or in a fraction, which has none, all cells of both levels."""
    cells = study.cells()
    if study.design == "fraction":
        return [([c for c in cells if c[factor] == first], [c for c in cells if c[factor] == second])]
    return [([cell | {factor: first}], [cell]) for cell in cells if cell[factor] == second]


def _paired(study: Study, runs: Sequence[Run], matches: list[Match]) -> list[tuple[float, float]]:
    """For each seed the means over the matches; those that no seed has are left out, and seeds that lack one."""
    rows = [[(_mean(runs, a, seed), _mean(runs, b, seed)) for a, b in matches] for seed in study.seeds]
    kept = [i for i in range(len(matches)) if any(None not in row[i] for row in rows)]
    pairs: list[tuple[float, float]] = []
    for row in rows:
        known = [(a, b) for a, b in (row[i] for i in kept) if a is not None and b is not None]
        if known and len(known) == len(kept):
            pairs.append((fmean(a for a, _ in known), fmean(b for _, b in known)))
    return pairs


def _mean(runs: Sequence[Run], cells: Sequence[dict[str, str]], seed: int) -> float | None:
    values = [_value(runs, cell, seed) for cell in cells]
    return None if None in values else fmean(value for value in values if value is not None)


def _of_two_runs(study: Study, factor: str, levels: tuple[str, str], match: Match, runs: Sequence[Run]) -> Comparison:
    """Two single runs on the same test pictures, by McNemar's test: it is about these two networks alone."""
    right: list[list[bool]] = []
    for cells in match:
        run = next(run for run in runs if run.cell == cells[0] and run.record)
        found = RunFolder(run.folder).predictions()
        right.append([bool(same) for same in found.logits.argmax(1) == found.labels])
    return compare_pictures(factor, *levels, METRIC, (right[0], right[1]), study.worth)


def _interactions(study: Study, runs: Sequence[Run]) -> Iterator[Comparison]:
    """For two factors of two levels: whether the second gains more where the first is at its other level."""
    cells = study.cells()
    two = [factor for factor, levels in study.factors.items() if len(levels) == 2]
    for first, second in combinations(two if study.design == "full" else [], 2):
        (a0, a1), (b0, b1) = (tuple(study.factors[name]) for name in (first, second))
        rest = [cell for cell in cells if cell[first] == a0 and cell[second] == b0]
        pairs: list[tuple[float, float]] = []
        for seed in study.seeds:
            gains: list[tuple[float, float]] = []
            for cell in rest:
                corner = [_value(runs, cell | {first: a, second: b}, seed) for a in (a0, a1) for b in (b0, b1)]
                if any(value is None for value in corner):
                    break
                low0, low1, high0, high1 = (float(value or 0) for value in corner)
                gains.append((low1 - low0, high1 - high0))
            else:
                pairs.append((fmean(g for g, _ in gains), fmean(g for _, g in gains)))
        if pairs:
            yield compare(f"{first} x {second}", a0, a1, METRIC, pairs, study.worth)
