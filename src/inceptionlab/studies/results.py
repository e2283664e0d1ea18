"""From the finished runs of a study to comparisons: main effects and interactions, paired by seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Literal

from inceptionlab.report.page import Table, render
from inceptionlab.runs.folder import RunFolder
from inceptionlab.studies.design import Study, label
from inceptionlab.studies.running import Run, costs_of, require, runs_of
from inceptionlab.studies.statistics import Comparison, bootstrap_mean, compare, compare_images, holm, pareto_front
from inceptionlab.training.records import Epoch

METRIC = "top1"
HEADS = (
    "cell", "runs", "top-1, %", "95 % interval", "parameters", "M MACs", "kB per image", "ms per step", "s per run",
    "Pareto front",
)  # fmt: skip
"""What `CellResult.shown` gives."""
Cell = Mapping[str, str]
Verdict = Literal["", "confirmed", "refuted", "undecided"]


@dataclass(frozen=True, slots=True)
class CellResult:
    """A cell over its finished runs: the mean accuracy with its 95 % interval, the costs, and the mean validation
    accuracy after each epoch with the lowest and the highest of the runs (`band`). In the Pareto front no other cell is
    both cheaper (multiply-adds) and more accurate.
    """

    cell: str
    levels: Cell
    n: int
    top1: float
    low: float
    high: float
    params: int
    macs: int
    seconds: float
    step_ms: float
    memory: int
    curve: tuple[float, ...]
    pareto: bool = False
    band: tuple[tuple[float, float], ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """The row of a table under `HEADS`."""
        interval = f"{100 * self.low:.2f} to {100 * self.high:.2f}" if self.n > 1 else "one run"
        return (
            self.cell, str(self.n), f"{100 * self.top1:.2f}", interval,
            f"{self.params:,}", f"{self.macs / 1e6:.1f}", f"{self.memory / 1e3:.0f}", f"{self.step_ms:.1f}",
            f"{self.seconds:.1f}", "yes" if self.pareto else "",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class StudyResults:
    """What a study found: a row per cell, a comparison per level and interaction, and every run. `complete` is False
    where the study was stopped before its end.
    """

    study: Study
    runs: list[Run]
    cells: list[CellResult]
    comparisons: list[Comparison]
    complete: bool = True

    @property
    def verdict(self) -> Verdict:
        """What the comparisons say of the study's hypothesis: "confirmed" where all verdicts are the expected ones,
        "refuted" where one was decided otherwise, else "undecided"; "" for a study that expects nothing.
        """
        found = {f"{c.factor}: {c.b}": c.verdict for c in self.comparisons}
        verdicts = [(found.get(name, "undecided"), wanted) for name, wanted in self.study.expects.items()]
        if not verdicts:
            return ""
        if any(verdict not in (wanted, "undecided") for verdict, wanted in verdicts):
            return "refuted"
        return "confirmed" if all(verdict == wanted for verdict, wanted in verdicts) else "undecided"

    @property
    def table(self) -> Table:
        """The cells, numbered as in the charts."""
        rows = [(str(number), *row.shown) for number, row in enumerate(self.cells, 1)]
        return Table(("", *HEADS), rows, (1,))

    def _repr_html_(self) -> str:
        """The verdicts and the table of cells, which Jupyter shows."""
        return render("verdicts.html", self)


def gather(study: Study, out: Path) -> StudyResults:
    """The results of the runs in a folder. Raises `RunError` where none is finished."""
    runs = runs_of(study, out)
    found = _Found(study, require(runs))
    comparisons = holm([*_main_effects(found), *_interactions(found)], study.min_effect)
    return StudyResults(study, runs, _cells(found), comparisons)


class _Found:
    """The accuracies of finished runs by cell and seed."""

    def __init__(self, study: Study, runs: Sequence[Run]) -> None:
        self.study, self.cells = study, study.cells()
        self.runs: dict[frozenset[tuple[str, str]], list[Run]] = {}
        self.top1: dict[tuple[frozenset[tuple[str, str]], int], float] = {}
        for run in runs:
            key = frozenset(run.cell.items())
            self.runs.setdefault(key, []).append(run)
            if run.score is not None:
                self.top1[key, run.seed] = run.score.top1

    def of(self, cell: Cell) -> list[Run]:
        """The finished runs of a cell."""
        return self.runs.get(frozenset(cell.items()), [])

    def mean(self, cells: Sequence[Cell], seed: int) -> float | None:
        """The mean accuracy of cells with a seed, None where one of them is not finished."""
        values = [self.top1.get((frozenset(cell.items()), seed)) for cell in cells]
        known = [value for value in values if value is not None]
        return fmean(known) if known and len(known) == len(values) else None


def _cells(found: _Found) -> list[CellResult]:
    rows: list[CellResult] = []
    for cell in found.cells:
        own = found.of(cell)
        if own:
            costs, epochs = [costs_of(run) for run in own], [RunFolder(run.folder).epochs() for run in own]
            rows.append(CellResult(
                label(cell), cell, len(own), *bootstrap_mean([run.score.top1 for run in own if run.score]),
                costs[0].params, costs[0].macs, fmean(c.seconds for c in costs), fmean(c.step_ms for c in costs),
                costs[0].memory, tuple(map(fmean, _curve(epochs))),
                band=tuple((min(values), max(values)) for values in _curve(epochs)),
            ))  # fmt: skip
    front = pareto_front([(row.macs, row.top1) for row in rows])
    return [replace(row, pareto=i in front) for i, row in enumerate(rows)]


def _curve(epochs: Sequence[Sequence[Epoch]]) -> list[list[float]]:
    """The validation accuracies of the runs after each epoch that all of them have."""
    return [[one.val_top1 for one in epoch] for epoch in zip(*epochs, strict=False)]


def _main_effects(found: _Found) -> Iterator[Comparison]:
    """Each level compared with the first of its factor, or with the one before it."""
    study = found.study
    for factor, levels in study.factors.items():
        names = list(levels)
        for i, level in enumerate(names[1:]):
            other = names[i] if study.against == "previous" else names[0]
            matches = _matches(found, factor, other, level)
            pairs = _paired(found, matches)
            if len(study.seeds) == 1 and len(matches) == 1 and pairs:
                yield _of_two_runs(found, factor, (other, level), matches[0])
            elif pairs:
                yield compare(factor, other, level, METRIC, pairs, study.min_effect)


Match = tuple[list[Cell], list[Cell]]
"""Cells at one level and cells at another whose means are compared."""


def _matches(found: _Found, factor: str, first: str, second: str) -> list[Match]:
    """The cells that differ in a factor alone; in a fraction, which has no such cells, all cells of both levels."""
    cells = found.cells
    if found.study.design == "fraction":
        return [([c for c in cells if c[factor] == first], [c for c in cells if c[factor] == second])]
    return [([{**cell, factor: first}], [cell]) for cell in cells if cell[factor] == second]


def _paired(found: _Found, matches: list[Match]) -> list[tuple[float, float]]:
    """For each seed the means over the matches. A match that no seed has finished is left out, and then a seed that has
    not finished all the others.
    """
    rows = [[(found.mean(a, seed), found.mean(b, seed)) for a, b in matches] for seed in found.study.seeds]
    kept = [i for i in range(len(matches)) if any(None not in row[i] for row in rows)]
    pairs: list[tuple[float, float]] = []
    for row in rows:
        known = [(a, b) for a, b in (row[i] for i in kept) if a is not None and b is not None]
        if known and len(known) == len(kept):
            pairs.append((fmean(a for a, _ in known), fmean(b for _, b in known)))
    return pairs


def _of_two_runs(found: _Found, factor: str, levels: tuple[str, str], match: Match) -> Comparison:
    """Two single runs compared on the same test images by McNemar's test: it is about these two networks alone."""
    right: list[list[bool]] = []
    for cells in match:
        answers = RunFolder(found.of(cells[0])[0].folder).predictions()
        right.append([bool(same) for same in answers.logits.argmax(1) == answers.labels])
    return compare_images(factor, *levels, METRIC, (right[0], right[1]), found.study.min_effect)


def _interactions(found: _Found) -> Iterator[Comparison]:
    """For two factors of two levels: whether the second gains more where the first is at its other level."""
    study = found.study
    two = [factor for factor, levels in study.factors.items() if len(levels) == 2]
    for first, second in combinations(two if study.design == "full" else [], 2):
        pairs = [pair for seed in study.seeds if (pair := _gains(found, first, second, seed)) is not None]
        if pairs:
            a, b = study.factors[first]
            plain = compare(f"{first} x {second}", a, b, METRIC, pairs, study.min_effect)
            yield replace(plain, interaction=(first, second))


def _gains(found: _Found, first: str, second: str, seed: int) -> tuple[float, float] | None:
    """(gain of the second factor at the first level of the first, at its second level), means over the other factors;
    None where a run of the seed is not finished.
    """
    (a0, a1), (b0, b1) = (tuple(found.study.factors[name]) for name in (first, second))
    gains: list[tuple[float, float]] = []
    for cell in found.cells:
        if cell[first] == a0 and cell[second] == b0:
            corner = [found.mean([{**cell, first: a, second: b}], seed) for a in (a0, a1) for b in (b0, b1)]
            known = [value for value in corner if value is not None]
            if len(known) < 4:
                return None
            gains.append((known[1] - known[0], known[3] - known[2]))
    return fmean(g for g, _ in gains), fmean(g for _, g in gains)
