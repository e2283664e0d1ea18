"""The report of a study: verdicts first, then effects with intervals, cells with their costs, and every run."""

from __future__ import annotations

import csv
import io
import json
from html import escape
from pathlib import Path
from shlex import quote
from typing import Any, cast

from inceptionlab import storage
from inceptionlab.analysis.difference import diff
from inceptionlab.data.registry import default_recipe
from inceptionlab.runs.setup import Setup
from inceptionlab.studies.design import label
from inceptionlab.studies.plots import changed_block, costs_svg, curves_svg, effects_svg, interactions_svg
from inceptionlab.studies.results import Results
from inceptionlab.studies.statistics import Comparison
from inceptionlab.training.recipe import as_table, load_recipe

_STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1b1b; background: #fff } h1 { margin-bottom: .2rem } .soft { color: #667 }
table { border-collapse: collapse } td, th { padding: .25rem .9rem .25rem 0; text-align: left; white-space: nowrap }
.scroll { overflow-x: auto } code, pre { font-size: .8rem } details { margin: .4rem 0 } summary { cursor: pointer }
 a { color: #3b82f6 } svg { max-width: 100%; min-width: 34rem; height: auto } li { margin: .3rem 0 }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #16181c } .soft { color: #9ab } }
"""


def sentence(c: Comparison) -> str:
    """A comparison in words, in points of accuracy."""
    change = f"{100 * c.difference:+.2f} points (95 % interval {100 * c.low:+.2f} to {100 * c.high:+.2f})"
    pairs = f"{c.n} pairs" if c.unit == "pairs" else f"two single runs on {c.n:,} pictures"
    numbers = f"{change}, {pairs}, p {c.p_corrected:.3g} after Holm"
    what = f"{c.factor}: {c.b} against {c.a}"
    if " x " in c.factor:
        first, _, second = c.factor.partition(" x ")
        what = f"{second} with {first}={c.b} against with {first}={c.a}"
    ending = {
        "better": "gains", "worse": "loses", "no difference worth having": "no difference worth having",
        "undecided": "undecided",
    }[c.verdict]  # fmt: skip
    more = f"; about {c.more} more {c.unit} would settle it" if c.more else ""
    return f"{what}: {ending}, {numbers}{more}"


def write_report(results: Results, out: Path) -> list[Path]:
    """Write results.json, report.html, report.md, runs.csv and table.tex into a folder; gives their paths."""
    contents = {
        "results.json": json.dumps(_finite(results.as_record()), indent=1, ensure_ascii=False) + "\n",
        "report.html": report_html(results), "report.md": report_markdown(results), "runs.csv": runs_csv(results),
        "table.tex": table_latex(results),
    }  # fmt: skip
    for name, content in contents.items():
        storage.write(out / name, content)
    return [out / name for name in contents]


def _finite(value: Any) -> Any:
    """Plain values with null for what JSON cannot say."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}  # type: ignore[misc]
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]  # type: ignore[misc]
    return None if isinstance(value, float) and value - value != 0 else value


def report_html(results: Results) -> str:
    """One self-contained page."""
    study = results.study
    failed = [run for run in results.runs if run.error]
    missing = [run for run in results.runs if run.record is None and not run.error]
    state = f"{len(results.runs)} runs, {len(failed)} failed, {len(missing)} not run yet"
    verdicts = "".join(f"<li>{escape(sentence(c))}</li>" for c in results.comparisons)
    verdict = f" <b>{results.claim}</b>" if results.claim else ""
    claim = f"<p>Claim: {escape(study.claim)}{verdict}</p>" if study.claim else ""
    interactions = interactions_svg(results)
    parts = [
        f"<h1>{escape(study.name)}</h1><p class='soft'>{escape(study.model)} on {escape(study.data)}, seeds "
        f"{', '.join(map(str, study.seeds))}; {state}</p>{claim}",
        f"<h2>Verdicts</h2><ul>{verdicts}</ul>",
        f"<h2>Effects</h2><div class='scroll'>{effects_svg(results.comparisons)}</div>" if results.comparisons else "",
        f"<h2>Interactions</h2><div class='scroll'>{interactions}</div>" if interactions else "",
        f"<h2>Accuracy and cost</h2><div class='scroll'>{costs_svg(results)}</div>"
        f"<div class='scroll'>{_cells(results)}</div>",
        f"<h2>Learning curves</h2><div class='scroll'>{curves_svg(results)}</div>",
        f"<h2>What each level changes</h2>{_changes(results)}",
        f"<h2>Runs</h2><div class='scroll'>{_runs(results)}</div>",
    ]
    head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    title = f"<title>{escape(study.name)}</title>"
    return f"<!doctype html><html lang='en'>{head}{title}<style>{_STYLE}</style>{''.join(parts)}</html>"


_HEADS = ("cell", "n", "top-1 %", "95 % interval", "parameters", "M MACs", "kB a picture", "ms a step", "s", "Pareto")


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["cell"], str(row["n"]), f"{100 * row['top1']:.2f}", f"{100 * row['low']:.2f} to {100 * row['high']:.2f}",
        f"{row['params']:,}", f"{row['macs'] / 1e6:.1f}", f"{row['memory'] / 1e3:.0f}", f"{row['step_ms']:.1f}",
        f"{row['seconds']:.0f}", "yes" if row["pareto"] else "",
    )  # fmt: skip


def _cells(results: Results) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("", *_HEADS))
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(value)}</td>" for value in (str(number), *_row(row))) + "</tr>"
        for number, row in enumerate(results.cells, 1)
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def _changes(results: Results) -> str:
    """For each cell beside the reference: the lines of its difference, folded, and a drawing of a changed block."""
    study = results.study
    reference = study.spec(study.reference)
    found: list[str] = []
    for cell in study.cells()[1:]:
        spec = study.spec(cell)
        lines = escape("\n".join(diff(reference, spec)))
        found.append(
            f"<details><summary>{escape(label(cell))} <span class='soft'>{escape(spec.title)}</span></summary>"
            f"<div class='scroll'>{changed_block(reference, spec)}</div><pre class='scroll'>{lines}</pre></details>"
        )
    return "".join(found)


def command_of(setup: Setup) -> str:
    """The command that trains a run again, on its own."""
    base = flat(as_table(load_recipe(default_recipe(setup.data))))
    changed = {name: value for name, value in flat(as_table(setup.recipe)).items() if value != base[name]}
    limits = {"train": setup.limit_train, "test": setup.limit_test}
    parts = [
        "inceptionlab train", f"--model {quote(setup.spec.title)}", f"--data {quote(setup.data)}",
        f"--seed {setup.seed}", *(f"--limit-{name} {value}" for name, value in limits.items() if value),
        *(f"--set {quote(f'{name}={json.dumps(value)}')}" for name, value in changed.items()),
    ]  # fmt: skip
    return " ".join(parts)


def flat(table: dict[str, Any]) -> dict[str, Any]:
    """A table of tables with dotted names."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= {f"{name}.{key}": item for key, item in cast(dict[str, Any], value).items()}
        else:
            found[name] = value
    return found


def _runs(results: Results) -> str:
    rows: list[str] = []
    for run in results.runs:
        outcome = f"{100 * run.record['top1']:.2f} %" if run.record else escape(run.error or "not run yet")
        link = f"<a href='runs/{run.folder.name}/report.html'>{run.folder.name}</a>" if run.record else run.folder.name
        cell = escape(", ".join(f"{name}={level}" for name, level in run.cell.items()))
        again = f"<code>{escape(command_of(run.setup))}</code>"
        rows.append(f"<tr><td>{cell}</td><td>{run.seed}</td><td>{outcome}</td><td>{link}</td><td>{again}</td></tr>")
    head = "".join(f"<th>{name}</th>" for name in ("cell", "seed", "top-1", "run", "command"))
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def report_markdown(results: Results) -> str:
    """The verdicts and the table of cells."""
    claim = [f"Claim: {results.study.claim} {results.claim}".rstrip(), ""] if results.study.claim else []
    lines = [f"# {results.study.name}", "", *claim, *(f"- {sentence(c)}" for c in results.comparisons), ""]
    lines += ["| " + " | ".join(_HEADS) + " |", "|---" * len(_HEADS) + "|"]
    lines += ["| " + " | ".join(_row(row)) + " |" for row in results.cells]
    return "\n".join(lines) + "\n"


def runs_csv(results: Results) -> str:
    """One line a run."""
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    factors = list(results.study.factors)
    table.writerow([*factors, "seed", "top1", "loss", "ece", "error", "run"])
    for run in results.runs:
        record = run.record or {}
        numbers = [record.get(name, "") for name in ("top1", "loss", "ece")]
        table.writerow([*(run.cell[f] for f in factors), run.seed, *numbers, run.error, run.folder.name])
    return buffer.getvalue()


def table_latex(results: Results) -> str:
    """The table of cells for a paper."""
    rows = [" & ".join(value.replace("%", r"\%").replace("_", r"\_") for value in _row(row)) for row in results.cells]
    head = " & ".join(name.replace("%", r"\%") for name in _HEADS)
    body = " \\\\\n".join([head, *rows])
    return f"\\begin{{tabular}}{{l{'r' * (len(_HEADS) - 1)}}}\n{body} \\\\\n\\end{{tabular}}\n"
