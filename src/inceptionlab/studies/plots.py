"""The charts of a study's report: effects, interactions, learning curves, costs, and what each level changes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from statistics import fmean
from typing import Any

from inceptionlab.analysis.drawing import draw
from inceptionlab.report.charts import BLUE, GREY, ORANGE, figure_svg, short, whole_numbers
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Branches, Residual
from inceptionlab.spec.tree import children_of
from inceptionlab.studies.results import CellResult, StudyResults
from inceptionlab.studies.statistics import Comparison

COLOURS = (BLUE, ORANGE, "#10b981", "#ef4444", "#8b5cf6", "#14b8a6", "#ec4899", GREY)
LONGEST = 44
"""Letters of a name in a chart."""


def effects_svg(comparisons: list[Comparison]) -> str:
    """The differences in points with their intervals, one below the other."""

    def plot(axes: Any) -> None:
        for i, c in enumerate(reversed(comparisons)):
            colour = {"better": BLUE, "worse": ORANGE}.get(c.verdict, GREY)
            axes[0].plot([100 * c.low, 100 * c.high], [i, i], color=colour)
            axes[0].plot([100 * c.difference], [i], "o", color=colour)
        axes[0].axvline(0, color=GREY, linewidth=0.8)
        names = [short(f"{c.factor}: {c.b}", LONGEST) for c in reversed(comparisons)]
        axes[0].set_yticks(range(len(names)), names)
        axes[0].set(xlabel="points of test accuracy", ylim=(-0.5, len(names) - 0.5))

    return figure_svg(8, 1.2 + 0.45 * len(comparisons), 1, plot)


def costs_svg(results: StudyResults) -> str:
    """Accuracy over multiply-adds, by the numbers of the table; cells of the Pareto front are filled."""

    def plot(axes: Any) -> None:
        for number, row in enumerate(results.cells, 1):
            x, y = row.macs / 1e6, 100 * row.top1
            axes[0].plot([x, x], [100 * row.low, 100 * row.high], color=GREY)
            axes[0].plot([x], [y], "o", color=BLUE, markerfacecolor=BLUE if row.pareto else "none")
            axes[0].annotate(str(number), (x, y), xytext=(5, 4), textcoords="offset points", color=GREY)
        axes[0].set(xlabel="million multiply-adds", ylabel="test accuracy, %")
        axes[0].margins(x=0.1, y=0.1)

    return figure_svg(8, 3.6, 1, plot)


def curves_svg(results: StudyResults) -> str:
    """Mean validation accuracy over the epochs, a line per cell."""

    def plot(axes: Any) -> None:
        for number, row in enumerate(results.cells):
            values = [100 * value for value in row.curve]
            style = "-" if number < len(COLOURS) else ":"
            axes[0].plot(range(1, len(values) + 1), values, style, color=COLOURS[number % len(COLOURS)],
                         label=short(f"{number + 1} {row.cell}", LONGEST), marker=".")  # fmt: skip
        axes[0].set(xlabel="epoch", ylabel="validation accuracy, %")
        whole_numbers(axes[0].xaxis)
        axes[0].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))

    return figure_svg(9, 0.6 + max(3.0, 0.25 * len(results.cells)), 1, plot)


def interactions_svg(results: StudyResults) -> str:
    """For each two factors the mean accuracy at every pair of levels; parallel lines say that they do not interact."""
    study = results.study
    couples = list(combinations(study.factors, 2))[:4] if study.design == "full" else []
    if not couples:
        return ""

    def plot(axes: Any) -> None:
        for place, (first, second) in zip(axes, couples, strict=True):
            levels = list(study.factors[first])
            for colour, level in zip(COLOURS, study.factors[second], strict=False):
                means = [_mean_at(results.cells, {first: other, second: level}) for other in levels]
                name = f"{short(second, 20)}: {short(level, 20)}"
                place.plot(range(len(levels)), means, color=colour, marker="o", label=_in_legend(name))
            place.set_xticks(range(len(levels)), [short(level, 14) for level in levels])
            place.set(xlabel=short(first), ylabel="test accuracy, %")
            place.margins(x=0.15)
            place.legend(fontsize=8)

    return figure_svg(4.2 * len(couples), 3.4, len(couples), plot)


def _in_legend(name: str) -> str:
    """A name that matplotlib does not leave out: those that begin with an underscore are its own."""
    return f" {name}" if name.startswith("_") else name


def _mean_at(cells: list[CellResult], wanted: dict[str, str]) -> float:
    values = [100 * row.top1 for row in cells if wanted.items() <= row.levels.items()]
    return fmean(values) if values else float("nan")


def changed_block(reference: Network, network: Network) -> str:
    """A drawing of the first block of a network that the reference does not have, "" where it has them all."""
    known = dict(reference.children)
    for name, node in network.children:
        if node != known.get(name) and any(isinstance(part, Branches | Residual) for part in _parts(node)):
            return draw(network, name)
    return ""


def _parts(node: Any) -> Iterator[Any]:
    yield node
    for _, child in children_of(node):
        yield from _parts(child)
