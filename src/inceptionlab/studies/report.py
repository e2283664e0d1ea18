"""The report of a study: verdicts first, then effects with intervals, cells with their costs, and every run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from inceptionlab import storage
from inceptionlab.analysis.difference import diff
from inceptionlab.report.figures import HUES
from inceptionlab.report.page import Table, render
from inceptionlab.runs.repeating import command_of
from inceptionlab.runs.setup import Setup
from inceptionlab.studies.design import label
from inceptionlab.studies.plots import changed_block, costs_svg, curves_svg, effects_svg, interactions_svg
from inceptionlab.studies.results import HEADS, StudyResults
from inceptionlab.studies.running import Run
from inceptionlab.studies.tables import budget, latex, limits, markdown, verdict_table
from inceptionlab.training.recipe import flat

MOST_NAMES = 24
"""Cells up to which their names stand beside the charts; their numbers are those of the table."""


@dataclass(frozen=True, slots=True)
class _Change:
    cell: str
    spec: str
    drawing: str
    lines: str


@dataclass(frozen=True, slots=True)
class _RunRow:
    cell: str
    seed: int
    outcome: str
    folder: str
    finished: bool
    command: str


@dataclass(frozen=True, slots=True)
class _Page:
    title: str
    trial: str
    about: str
    hypothesis: str
    verdict: str
    facts: Table
    verdicts: Table
    effects: str
    interactions: list[str]
    costs: str
    curves: str
    hues: tuple[str, ...]
    names: list[str]
    cells: Table
    changes: list[_Change]
    runs: list[_RunRow]
    kind: str = "Study"


def write_report(results: StudyResults, out: Path) -> list[Path]:
    """Write results.json, report.html, report.md, runs.csv and table.tex into a folder; gives their paths."""
    contents = {
        "results.json": json.dumps(_finite(_record(results)), indent=1, ensure_ascii=False) + "\n",
        "report.html": report_html(results), "report.md": report_markdown(results), "runs.csv": runs_csv(results),
        "table.tex": table_latex(results),
    }  # fmt: skip
    for name, content in contents.items():
        storage.write(out / name, content)
    return [out / name for name in contents]


def _record(results: StudyResults) -> dict[str, Any]:
    """Plain values for JSON."""
    return {
        "study": results.study.name, "hypothesis": results.study.hypothesis, "verdict": results.verdict,
        "comparisons": [asdict(one) for one in results.comparisons], "cells": [asdict(row) for row in results.cells],
        "runs": [
            {"cell": run.cell, "seed": run.seed, "folder": str(run.folder),
             "test": asdict(run.score) if run.score else None, "error": run.error}
            for run in results.runs
        ],
    }  # fmt: skip


def _finite(value: Any) -> Any:
    """Plain values with null for what JSON cannot say."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in cast(Mapping[str, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in cast(list[Any], value)]
    return None if isinstance(value, float) and value - value != 0 else value


def report_html(results: StudyResults) -> str:
    """One page that loads nothing from elsewhere."""
    study, cells = results.study, results.cells
    return render("study.html", _Page(
        title=study.name, trial=limits(study), about=f"{study.network} on {study.data}",
        hypothesis=study.hypothesis, verdict=results.verdict, facts=budget(results),
        verdicts=verdict_table(results.comparisons),
        effects=effects_svg(results.comparisons) if results.comparisons else "",
        interactions=interactions_svg(results), costs=costs_svg(cells), curves=curves_svg(cells), hues=HUES,
        names=[row.cell for row in cells] if len(cells) <= MOST_NAMES else [], cells=results.table,
        changes=_changes(results), runs=[_run_row(run) for run in results.runs],
    ))  # fmt: skip


def _changes(results: StudyResults) -> list[_Change]:
    """For each cell beside the reference: what differs in its recipe and its network, and a drawing of a changed
    block.
    """
    study = results.study
    first, found = study.setup(study.reference, study.seeds[0]), list[_Change]()
    for cell in study.cells()[1:]:
        setup = study.setup(cell, study.seeds[0])
        changed = setup.spec != first.spec
        lines = str(diff(first.spec, setup.spec)).splitlines() if changed else ["The network is the reference's."]
        drawing = changed_block(first.spec, setup.spec)
        found.append(_Change(label(cell), setup.spec.title, drawing, "\n".join([*_settings(first, setup), *lines])))
    return found


def _settings(first: Setup, setup: Setup) -> list[str]:
    """The fields of a recipe that differ from the reference's."""
    before, after = flat(asdict(first.recipe)), flat(asdict(setup.recipe))
    return [
        f"~ recipe: {name}: {json.dumps(before[name])} → {json.dumps(value)}"
        for name, value in after.items() if value != before[name]
    ]  # fmt: skip


def _run_row(run: Run) -> _RunRow:
    outcome = f"{100 * run.score.top1:.2f} %" if run.score else run.error or "not run yet"
    return _RunRow(
        label(run.cell), run.seed, outcome, run.folder.name, run.score is not None, command_of(run.setup, run.folder)
    )


def report_markdown(results: StudyResults) -> str:
    """The budget, the verdicts and the table of cells."""
    study = results.study
    trial = f"A trial: limited to {limits(study)}.\n\n" if limits(study) else ""
    hypothesis = f"Hypothesis: {study.hypothesis} {results.verdict}".rstrip() + "\n\n" if study.hypothesis else ""
    facts = markdown(Table(("budget", ""), budget(results).rows, (0, 1)))
    verdicts = "".join(f"- {comparison}\n" for comparison in results.comparisons)
    return f"# {study.name}\n\n{trial}{hypothesis}{facts}\n{verdicts}\n{markdown(_cells(results))}"


def _cells(results: StudyResults) -> Table:
    return Table(HEADS, [row.shown for row in results.cells])


def runs_csv(results: StudyResults) -> str:
    """One line per run."""
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    factors = list(results.study.factors)
    table.writerow([*factors, "seed", "top1", "loss", "ece", "error", "run"])
    for run in results.runs:
        numbers = (run.score.top1, run.score.loss, run.score.ece) if run.score else ("", "", "")
        table.writerow([*(run.cell[f] for f in factors), run.seed, *numbers, run.error, run.folder.name])
    return buffer.getvalue()


def table_latex(results: StudyResults) -> str:
    """The table of cells for a paper."""
    about = f"{results.study.name}: top-1 accuracy on the test images, mean over runs with its bootstrap interval"
    return latex(_cells(results), f"{about}; a trial: {limits(results.study)}" if limits(results.study) else about)
