"""What is tried with a trained network on a test set, and what came of it, as records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from inceptionlab.data.dataset import Samples
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.errors import DataError, listed
from inceptionlab.evaluation.answers import Answer, answers
from inceptionlab.evaluation.calibration import fitted_temperature
from inceptionlab.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from inceptionlab.evaluation.metrics import ClassScore, Score, confusion, gain, per_class, row_normalised, score
from inceptionlab.evaluation.options import Crops, Protocol
from inceptionlab.evaluation.predictions import logits_of, view_count
from inceptionlab.evaluation.views import probabilities

LEAST = 1e-12
"""The probability that one of 0 counts as, so that its logarithm is finite."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tested: `run`, a network or an engine, how its images are prepared, and its classes.

    `flip_tta` and `shift_tta` say over which views of an image the plain test averages its logits, as `logits_of` has
    them. `precision` is what `run` computes in, and `engine` what computes it.
    """

    run: Callable[[Tensor], Tensor]
    preprocess: Preprocess
    classes: tuple[str, ...]
    flip_tta: bool = False
    precision: str = "fp32"
    engine: str = "torch"
    shift_tta: bool = False

    def logits(self, samples: Samples) -> Float[Tensor, "n classes"]:
        """The logits of a set, on the CPU, wherever the network and the images are."""
        return logits_of(self.run, samples, self.preprocess, flip_tta=self.flip_tta, shift_tta=self.shift_tta)


@dataclass(frozen=True, slots=True)
class Views:
    """The test over crops and networks: `forward_passes` per image, and the gain in accuracy over the plain test with
    its paired 95 % interval.
    """

    score: Score
    forward_passes: int
    gain: float
    gain_low: float
    gain_high: float


@dataclass(frozen=True, slots=True)
class Temperature:
    """A temperature fitted on `n` validation images, and the test's calibration error and loss (before, after)."""

    temperature: float
    n: int
    ece: tuple[float, float]
    loss: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Corruption:
    """The test on images with a corruption of one kind and severity."""

    kind: str
    severity: int
    score: Score


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of a protocol. `confusion` counts: rows are true classes, columns predictions; `answers` says what was
    predicted on each image, `left_out` which images of the data could not be read and were left out, `engine_why` what
    "auto" went by, and `looks` how many views of an image the plain test averages over. What the protocol does not ask
    for is None or empty.
    """

    score: Score
    precision: str
    engine: str
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    answers: tuple[Answer, ...] = field(repr=False)
    views: Views | None = None
    temperature: Temperature | None = None
    corruptions: tuple[Corruption, ...] = ()
    left_out: tuple[str, ...] = ()
    engine_why: str = ""
    looks: int = 1

    @property
    def worst_first(self) -> tuple[ClassScore, ...]:
        """The classes by their F1, the worst first."""
        return tuple(sorted(self.classes, key=lambda row: (row.f1, row.recall)))

    @property
    def confusion_by_row(self) -> tuple[tuple[float, ...], ...]:
        """The confusion matrix as shares of each true class."""
        return tuple(map(tuple, row_normalised(np.array(self.confusion)).round(6).tolist()))

    def as_record(self) -> dict[str, Any]:
        """Plain values for JSON; the numbers of a score stand beside what they are the score of."""
        record = _flat(self) | {"classes": [asdict(row) for row in self.classes]}
        record |= {"confusion_by_row": self.confusion_by_row, "answers": [asdict(answer) for answer in self.answers]}
        record["left_out"] = list(self.left_out)
        record["corruptions"] = [_flat(row) for row in self.corruptions]
        record["views"] = _flat(self.views) if self.views else None
        record["temperature"] = asdict(self.temperature) if self.temperature else None
        return {name: value for name, value in record.items() if value not in (None, "", [])}


def apply_protocol(
    subject: Subject,
    test: Samples,
    protocol: Protocol | None = None,
    *,
    ensemble: Sequence[Subject] = (),
    validation: Samples | None = None,
) -> Evaluation:
    """Test a network by a protocol; `ensemble` are more networks, whose probabilities are averaged with its own, and
    `validation` the images that a temperature is fitted on.

    Raises `DataError` where classes differ or a temperature has no validation images.
    """
    protocol = protocol or Protocol()
    for kind, classes in (("data", test.classes), *(("ensemble", other.classes) for other in ensemble)):
        if classes != subject.classes:
            raise DataError(_other_classes(kind, classes, subject.classes))
    test = test.limited(protocol.limit_test)
    logits, labels = subject.logits(test), test.labels.cpu()
    several = protocol.crops > 1 or len(ensemble) > 0
    return Evaluation(
        score(logits, labels),
        subject.precision,
        subject.engine,
        tuple(per_class(logits, labels, subject.classes)),
        tuple(map(tuple, confusion(logits, labels).tolist())),
        answers(logits, test),
        over_views([subject, *ensemble], test, protocol.crops, logits) if several else None,
        with_temperature(subject, validation, logits, labels) if protocol.temperature else None,
        under_corruptions(subject, test) if protocol.corruptions else (),
        looks=view_count(subject.flip_tta, subject.shift_tta),
    )


def _other_classes(kind: str, theirs: Sequence[str], ours: Sequence[str]) -> str:
    """What differs between the classes of data, or of another network, and those of the network."""
    missing, strange = [name for name in ours if name not in theirs], [name for name in theirs if name not in ours]
    parts = [f"{len(theirs):,} classes and the network {len(ours):,}"]
    parts += [f"it has not {listed(missing)}"] if missing else []
    parts += [f"the network has not {listed(strange)}"] if strange else []
    parts += ["they stand in another order"] if not missing and not strange else []
    return f"the {kind} has " + "; ".join(parts)


def over_views(subjects: Sequence[Subject], test: Samples, crops: Crops, plain: Float[Tensor, "n classes"]) -> Views:
    """The test over crops and networks, and its gain over the `plain` logits."""
    labels = test.labels.cpu()
    found = probabilities([(one.run, one.preprocess) for one in subjects], test, crops)
    difference = gain(plain.argmax(1) == labels, found.argmax(1) == labels)
    return Views(score(found.clamp_min(LEAST).log(), labels), crops * len(subjects), *difference)


def with_temperature(
    subject: Subject,
    validation: Samples | None,
    logits: Float[Tensor, "n classes"],
    labels: Int64[Tensor, " n"],
) -> Temperature:
    """The temperature of the validation images, and calibration on the test before and after it."""
    if validation is None:
        raise DataError("a temperature is fitted on validation images, and there are none: these weights were imported")
    temperature = fitted_temperature(subject.logits(validation), validation.labels.cpu())
    before, after = score(logits, labels), score(logits / temperature, labels)
    return Temperature(temperature, len(validation), (before.ece, after.ece), (before.loss, after.loss))


def under_corruptions(subject: Subject, test: Samples) -> tuple[Corruption, ...]:
    """The test for each corruption and severity."""
    return tuple(
        Corruption(kind, severity, score(subject.logits(corrupted(test, kind, severity)), test.labels.cpu()))
        for kind in CORRUPTIONS
        for severity in SEVERITIES
    )


def _flat(record: Evaluation | Views | Corruption) -> dict[str, Any]:
    """The fields by name, with those of the score in its place."""
    plain = {entry.name: getattr(record, entry.name) for entry in fields(record) if entry.name != "score"}
    scored = asdict(record.score)
    return {name: value for name, value in scored.items() if name != "top5" or record.score.has_top5} | plain
