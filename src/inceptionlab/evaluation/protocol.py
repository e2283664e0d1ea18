"""What is tried with a trained network on a test set, and what came of it, as records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from jaxtyping import Float, Int64
from torch import Tensor

from inceptionlab.data.dataset import Samples
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.errors import ConfigError, DataError
from inceptionlab.evaluation.calibration import fitted_temperature
from inceptionlab.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from inceptionlab.evaluation.metrics import ClassScore, Score, confusion, gain, per_class, score
from inceptionlab.evaluation.predictions import logits_of
from inceptionlab.evaluation.views import Crops, probabilities

LEAST = 1e-12
"""The probability that one of 0 counts as, so that its logarithm is finite."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is tried beside the plain test: `crops` of each image (1, 10, 12 or 144, the papers'), a `temperature`
    fitted on validation images, and `corruptions` of the test images; of these only `limit_test`, where that is said.
    """

    crops: Crops = 1
    temperature: bool = False
    corruptions: bool = False
    limit_test: int | None = None

    def __post_init__(self) -> None:
        if self.crops not in get_args(Crops):
            raise ConfigError(f"crops = {self.crops!r}: give 1, 10, 12 or 144")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tested: `run`, a network or an engine, how its images are prepared, and its classes.

    `flip_tta` means the plain test averages the logits of an image and its mirror image. `precision` is what `run`
    computes in.
    """

    run: Callable[[Tensor], Tensor]
    preprocess: Preprocess
    classes: tuple[str, ...]
    flip_tta: bool = False
    precision: str = "fp32"

    def logits(self, samples: Samples) -> Float[Tensor, "n classes"]:
        """The logits of a set, on the CPU, wherever the network and the images are."""
        return logits_of(self.run, samples, self.preprocess, flip_tta=self.flip_tta)


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
    """What came of a protocol. `confusion` counts: rows are true classes, columns predictions. What the protocol does
    not ask for is None or empty.
    """

    score: Score
    precision: str
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    views: Views | None = None
    temperature: Temperature | None = None
    corruptions: tuple[Corruption, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Plain values for JSON; the numbers of a score stand beside what they are the score of."""
        record = _flat(self) | {"classes": [asdict(row) for row in self.classes]}
        record["corruptions"] = [_flat(row) for row in self.corruptions]
        record["views"] = _flat(self.views) if self.views else None
        record["temperature"] = asdict(self.temperature) if self.temperature else None
        return {name: value for name, value in record.items() if value is not None and value != []}


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
            raise DataError(f"the {kind} has the classes {classes}, the network has {subject.classes}")
    test = test.limited(protocol.limit_test)
    logits, labels = subject.logits(test), test.labels.cpu()
    several = protocol.crops > 1 or len(ensemble) > 0
    return Evaluation(
        score(logits, labels),
        subject.precision,
        tuple(per_class(logits, labels, subject.classes)),
        tuple(map(tuple, confusion(logits, labels).tolist())),
        over_views([subject, *ensemble], test, protocol.crops, logits) if several else None,
        with_temperature(subject, validation, logits, labels) if protocol.temperature else None,
        under_corruptions(subject, test) if protocol.corruptions else (),
    )


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
    return asdict(record.score) | plain
