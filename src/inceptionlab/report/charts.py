"""The charts of a run: its curves, its confusion matrix, its calibration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any
from unicodedata import east_asian_width

import numpy as np
from jaxtyping import Float, Int64

from inceptionlab.report.figures import BLUE, GREY, INK, ORANGE, PAPER, figure_svg, legend_above, short, whole_numbers

Metrics = Sequence[Mapping[str, Any]]
MOST_NUMBERS = 20
"""Classes up to which a confusion matrix has their names and its shares in figures."""
MOST_CELLS = 100
"""Classes up to which each of its cells says its count."""
LEVEL = 3
"""Letters of class names up to which they are not turned."""
HIGHEST = 100.4
"""Where an axis of per cent ends, so that nothing above 100 stands at it."""
DARK = 0.65
"""The share from which a cell is so dark that its number is light."""


def curves(metrics: Metrics) -> str:
    """Losses, accuracies and learning rate over the epochs, side by side."""

    def plot(axes: Any) -> None:
        for one, draw in zip(axes, _PANELS, strict=True):
            draw(one, metrics)

    return figure_svg(10, 2.9, 3, plot)


def curve_panels(metrics: Metrics) -> list[str]:
    """The same as a figure each, which a page lays out."""
    return [figure_svg(3.6, 2.5, 1, _panel(draw, metrics)) for draw in _PANELS]


def _panel(draw: Callable[[Any, Metrics], None], metrics: Metrics) -> Callable[[Any], None]:
    return lambda axes: draw(axes[0], metrics)


def _losses(axes: Any, metrics: Metrics) -> None:
    _line(axes, metrics, "train_loss", GREY, "training")
    _line(axes, metrics, "val_loss", BLUE, "validation")
    axes.set(ylabel="loss, nats per image", ylim=(0, None))
    legend_above(axes)


def _accuracies(axes: Any, metrics: Metrics) -> None:
    if any(record.get("train_top1") is not None for record in metrics):
        _line(axes, metrics, "train_top1", GREY, "training", 100)
    _line(axes, metrics, "val_top1", BLUE, "validation", 100)
    axes.set(ylabel="accuracy, %", ylim=(None, min(axes.get_ylim()[1], HIGHEST)))
    legend_above(axes)


def _rates(axes: Any, metrics: Metrics) -> None:
    _line(axes, metrics, "lr", ORANGE, "at the end of the epoch")
    axes.set(ylabel="learning rate", ylim=(0, None))
    legend_above(axes)


_PANELS = (_losses, _accuracies, _rates)


def _line(axes: Any, metrics: Metrics, field: str, colour: str, label: str, factor: float = 1) -> None:
    """A field of the epochs that have it."""
    known = [(r["epoch"], factor * r[field]) for r in metrics if r.get(field) is not None]
    axes.plot([x for x, _ in known], [y for _, y in known], color=colour, label=label, marker="o", clip_on=False,
              markersize=4 if len(known) <= 30 else 0)  # fmt: skip
    axes.set_xlabel("epoch")
    whole_numbers(axes.xaxis)


def confusion_matrix(counts: Int64[np.ndarray, "c c"], classes: tuple[str, ...]) -> str:
    """How the images of each true class (rows) were predicted (columns), as shares of the row.

    Up to 20 classes the shares stand there in per cent, and up to 100 a cell says its count where it is pointed at.
    """
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 0.9 + 0.08 * _longest(classes) + min(7.0, max(1.1, 0.36 * len(classes)))

    def plot(axes: Any) -> None:
        place = axes[0]
        (_cells if len(classes) <= MOST_CELLS else _raster)(place, shares)
        place.set(xlabel="prediction", ylabel="true class", xlim=(-0.5, len(classes) - 0.5),
                  ylim=(len(classes) - 0.5, -0.5), aspect="equal")  # fmt: skip
        if len(classes) > MOST_NUMBERS:
            whole_numbers(place.xaxis)
            whole_numbers(place.yaxis)
            return
        _names(place, classes)
        for (i, j), share in np.ndenumerate(shares):
            if counts[i, j]:
                place.text(j, i, _percent(float(share)), ha="center", va="center_baseline", fontsize=8.5,
                           color=PAPER if share > DARK else INK)  # fmt: skip

    return _pointed_at(figure_svg(side, side, 1, plot), counts, classes)


def _longest(classes: tuple[str, ...]) -> int:
    """The width of the longest name that is shown, in letters of which Chinese ones count two."""
    names = [short(name) for name in classes] if len(classes) <= MOST_NUMBERS else [str(len(classes))]
    return max(sum(1 + (east_asian_width(letter) in "WF") for letter in name) for name in names)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.005 else "<1"


def _names(axes: Any, classes: tuple[str, ...]) -> None:
    names, places = [short(name) for name in classes], range(len(classes))
    turned = {"rotation": 90, "rotation_mode": "anchor", "ha": "right", "va": "center_baseline"}
    axes.set_xticks(places, names, **(turned if max(map(len, names)) > LEVEL else {}))
    axes.set_yticks(places, names, va="center_baseline")
    axes.tick_params(length=0)


def _cells(axes: Any, shares: Float[np.ndarray, "c c"]) -> None:
    """A square per cell that is not empty, the darker the larger its share."""
    from matplotlib.patches import Rectangle

    for (i, j), share in np.ndenumerate(shares):
        if share:
            axes.add_patch(
                Rectangle((j - 0.5, i - 0.5), 1, 1, color=BLUE, linewidth=0, alpha=float(share), gid=f"cell-{i}-{j}")
            )


def _raster(axes: Any, shares: Float[np.ndarray, "c c"]) -> None:
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    shades = LinearSegmentedColormap.from_list("shades", [to_rgba(BLUE, 0.0), to_rgba(BLUE, 1.0)])
    axes.imshow(shares, cmap=shades, vmin=0, vmax=1)


def _pointed_at(svg: str, counts: Int64[np.ndarray, "c c"], classes: tuple[str, ...]) -> str:
    """The figure whose cells say what they are where they are pointed at."""

    def titled(found: re.Match[str]) -> str:
        i, j = int(found[1]), int(found[2])
        count, n = int(counts[i, j]), int(counts[i].sum())
        words = f"{classes[i]} predicted as {classes[j]}: {count:,} of {n:,} ({count / n:.1%})"
        return f"<g><title>{escape(words)}</title>"

    return re.sub(r'<g id="cell-(\d+)-(\d+)">', titled, svg)


def reliability(rows: Float[np.ndarray, "bins 3"]) -> str:
    """Accuracy over confidence in bins, beside the diagonal of a calibrated network, over the share of each bin."""
    used = rows[rows[:, 2] > 0]

    def plot(axes: Any) -> None:
        axes[0].bar(100 * used[:, 0], 100 * used[:, 2] / used[:, 2].sum(), width=4, color=GREY, alpha=0.35,
                    label="share of the images")  # fmt: skip
        axes[0].plot([0, 100], [0, 100], color=GREY, linestyle=":", linewidth=1.2, label="calibrated")
        axes[0].plot(100 * used[:, 0], 100 * used[:, 1], color=BLUE, marker="o", label="accuracy")
        axes[0].set(xlabel="confidence, %", ylabel="%", xlim=(-4, 104), ylim=(-4, 104))
        legend_above(axes[0])

    return figure_svg(4.6, 3.4, 1, plot)
