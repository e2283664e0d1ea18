"""From the finished runs of a study to comparisons: main effects and interactions, paired by seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

from inceptionlab.study.design import Study, label
from inceptionlab.study.running import Run, costs_of, require, runs_of
from inceptionlab.study.statistics import Comparison, bootstrap_mean, compare, holm, pareto_front

METRIC = "top1"


@dataclass(frozen=True, slots=True)
class Results:
    """What a study found: a row a cell, a comparison a level and interaction, and every run."""

    study: Study
    runs: list[Run]
    cells: list[dict[str, Any]]
    comparisons: list[Comparison]

    def as_record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        runs = [
            {"cell": run.cell, "seed": run.seed, "folder": str(run.folder), "test": run.record, "error": run.error}
            for run in self.runs
        ]
        comparisons = [one.as_record() for one in self.comparisons]
        return {"study": self.study.name, "comparisons": comparisons, "cells": self.cells, "runs": runs}


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
                "cell": label(cell), "n": len(own), METRIC: mean, "low": low, "high": high,
                "params": costs[0]["params"], "macs": costs[0]["macs"], "seconds": fmean(c["seconds"] for c in costs),
            })  # fmt: skip
    front = pareto_front([(row["macs"], row[METRIC]) for row in rows])
    return [{**row, "pareto": i in front} for i, row in enumerate(rows)]


def _main_effects(study: Study, runs: Sequence[Run]) -> Iterator[Comparison]:
    """Each level against the reference of its factor: for each seed, the mean over cells that differ in it alone."""
    cells = study.cells()
    for factor, levels in study.factors.items():
        reference, *others = levels
        for level in others:
            pairs: list[tuple[float, float]] = []
            for seed in study.seeds:
                both = [
                    (_value(runs, cell | {factor: reference}, seed), _value(runs, cell, seed))
                    for cell in cells if cell[factor] == level and cell | {factor: reference} in cells
                ]  # fmt: skip
                known = [(a, b) for a, b in both if a is not None and b is not None]
                if known and len(known) == len(both):
                    pairs.append((fmean(a for a, _ in known), fmean(b for _, b in known)))
            if pairs:
                yield compare(factor, reference, level, METRIC, pairs, study.worth)


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
