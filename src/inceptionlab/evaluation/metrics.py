"""Metrics of a classifier from its logits, with intervals where they are estimates."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from inceptionlab.errors import counted

Z95 = 1.959963984540054
FIRST = 5
"""The classes that top-5 accuracy looks at."""


@dataclass(frozen=True, slots=True)
class Score:
    """The numbers of a test on `n` images of `n_classes` classes (0: not noted). Accuracies are shares of 1; `top1_low`
    and `top1_high` are Wilson's 95 % interval.
    """

    top1: float
    top1_low: float
    top1_high: float
    top5: float
    n: int
    loss: float
    ece: float
    n_classes: int = 0

    @property
    def has_top5(self) -> bool:
        """Whether `top5` says anything: of five classes or fewer, the first five are always right."""
        return not 0 < self.n_classes <= FIRST

    def __str__(self) -> str:
        top5 = f"   top-5 {self.top5:.2%}" if self.has_top5 else ""
        return (
            f"test accuracy {self.top1:.2%} (95 % interval {self.top1_low:.2%} to {self.top1_high:.2%}, "
            f"{counted(self.n, 'image')}){top5}   calibration error {self.ece:.2%}"
        )

    def _repr_html_(self) -> str:
        """The table that Jupyter shows."""
        cells = {
            "top-1": f"{self.top1:.2%}", "95 % interval": f"{self.top1_low:.2%} to {self.top1_high:.2%}",
            "top-5": f"{self.top5:.2%}", "loss": f"{self.loss:.4f}", "calibration error": f"{self.ece:.2%}",
            "images": f"{self.n:,}",
        }  # fmt: skip
        cells = cells if self.has_top5 else {name: cell for name, cell in cells.items() if name != "top-5"}
        heads = "".join(f"<th>{name}</th>" for name in cells)
        values = "".join(f"<td>{value}</td>" for value in cells.values())
        return f"<table><tr>{heads}</tr><tr>{values}</tr></table>"


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well a class was recognised: shares of 1, and its number of images `n`."""

    label: str
    precision: float
    recall: float
    f1: float
    n: int


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share (Wilson 1927); sensible at 0 and 1, where the normal one is not."""
    from scipy import stats

    interval: Any = cast(Any, stats).binomtest(successes, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def calibration(
    probabilities: Float[Tensor, "n c"], labels: Int64[Tensor, " n"], bins: int = 15
) -> Float[np.ndarray, "bins 3"]:
    """Rows (mean confidence, accuracy, count) of equally wide bins of confidence (Guo et al. 2017)."""
    confidence, prediction = probabilities.max(1)
    right = (prediction == labels).float()
    place = (confidence * bins).long().clamp(max=bins - 1)
    rows = [
        (confidence[place == i].mean().item(), right[place == i].mean().item(), int((place == i).sum()))
        if (place == i).any() else (0.0, 0.0, 0)
        for i in range(bins)
    ]  # fmt: skip
    return np.array(rows)


def calibration_error(rows: Float[np.ndarray, "bins 3"]) -> float:
    """Expected calibration error: the mean gap of confidence and accuracy, weighted by the bins' counts."""
    counts = rows[:, 2]
    return float((np.abs(rows[:, 0] - rows[:, 1]) * counts).sum() / counts.sum())


def score(logits: Float[Tensor, "n c"], labels: Int64[Tensor, " n"]) -> Score:
    """All numbers of a test. `top5` counts the right class among the first five (all, if there are fewer)."""
    n, classes = logits.shape
    right = int((logits.argmax(1) == labels).sum())
    best = logits.topk(min(FIRST, classes)).indices
    low, high = wilson(right, n)
    return Score(
        top1=right / n, top1_low=low, top1_high=high, top5=(best == labels[:, None]).any(1).float().mean().item(),
        n=n, loss=F.cross_entropy(logits, labels).item(),
        ece=calibration_error(calibration(logits.softmax(1), labels)), n_classes=classes,
    )  # fmt: skip


def per_class(logits: Float[Tensor, "n c"], labels: Int64[Tensor, " n"], classes: tuple[str, ...]) -> list[ClassScore]:
    """A row per class; a class without images, or never predicted, has zeros."""
    from sklearn import metrics

    # scikit-learn has no types
    numbers: Any = cast(Any, metrics).precision_recall_fscore_support(
        labels.numpy(), logits.argmax(1).numpy(), labels=range(len(classes)), zero_division=0.0
    )
    return [ClassScore(label, *(column[i].item() for column in numbers)) for i, label in enumerate(classes)]


def confusion(logits: Float[Tensor, "n c"], labels: Int64[Tensor, " n"]) -> Int64[np.ndarray, "c c"]:
    """Counts: rows are true classes, columns are predictions."""
    from sklearn import metrics

    found: Any = cast(Any, metrics).confusion_matrix(labels, logits.argmax(1), labels=range(logits.shape[1]))
    return found


def row_normalised(counts: Int64[np.ndarray, "c c"]) -> Float[np.ndarray, "c c"]:
    """A confusion matrix as shares of each true class, so that a row sums to 1 (to 0 for a class without images)."""
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def gain(before: Bool[Tensor, " n"], after: Bool[Tensor, " n"]) -> tuple[float, float, float]:
    """(difference, low, high) of two accuracies on the same images with the 95 % interval of paired shares.

    Only images on which exactly one of the two is right count (Agresti 2013, section 11.1).
    """
    n = len(before)
    better, worse = int((after & ~before).sum()), int((before & ~after).sum())
    difference = (better - worse) / n
    half = Z95 * sqrt(max(0.0, better + worse - (better - worse) ** 2 / n)) / n
    return difference, difference - half, difference + half
