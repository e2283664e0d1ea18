"""What a study found as tables, for pages, terminals, Markdown and papers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import fmean

from inceptionlab.errors import counted, listed
from inceptionlab.report.page import Table, duration, moment
from inceptionlab.runs.environment import Environment
from inceptionlab.runs.folder import RunFolder
from inceptionlab.studies.design import Study
from inceptionlab.studies.results import StudyResults
from inceptionlab.studies.running import Run
from inceptionlab.studies.statistics import Comparison

_LATEX = str.maketrans({
    **{letter: f"\\{letter}" for letter in "&%$#_{}"}, "\\": r"\textbackslash{}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
})  # fmt: skip
_DESIGNS = {
    "full": "every combination of the levels", "one": "one factor changed at a time",
    "fraction": "one in {} of the combinations",
}  # fmt: skip


def verdict_table(comparisons: Sequence[Comparison]) -> Table:
    """A row per comparison: the difference with its interval, the corrected p, the verdict and what would settle it."""
    heads = ("comparison", "difference, points", "95 % interval", "n", "p (Holm)", "verdict")
    return Table((*heads, "what would settle it"), [
        (
            c.what, f"{100 * c.difference:+z.2f}", _interval(c), counted(c.n, c.unit[:-1]), _p(c.p_corrected),
            c.verdict,
            c.settling.removesuffix(" would settle it").removeprefix("what would settle it "),
        )
        for c in comparisons
    ], (0, 5, 6))  # fmt: skip


def _interval(c: Comparison) -> str:
    return f"{100 * c.low:+z.2f} to {100 * c.high:+z.2f}" if c.low == c.low else ""


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def budget(results: StudyResults) -> Table:
    """What a study compares, what it spent, and where."""
    study, runs = results.study, results.runs
    environments = [found for run in runs if (found := RunFolder(run.folder).environment())]
    size = f"{study.channels}×{study.input_size}×{study.input_size}"
    return Table((), [
        ("network", study.network), ("data", f"{study.data}, {study.classes} classes, images of {size}"),
        ("design", f"{_DESIGNS[study.design].format(study.fraction)}: {_factors(study)}"),
        ("images", _images(study, runs)), ("epochs", _distinct(run.setup.recipe.epochs for run in runs)),
        ("seeds", listed(study.seeds, 12)),
        *([("smallest difference worth having", _points(100 * study.min_effect))] if study.min_effect else []),
        ("runs", _finished(runs)), *_time(runs), *_where(environments),
    ], (0, 1))  # fmt: skip


def limits(study: Study) -> str:
    """What a study on a part of the images is limited to, "" for one on all."""
    given = [(study.limit_train, "training image"), (study.limit_test, "test image")]
    return " and ".join(counted(limit, what) for limit, what in given if limit)


def _factors(study: Study) -> str:
    return "; ".join(f"{name} ({', '.join(levels)})" for name, levels in study.factors.items())


def _images(study: Study, runs: Sequence[Run]) -> str:
    """The images that runs trained on and were tested on, as far as their folders say it."""
    trained = [count for run in runs for epoch in RunFolder(run.folder).epochs()[-1:]
               if (count := asdict(epoch).get("images"))]  # fmt: skip
    validation = "training, a part of them for validation"
    limited = f"{study.limit_train:,} for {validation}" if study.limit_train else f"all for {validation}"
    tested = [run.score.n for run in runs if run.score]
    words = [f"{_distinct(trained)} for training" if trained else limited]
    return "; ".join([*words, *([f"{_distinct(tested)} for the test"] if tested else [])])


def _points(points: float) -> str:
    return f"{points:g} {'point' if points == 1 else 'points'}"


def _distinct(values: Iterable[int | str]) -> str:
    known = sorted(set(values), key=lambda value: (isinstance(value, str), value))
    return listed([f"{value:,}" if isinstance(value, int) else value for value in known])


def _finished(runs: Sequence[Run]) -> str:
    done, failed = sum(run.score is not None for run in runs), sum(bool(run.error) for run in runs)
    return f"{done} of {len(runs)} finished" + (f", {failed} failed" if failed else "")


def _time(runs: Sequence[Run]) -> list[tuple[str, str]]:
    seconds = [sum(epoch.seconds for epoch in RunFolder(run.folder).epochs()) for run in runs if run.score]
    return (
        [("training time", f"{duration(sum(seconds))} in all, {duration(fmean(seconds))} per run")] if seconds else []
    )


def _where(environments: Sequence[Environment]) -> list[tuple[str, str]]:
    """When and on what the runs were computed."""
    if not environments:
        return []
    times = sorted(one.when for one in environments)
    span = " to ".join(dict.fromkeys(moment(when) for when in (times[0], times[-1])))
    return [
        ("precision", _distinct(one.precision for one in environments)),
        ("device", _distinct(one.device for one in environments)), ("runs begun", span),
    ]  # fmt: skip


def markdown(table: Table) -> str:
    """A table in Markdown, its numbers to the right."""
    rules = ["---" if i in table.left else "---:" for i in range(len(table.heads))]
    rows = [[cell.replace("|", r"\|") for cell in row] for row in table.rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in (table.heads, rules, *rows)) + "\n"


def latex(table: Table, about: str) -> str:
    """A table for a paper with the rules of booktabs; `about` stands above it as a comment."""
    columns = "".join("l" if i in table.left else "r" for i in range(len(table.heads)))
    heads, *rows = [" & ".join(cell.translate(_LATEX) for cell in row) + r" \\" for row in (table.heads, *table.rows)]
    lines = [r"\toprule", heads, r"\midrule", *rows, r"\bottomrule"]
    comment = "".join(f"% {line}\n" for line in (r"needs \usepackage{booktabs}", about))
    return f"{comment}\\begin{{tabular}}{{{columns}}}\n" + "\n".join(lines) + "\n\\end{tabular}\n"
