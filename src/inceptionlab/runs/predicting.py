"""From images to classes: in batches, decoded by threads while the network runs on those before."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from html import escape
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inceptionlab.data.ahead import in_batches, read_ahead
from inceptionlab.data.image_sets import ImageSet, ImagesOf, image_set
from inceptionlab.data.progress import followed
from inceptionlab.errors import ConfigError, DataError
from inceptionlab.runs.prediction import Opened, Source, Trained, load

BATCH = 32
"""Images of a forward pass; more make no network faster on a CPU, and wait longer for the first answer."""


@dataclass(frozen=True, slots=True)
class ClassProbability:
    """A class and how likely it is."""

    label: str
    index: int
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The likeliest classes of an image, likeliest first; `path` is its file, or "image 3" for one without, and
    `engine` what computed them.
    """

    path: str
    top: tuple[ClassProbability, ...]
    engine: str = "torch"

    @property
    def label(self) -> str:
        """The likeliest class, "" where none is as likely as was asked for."""
        return self.top[0].label if self.top else ""

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{escape(one.label)}</td><td>{one.probability:.2%}</td></tr>" for one in self.top)
        return f"<table><caption>{escape(self.path)}</caption>{rows}</table>"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An image that cannot be read: its file, or "image 3" for one without, and a sentence that says why."""

    path: str
    error: str


def likeliest(
    logits: Float[Tensor, " classes"], classes: tuple[str, ...], top: int, threshold: float = 0.0
) -> tuple[ClassProbability, ...]:
    """The `top` likeliest classes, likeliest first, without those that are less likely than `threshold`."""
    found = logits.float().softmax(0).topk(min(top, len(logits)))
    probabilities, numbers = cast(list[float], found.values.tolist()), cast(list[int], found.indices.tolist())
    return tuple(
        ClassProbability(classes[number], number, probability)
        for number, probability in zip(numbers, probabilities, strict=True)
        if not probability < threshold
    )


def predictions(
    source: Source, images: ImagesOf, top: int = 5, threshold: float = 0.0, batch: int = BATCH, workers: int = 0
) -> Generator[Prediction | Unreadable]:
    """What `predict` gives, image by image as it comes; an image that cannot be read gives `Unreadable`, and the others
    go on. `images` may be whatever `image_set` takes.

    Classes less likely than `threshold` (a probability) are left out. `batch` images are run at a time, and `workers`
    threads decode (0: as many as cores) those of the next batches meanwhile. Raises what `load` and `image_set` do, and
    `ConfigError` for numbers that mean nothing.
    """
    check_numbers(top, threshold, batch, workers)
    return _predictions(load(source), image_set(images), (top, threshold), batch, workers)


def check_numbers(top: int = 1, threshold: float = 0.0, batch: int = 1, workers: int = 0) -> None:
    """Raise `ConfigError` for numbers of `predictions` that mean nothing."""
    if top < 1:
        raise ConfigError(f"--top {top}: ask for at least 1 class")
    if not 0 <= threshold <= 1:
        raise ConfigError(f"--threshold {threshold:g}: a probability is from 0 to 1")
    if batch < 1:
        raise ConfigError(f"--batch-size {batch}: a batch has at least 1 image")
    if workers < 0:
        raise ConfigError(f"--workers {workers}: give a number of threads, or 0 for as many as cores")


def _predictions(
    trained: Trained | Opened, images: ImageSet, shown: tuple[int, float], batch: int, workers: int
) -> Generator[Prediction | Unreadable]:
    engine = trained.engine.name if trained.engine else "torch"
    preprocess = trained.preprocess

    def read(number: int) -> np.ndarray:
        return preprocess.pixels(images.source(number), images.where(number))

    with closing(read_ahead(in_batches(images.count, batch), read, workers)) as batches:
        for numbers, found in zip(in_batches(images.count, batch), batches, strict=True):
            logits = iter(_logits(trained, [one for one in found if isinstance(one, np.ndarray)]))
            for number, one in zip(numbers, found, strict=True):
                if isinstance(one, DataError):
                    yield Unreadable(images.where(number), str(one))
                else:
                    yield Prediction(images.where(number), likeliest(next(logits), trained.classes, *shown), engine)


@torch.inference_mode()
def _logits(trained: Trained | Opened, pixels: list[np.ndarray]) -> Float[Tensor, "n classes"]:
    """The logits of images as they are kept, in one pass; bytes go to the device, of which floats have four times as
    many.
    """
    if not pixels:
        return torch.empty(0, len(trained.classes))
    x = trained.preprocess.batch(torch.from_numpy(np.stack(pixels)).to(trained.device))
    return trained.run(x).float().cpu()


def predict(source: Source, images: ImagesOf, top: int = 5) -> list[Prediction]:
    """The likeliest classes of each image by a trained network, prepared as the network was trained.

    `images` are files, Pillow images, and pixels `h w c` or `h w` of bytes, or whatever else `image_set` takes: a
    folder, a pattern, an address, a set by name. Raises `DataError` for the first image that cannot be read;
    `predictions` goes on past such.
    """
    found, results = image_set(images), list[Prediction]()
    answers = predictions(source, found, top, batch=BATCH)
    for one in followed(answers, "predicting", found.count) if found.count > BATCH else answers:
        if isinstance(one, Unreadable):
            raise DataError(one.error)
        results.append(one)
    return results
