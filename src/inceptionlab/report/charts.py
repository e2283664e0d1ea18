"""Charts as SVG text, in greys and blues that read on white and on black."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

GREY, BLUE, ORANGE = "#8492a6", "#3b82f6", "#f59e0b"


def figure_svg(width: float, height: float, columns: int, draw: Callable[[Any], None]) -> str:
    """The SVG of a figure that `draw` fills (an array of axes)."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": "inceptionlab", "axes.edgecolor": GREY, "axes.labelcolor": GREY,
        "text.color": GREY, "xtick.color": GREY, "ytick.color": GREY, "axes.spines.top": False,
        "axes.spines.right": False, "font.family": "sans-serif", "legend.frameon": False, "axes.titlecolor": GREY,
    }  # fmt: skip
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.subplots(1, columns, squeeze=False)[0])
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def curves(metrics: list[dict[str, Any]]) -> str:
    """Losses, validation accuracy and learning rate over the epochs."""
    epochs = [record["epoch"] for record in metrics]

    def plot(axes: Any) -> None:
        axes[0].plot(epochs, [r["train_loss"] for r in metrics], color=GREY, label="training", marker=".")
        axes[0].plot(epochs, [r["val_loss"] for r in metrics], color=BLUE, label="validation", marker=".")
        axes[0].set(title="loss", xlabel="epoch", ylim=(0, None))
        axes[0].legend()
        axes[1].plot(epochs, [100 * r["val_top1"] for r in metrics], color=BLUE, marker=".")
        axes[1].set(title="validation accuracy, %", xlabel="epoch")
        axes[2].plot(epochs, [r["lr"] for r in metrics], color=ORANGE, marker=".")
        axes[2].set(title="learning rate at the end", xlabel="epoch", ylim=(0, None))

    return figure_svg(10, 3, 3, plot)


def confusion_matrix(counts: np.ndarray, classes: tuple[str, ...]) -> str:
    """Counts of guesses (columns) for each true class (rows); numbers are written up to 20 classes."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(9.0, 2.5 + 0.42 * len(classes))

    def plot(axes: Any) -> None:
        axes[0].imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes[0].set(xlabel="guess", ylabel="true class")
        if len(classes) <= 20:
            axes[0].set_xticks(range(len(classes)), classes, rotation=90)
            axes[0].set_yticks(range(len(classes)), classes)
            for (i, j), count in np.ndenumerate(counts):
                dark = shares[i, j] > 0.5
                axes[0].text(
                    j, i, count or "", ha="center", va="center", fontsize=8, color="white" if dark else "#334155"
                )

    return figure_svg(side, side, 1, plot)


def reliability(rows: np.ndarray) -> str:
    """Accuracy over confidence in bins, beside the diagonal of a calibrated network, and the share of each bin."""
    used = rows[rows[:, 2] > 0]

    def plot(axes: Any) -> None:
        axes[0].plot([0, 1], [0, 1], color=GREY, linestyle=":")
        axes[0].plot(used[:, 0], used[:, 1], color=BLUE, marker="o")
        axes[0].set(title="accuracy over confidence", xlabel="confidence", xlim=(0, 1), ylim=(0, 1.02))
        axes[1].bar(used[:, 0], used[:, 2] / used[:, 2].sum(), width=0.05, color=ORANGE)
        axes[1].set(title="share of pictures", xlabel="confidence", xlim=(0, 1))

    return figure_svg(8, 3, 2, plot)
