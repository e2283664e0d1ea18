"""The charts of a study's report: effects, interactions, learning curves, costs, and what each level changes.

A cell has its number, its colour and its marker in all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import fmean
from typing import Any

from inceptionlab.analysis.drawing import draw
from inceptionlab.report.figures import (
    BLUE,
    GREY,
    HUES,
    INK,
    MARKERS,
    PALETTE,
    figure_svg,
    legend_above,
    short,
    whole_numbers,
)
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Branches, Residual
from inceptionlab.spec.tree import children_of
from inceptionlab.studies.results import CellResult, StudyResults
from inceptionlab.studies.statistics import Comparison

LINES = ("-", "--", ":", "-.")
LONGEST = 60
"""Letters of a name in a chart."""
NARROW = 18
"""Letters of a name up to which two stand beside each other in a legend."""
MOST_INTERACTIONS = 4


def effects_svg(comparisons: list[Comparison]) -> str:
    """The differences in points with their intervals, one below the other, each under its name."""

    def plot(axes: Any) -> None:
        place = axes[0]
        for i, c in enumerate(reversed(comparisons)):
            decided = c.verdict != "undecided"
            place.plot([100 * c.low, 100 * c.high], [i, i], color=BLUE, solid_capstyle="butt")
            place.plot([100 * c.difference], [i], "o", color=BLUE, markersize=7,
                       markerfacecolor=BLUE if decided else PALETTE["paper"][0])  # fmt: skip
            place.plot([0, 0], [i - 0.2, i + 0.2], color=GREY, linewidth=0.9, zorder=0)  # the names stay free
            place.text(0, i + 0.22, short(c.what, LONGEST), transform=place.get_yaxis_transform(), va="bottom")
        place.spines["left"].set_visible(False)
        place.set(xlabel="difference of test accuracy, points", ylim=(-0.45, len(comparisons) - 0.25), yticks=[])

    return figure_svg(5.3, 0.7 + 0.52 * len(comparisons), 1, plot)


def costs_svg(cells: Sequence[CellResult]) -> str:
    """Accuracy over multiply-adds, by the numbers of the table; cells of the Pareto front are filled."""

    def plot(axes: Any) -> None:
        place = axes[0]
        for number, row in enumerate(cells):
            x, y, colour = row.macs / 1e6, 100 * row.top1, _colour(number)
            if row.n > 1:
                place.plot([x, x], [100 * row.low, 100 * row.high], color=colour, linewidth=1.1, alpha=0.6)
            place.plot([x], [y], MARKERS[number % len(MARKERS)], color=colour, markersize=7,
                       markerfacecolor=colour if row.pareto else PALETTE["paper"][0])  # fmt: skip
            place.annotate(str(number + 1), (x, y), xytext=(6, 4), textcoords="offset points")
        place.set(xlabel="million multiply-adds per image", ylabel="test accuracy, %")
        place.margins(x=0.1, y=0.1)

    return figure_svg(4.8, 3.4, 1, plot)


def curves_svg(cells: Sequence[CellResult]) -> str:
    """Mean validation accuracy over the epochs, a line per cell, on the band from its lowest to its highest run."""

    def plot(axes: Any) -> None:
        place = axes[0]
        for number, row in enumerate(cells):
            epochs, values, colour = range(1, len(row.curve) + 1), [100 * value for value in row.curve], _colour(number)
            if row.n > 1 and row.band:
                low, high = zip(*((100 * a, 100 * b) for a, b in row.band), strict=True)
                place.fill_between(epochs, low, high, color=colour, alpha=0.13, linewidth=0)
            place.plot(epochs, values, LINES[number // len(HUES) % len(LINES)], color=colour,
                       marker=MARKERS[number % len(MARKERS)], clip_on=False)  # fmt: skip
        place.set(xlabel="epoch", ylabel="validation accuracy, %")
        whole_numbers(place.xaxis)
        _numbers_at_the_ends(place, [row.curve for row in cells])

    return figure_svg(4.8, 3.4, 1, plot)


def _numbers_at_the_ends(axes: Any, curves: Sequence[Sequence[float]]) -> None:
    """The number of each curve beside its end, in its colour; those that would lie on each other are moved apart."""
    ends = sorted((100 * curve[-1], number) for number, curve in enumerate(curves) if curve)
    low, high = axes.get_ylim()
    places = _apart([value for value, _ in ends], min(0.06, 1 / max(1, len(ends))) * (high - low), high)
    for place, (_, number) in zip(places, ends, strict=True):
        axes.annotate(str(number + 1), (1.0, place), xycoords=axes.get_yaxis_transform(), xytext=(6, 0),
                      textcoords="offset points", va="center_baseline", annotation_clip=False,
                      color=_colour(number))  # fmt: skip


def _apart(values: Sequence[float], gap: float, highest: float) -> list[float]:
    """Rising values moved to at least `gap` from each other, none of them above `highest`."""
    places: list[float] = []
    for value in values:
        places.append(max(value, places[-1] + gap) if places else value)
    return [min(place, highest - gap * (len(places) - 1 - i)) for i, place in enumerate(places)]


def interactions_svg(results: StudyResults) -> list[str]:
    """For each two factors the mean accuracy at every pair of levels; parallel lines say that they do not interact."""
    study = results.study
    couples = list(combinations(study.factors, 2))[:MOST_INTERACTIONS] if study.design == "full" else []
    return [_interaction(results, first, second) for first, second in couples]


def _interaction(results: StudyResults, first: str, second: str) -> str:
    factors = results.study.factors
    levels, names = list(factors[first]), [f"{short(second, 20)}: {short(level, 20)}" for level in factors[second]]

    def plot(axes: Any) -> None:
        place = axes[0]
        for number, level in enumerate(factors[second]):
            means = [_mean_at(results.cells, {first: other, second: level}) for other in levels]
            place.plot(range(len(levels)), means, LINES[number % len(LINES)], color=(INK, GREY)[number % 2],
                       marker=MARKERS[number % len(MARKERS)], label=_in_legend(names[number]))  # fmt: skip
        place.set_xticks(range(len(levels)), [short(level, 14) for level in levels])
        place.set(xlabel=short(first), ylabel="test accuracy, %")
        place.margins(x=0.15)
        legend_above(place, 1 if max(map(len, names)) > NARROW else 2)

    return figure_svg(4.2, 3.0, 1, plot)


def _colour(number: int) -> str:
    return PALETTE[HUES[number % len(HUES)]][0]


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
