"""Charts as SVG text that read on white and on black: what is grey takes the colour of the page's text.

Names of users stand in them as they are: no mathematics, any script, cut where they are long.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

GREY, BLUE, ORANGE = "#8492a6", "#3b82f6", "#f59e0b"
FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei",
         "WenQuanYi Zen Hei", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "SimHei")  # fmt: skip
"""In order; a letter is measured in the first installed one that has it."""
LONGEST = 28
MOST_NUMBERS = 20
"""Classes up to which the counts of a confusion matrix are written."""


def figure_svg(width: float, height: float, columns: int, draw: Callable[[Any], None]) -> str:
    """The SVG of a figure that `draw` fills (an array of axes)."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": "inceptionlab", "axes.edgecolor": GREY, "axes.labelcolor": GREY,
        "text.color": GREY, "xtick.color": GREY, "ytick.color": GREY, "axes.spines.top": False,
        "axes.spines.right": False, "font.family": _fonts(), "legend.frameon": False, "axes.titlecolor": GREY,
        "text.parse_math": False, "savefig.bbox": "tight",
    }  # fmt: skip
    with mpl.rc_context(style), warnings.catch_warnings():
        # letters that no installed font has: the browser, which does have them, draws the text
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.subplots(1, columns, squeeze=False)[0])
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return (
        text[text.index("<svg") :].replace("<svg ", f'<svg color="{GREY}" ', 1).replace(f": {GREY}", ": currentColor")
    )


@cache
def _fonts() -> list[str]:
    """The installed fonts of `FONTS`."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return [name for name in FONTS if name in installed]


def short(name: str, longest: int = LONGEST) -> str:
    """A name that fits a chart."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def whole_numbers(axis: Any) -> None:
    """Ticks of an axis at whole numbers alone."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def curves(metrics: Sequence[Mapping[str, Any]]) -> str:
    """Losses, validation accuracy and learning rate over the epochs."""
    epochs = [record["epoch"] for record in metrics]

    def line(axes: Any, values: list[float], colour: str, label: str = "") -> None:
        axes.plot(epochs, values, color=colour, label=label, marker=".", clip_on=False)

    def plot(axes: Any) -> None:
        line(axes[0], [r["train_loss"] for r in metrics], GREY, "training")
        line(axes[0], [r["val_loss"] for r in metrics], BLUE, "validation")
        axes[0].set(title="loss", xlabel="epoch", ylim=(0, None))
        axes[0].legend()
        line(axes[1], [100 * r["val_top1"] for r in metrics], BLUE)
        axes[1].set(title="validation accuracy, %", xlabel="epoch")
        line(axes[2], [r["lr"] for r in metrics], ORANGE)
        axes[2].set(title="learning rate at the end", xlabel="epoch", ylim=(0, None))
        for one in axes:
            whole_numbers(one.xaxis)

    return figure_svg(10, 3, 3, plot)


def confusion_matrix(counts: Int64[np.ndarray, "c c"], classes: tuple[str, ...]) -> str:
    """Counts of predictions (columns) for each true class (rows); numbers are written up to 20 classes."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(9.0, 2.5 + 0.42 * len(classes))
    shades = LinearSegmentedColormap.from_list("shades", [to_rgba(BLUE, 0.0), to_rgba(BLUE, 1.0)])

    def plot(axes: Any) -> None:
        axes[0].imshow(shares, cmap=shades, vmin=0, vmax=1)
        axes[0].set(xlabel="prediction", ylabel="true class")
        if len(classes) > MOST_NUMBERS:
            whole_numbers(axes[0].xaxis)
            whole_numbers(axes[0].yaxis)
            return
        names = [short(name) for name in classes]
        axes[0].set_xticks(range(len(classes)), names, rotation=90, rotation_mode="anchor", ha="right", va="center")
        axes[0].set_yticks(range(len(classes)), names)
        for (i, j), count in np.ndenumerate(counts):
            colour = "white" if shares[i, j] > 0.6 else GREY
            axes[0].text(j, i, count or "", ha="center", va="center", fontsize=8, color=colour)

    return figure_svg(side, side, 1, plot)


def reliability(rows: Float[np.ndarray, "bins 3"]) -> str:
    """Accuracy over confidence in bins, beside the diagonal of a calibrated network, and the share of each bin."""
    used = rows[rows[:, 2] > 0]

    def plot(axes: Any) -> None:
        axes[0].plot([0, 1], [0, 1], color=GREY, linestyle=":")
        axes[0].plot(used[:, 0], used[:, 1], color=BLUE, marker="o")
        axes[0].set(title="accuracy over confidence", xlabel="confidence", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes[1].bar(used[:, 0], used[:, 2] / used[:, 2].sum(), width=0.05, color=ORANGE)
        axes[1].set(title="share of images", xlabel="confidence", xlim=(-0.03, 1.03))

    return figure_svg(8, 3, 2, plot)
