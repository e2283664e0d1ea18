"""The report of a study: verdicts first, then effects with intervals, cells with their costs, and every run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from typing import Any, cast

from inceptionlab import storage
from inceptionlab.analysis.difference import diff
from inceptionlab.data.registry import default_recipe
from inceptionlab.report.page import Table, render
from inceptionlab.runs.setup import Setup
from inceptionlab.studies.design import label
from inceptionlab.studies.plots import changed_block, costs_svg, curves_svg, effects_svg, interactions_svg
from inceptionlab.studies.results import HEADS, StudyResults
from inceptionlab.studies.running import Run
from inceptionlab.training.recipe import load_recipe

_LATEX = str.maketrans({
    **{letter: f"\\{letter}" for letter in "&%$#_{}"}, "\\": r"\textbackslash{}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
})  # fmt: skip


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
    about: str
    hypothesis: str
    verdict: str
    verdicts: list[str]
    effects: str
    interactions: str
    costs: str
    cells: Table
    curves: str
    changes: list[_Change]
    runs: list[_RunRow]


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
    study = results.study
    failed = sum(bool(run.error) for run in results.runs)
    missing = sum(run.score is None and not run.error for run in results.runs)
    seeds = ", ".join(map(str, study.seeds))
    return render("study.html", _Page(
        title=study.name,
        about=f"{study.model} on {study.data}, seeds {seeds}; {len(results.runs)} runs, {failed} failed, {missing} not "
              "run yet",
        hypothesis=study.hypothesis, verdict=results.verdict, verdicts=[str(c) for c in results.comparisons],
        effects=effects_svg(results.comparisons) if results.comparisons else "",
        interactions=interactions_svg(results), costs=costs_svg(results), cells=results.table,
        curves=curves_svg(results), changes=_changes(results), runs=[_run_row(run) for run in results.runs],
    ))  # fmt: skip


def _changes(results: StudyResults) -> list[_Change]:
    """For each cell beside the reference: the lines of its difference, and a drawing of a changed block."""
    study = results.study
    reference, found = study.spec(study.reference), list[_Change]()
    for cell in study.cells()[1:]:
        spec = study.spec(cell)
        lines = str(diff(reference, spec))
        found.append(_Change(label(cell), spec.title, changed_block(reference, spec), lines))
    return found


def _run_row(run: Run) -> _RunRow:
    outcome = f"{100 * run.score.top1:.2f} %" if run.score else run.error or "not run yet"
    return _RunRow(label(run.cell), run.seed, outcome, run.folder.name, run.score is not None, command_of(run.setup))


def command_of(setup: Setup) -> str:
    """The command that trains a run again, on its own. The title says all that was changed of the network, so that no
    small stem is to be added to it; the data's folder is the one that the run was told.
    """
    base = flat(asdict(load_recipe(default_recipe(setup.data))))
    changed = {name: value for name, value in flat(asdict(setup.recipe)).items() if value != base[name]}
    limits = {"train": setup.limit_train, "test": setup.limit_test}
    parts = [
        "inceptionlab train", f"--model {quote(setup.spec.title)}", f"--data {quote(setup.data)}",
        f"--input-size {setup.spec.input.height}", "--stem imagenet", *(["--aux"] if setup.spec.aux else []),
        f"--seed {setup.seed}", *(f"--limit-{name} {value}" for name, value in limits.items() if value),
        *([f"--weights {quote(setup.weights)}"] if setup.weights else []),
        *(f"--set {quote(f'{name}={json.dumps(value)}')}" for name, value in changed.items()),
    ]  # fmt: skip
    return " ".join(parts)


def flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of tables with dotted names."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        inner = flat(cast(Mapping[str, Any], value)) if isinstance(value, Mapping) else None
        found |= {name: value} if inner is None else {f"{name}.{key}": item for key, item in inner.items()}
    return found


def report_markdown(results: StudyResults) -> str:
    """The verdicts and the table of cells."""
    hypothesis = (
        [f"Hypothesis: {results.study.hypothesis} {results.verdict}".rstrip(), ""] if results.study.hypothesis else []
    )
    lines = [f"# {results.study.name}", "", *hypothesis, *(f"- {c}" for c in results.comparisons), ""]
    lines += ["| " + " | ".join(HEADS) + " |", "|---" * len(HEADS) + "|"]
    lines += ["| " + " | ".join(value.replace("|", r"\|") for value in row.shown) + " |" for row in results.cells]
    return "\n".join(lines) + "\n"


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
    rows = [
        " & ".join(value.translate(_LATEX) for value in row) for row in (HEADS, *(row.shown for row in results.cells))
    ]
    body = " \\\\\n".join(rows)
    return f"\\begin{{tabular}}{{l{'r' * (len(HEADS) - 1)}}}\n{body} \\\\\n\\end{{tabular}}\n"
