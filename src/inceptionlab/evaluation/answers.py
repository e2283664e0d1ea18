"""What a network answered on each image, by the image's name: the rows of `predictions.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

from jaxtyping import Float
from torch import Tensor

from inceptionlab.data.dataset import Samples

DIGITS = 6
"""Decimal places of a probability."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a network answered on an image: the image's name, its true class, the predicted one with its probability,
    whether they are the same; and the probability that the true class was given, with its rank (1: the likeliest).
    """

    name: str
    true: str
    predicted: str
    probability: float
    correct: bool
    true_probability: float
    rank: int


def answers(logits: Float[Tensor, "n classes"], samples: Samples) -> tuple[Answer, ...]:
    """The answers on every image of a set, in its order."""
    probability, labels = logits.softmax(1), samples.labels.cpu()[:, None]
    highest, predicted = probability.max(1)
    true = probability.gather(1, labels)
    ranks = 1 + (logits > logits.gather(1, labels)).sum(1)
    columns = [labels[:, 0], predicted, highest, true[:, 0], ranks]
    rows: list[tuple[int, int, float, float, int]] = list(
        zip(*(cast(Any, one).tolist() for one in columns), strict=True)
    )
    classes: Sequence[str] = samples.classes
    return tuple(
        Answer(
            samples.name(i), classes[label], classes[first], round(high, DIGITS), first == label,
            round(own, DIGITS), rank,
        )
        for i, (label, first, high, own, rank) in enumerate(rows)
    )  # fmt: skip


def answers_csv(found: Sequence[Answer]) -> str:
    """The answers as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [entry.name for entry in fields(Answer)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(answer) | {"correct": int(answer.correct)} for answer in found)
    return text.getvalue()
