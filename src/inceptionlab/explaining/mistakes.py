"""Where a network is wrong: its most confident mistakes, the classes that it confuses, and labels that may be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

SLACK = 1e-6
"""What a probability may lack of its class's threshold, for rounding."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """The image at place `place` of the class `label`, predicted as the class `prediction` with this probability."""

    place: int
    label: int
    prediction: int
    probability: float


@dataclass(frozen=True, slots=True)
class Confused:
    """`count` images of the class `label`, a `share` of them, predicted as `prediction`; the most confident first."""

    label: int
    prediction: int
    count: int
    share: float
    examples: tuple[Mistake, ...]


def confident_mistakes(logits: Float[Tensor, "n c"], labels: Int64[Tensor, " n"], count: int = 24) -> list[Mistake]:
    """The misclassified images whose prediction is the most probable, most probable first."""
    probability, prediction = logits.softmax(1).max(1)
    wrong = torch.nonzero(prediction != labels)[:, 0]
    order = wrong[probability[wrong].argsort(descending=True, stable=True)][:count]
    return [Mistake(int(i), int(labels[i]), int(prediction[i]), float(probability[i])) for i in order]


def most_confused(
    logits: Float[Tensor, "n c"], labels: Int64[Tensor, " n"], count: int = 4, examples: int = 3
) -> list[Confused]:
    """The pairs of a class and what it is most often taken for, by the number of images, with the most confident."""
    pairs: dict[tuple[int, int], list[Mistake]] = {}
    for mistake in confident_mistakes(logits, labels, len(labels)):
        pairs.setdefault((mistake.label, mistake.prediction), []).append(mistake)
    sizes = torch.bincount(labels, minlength=logits.shape[1])
    first = sorted(pairs.items(), key=lambda pair: -len(pair[1]))[:count]
    return [
        Confused(label, prediction, len(found), len(found) / int(sizes[label]), tuple(found[:examples]))
        for (label, prediction), found in first
    ]


def likely_wrong_labels(logits: Float[Tensor, "n c"], labels: Int64[Tensor, " n"]) -> list[Mistake]:
    """The images whose label is likely wrong, likeliest first, by confident learning (Northcutt et al. 2021,
    arXiv 1911.00068): the network must not have been trained on them.

    A class is confidently seen in an image where its probability reaches the mean that images with its label have. An
    image is named where the likeliest of the classes so seen, and its prediction, are not its label; the order is that
    of the label's probability less that of the prediction.
    """
    probabilities = logits.double().softmax(1)
    means = torch.stack([row.mean() for row in _own(probabilities, labels)])
    seen = probabilities >= means - SLACK
    joint = torch.where(seen, probabilities, -1.0).argmax(1)
    prediction = probabilities.argmax(1)
    wrong: Bool[Tensor, " n"] = seen.any(1) & (joint != labels) & (prediction != labels)
    margin = probabilities.gather(1, labels[:, None])[:, 0] - probabilities.max(1).values
    places = torch.nonzero(wrong)[:, 0]
    order = places[margin[places].argsort(stable=True)]
    return [Mistake(int(i), int(labels[i]), int(prediction[i]), float(probabilities[i].max())) for i in order]


def _own(probabilities: Float[Tensor, "n c"], labels: Int64[Tensor, " n"]) -> Iterator[Tensor]:
    """For each class its probabilities on the images with its label; out of reach for a class without images."""
    for i in range(probabilities.shape[1]):
        own = probabilities[labels == i, i]
        yield own if len(own) else torch.full((1,), torch.inf, dtype=probabilities.dtype)
