"""The images of a test that a network got wrong, for its report: at most 24 of them, each as a thumbnail."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from inceptionlab.data.dataset import Samples
from inceptionlab.explaining.mistakes import Mistake, confident_mistakes, likely_wrong_labels, most_confused
from inceptionlab.report.page import image_source

CONFIDENT, PAIRS, EXAMPLES, SUSPECTS = 10, 4, 2, 6
"""Confident mistakes, pairs of confused classes with examples of each, and likely wrong labels that a page shows."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """An image with its class, the prediction with its probability, and its name."""

    label: str
    prediction: str
    probability: str
    name: str
    image: str


@dataclass(frozen=True, slots=True)
class ConfusedClasses:
    """A class, what it was taken for, how often in words, and images of it."""

    label: str
    prediction: str
    often: str
    examples: list[Thumbnail]


@dataclass(frozen=True, slots=True)
class Mistakes:
    """The most confident mistakes, the most confused classes, and the likely wrong labels with their number in all."""

    confident: list[Thumbnail]
    confused: list[ConfusedClasses]
    suspects: list[Thumbnail]
    suspected: int


def mistakes_of(logits: Float[Tensor, "n c"], samples: Samples) -> Mistakes:
    """What a page shows of the answers on a set."""
    labels, classes = samples.labels.cpu(), samples.classes
    confused, suspects = most_confused(logits, labels, PAIRS, EXAMPLES), likely_wrong_labels(logits, labels)
    return Mistakes(
        [_thumbnail(one, samples) for one in confident_mistakes(logits, labels, CONFIDENT)],
        [
            ConfusedClasses(
                classes[pair.label], classes[pair.prediction], f"{pair.count:,} ({pair.share:.0%})",
                [_thumbnail(one, samples) for one in pair.examples],
            )
            for pair in confused
        ],
        [_thumbnail(one, samples) for one in suspects[:SUSPECTS]], len(suspects),
    )  # fmt: skip


def _thumbnail(one: Mistake, samples: Samples) -> Thumbnail:
    return Thumbnail(
        samples.classes[one.label], samples.classes[one.prediction], f"{one.probability:.0%}",
        samples.name(one.place), image_source(samples.images[one.place].cpu().numpy()),
    )  # fmt: skip
