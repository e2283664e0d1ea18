"""Features with the names of their images and what they are of."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32

from inceptionlab.errors import DataError, counted
from inceptionlab.exporting.about import Precision
from inceptionlab.spec.network import Input

ROWS = 4096
"""Features that are in memory at once where all are gone through."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What features are of.

    `source` is how the network was called: a run folder, a file, NAME@WEIGHTS or hf:OWNER/NAME; "" where it was given
    as an object. `key` identifies the network with its weights. `node` is the node whose output is averaged over the
    map ("mean") or taken as it is ("none"). `unit` features are divided by their length. `preprocess` is how images
    became inputs.
    """

    source: str
    network: str
    key: str
    node: str
    pooling: Literal["mean", "none"]
    unit: bool
    preprocess: Input
    precision: Precision = "fp32"

    @property
    def identity(self) -> str:
        """What features must share to be compared: the network with its weights and preprocessing, the node, whether
        they are divided by their length. The precision is none of it: it approximates the same features.
        """
        return f"{self.key}-{self.node}" + ("-unit" if self.unit else "")

    def __str__(self) -> str:
        return f"{self.node} of {self.network}" + (f" ({self.source})" if self.source else "")


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Features `n d` of images, mapped from their file where they came from one, and the images' names, in order.

    `origin` is None for a table of another program. `unreadable` are sentences about the images that were left out.
    """

    features: Float32[np.ndarray, "n d"]
    where: tuple[str, ...]
    origin: Origin | None = None
    unreadable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        found = self.features
        if found.ndim != 2 or found.dtype != np.float32 or len(found) != len(self.where):
            shape = "x".join(map(str, found.shape))
            raise DataError(f"features are n x d of float32 with n names, and these are {shape} of {found.dtype} with "
                            f"{counted(len(self.where), 'name')}")  # fmt: skip

    @property
    def identity(self) -> str:
        """What other features must share to be compared with these; "" where it is not known."""
        return self.origin.identity if self.origin else ""

    def __len__(self) -> int:
        return len(self.where)

    def __repr__(self) -> str:
        n, d = self.features.shape
        return f"<Embeddings: {counted(n, 'image')} x {d:,} features, {self.origin or 'of an unknown network'}>"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An image that was found, and how far it is."""

    name: str
    distance: float


@dataclass(frozen=True, slots=True)
class Query:
    """An image that was looked for, and its nearest, nearest first."""

    name: str
    nearest: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class SimilarImages:
    """What `similar` found by a metric among `count` images; `unreadable` are sentences about images left out."""

    metric: str
    count: int
    queries: tuple[Query, ...]
    unreadable: tuple[str, ...] = ()


def mapped(parts: Iterable[Float32[np.ndarray, "m d"]], shape: tuple[int, int]) -> Float32[np.ndarray, "n d"]:
    """Features put together in a file of the system's temporary folder that is mapped, and gone with them."""
    if not all(shape):
        return np.zeros(shape, np.float32)
    with tempfile.TemporaryFile() as file:
        found, start = np.memmap(file, np.float32, "w+", shape=shape), 0
        for part in parts:
            found[start : start + len(part)] = part
            start += len(part)
    return found


def first_not_finite(features: Float32[np.ndarray, "n d"]) -> int | None:
    """The first row that holds something else than numbers; None where all are finite."""
    for start in range(0, len(features), ROWS):
        wrong = np.flatnonzero(~np.isfinite(features[start : start + ROWS]).all(1))
        if len(wrong):
            return start + int(wrong[0])
    return None
