"""A labelled set of pictures as one uint8 array, and its splits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from inceptionlab.data.stores.lazy import LazyImages
from inceptionlab.errors import DataError


@dataclass(frozen=True, slots=True)
class Pictures:
    """`images` is `n h w c`, `labels` is `n`; `classes` names the labels. `paths` where they came from files.

    Images that are not in memory (a large folder, a stream) are decoded when asked for; they index like a tensor.
    """

    images: UInt8[Tensor, "n h w c"] | LazyImages
    labels: Int64[Tensor, " n"]
    classes: tuple[str, ...]
    paths: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise DataError(f"{len(self.images):,} pictures have {len(self.labels):,} labels")
        if len(self.images) == 0:
            raise DataError("the set holds no picture")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise DataError(
                f"labels run from {low} to {high}, but there are {len(self.classes)} classes (0 is the first)"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def channels(self) -> int:
        """1 for grey pictures, 3 for coloured ones."""
        return self.images.shape[3]

    def subset(self, index: Int64[Tensor, " m"]) -> Pictures:
        """The pictures at `index`, in its order."""
        paths = tuple(self.paths[int(i)] for i in index) if self.paths else ()
        images = self.images.subset(index) if isinstance(self.images, LazyImages) else self.images[index]
        return replace(self, images=images, labels=self.labels[index], paths=paths)

    def limited(self, count: int | None) -> Pictures:
        """The first `count` pictures of a fixed shuffle, so that every class takes part; all for None."""
        if count is None or count >= len(self):
            return self
        if count < 1:
            raise DataError(f"{count} pictures were asked for; give at least 1")
        order = self.order(torch.Generator().manual_seed(0))
        return self.subset(order[:count].sort().values)

    def order(self, generator: torch.Generator) -> Int64[Tensor, " n"]:
        """A random order of the pictures; a stream's is random within windows of it."""
        if isinstance(self.images, LazyImages):
            return self.images.order(generator)
        return torch.randperm(len(self), generator=generator)

    def to(self, device: torch.device) -> Pictures:
        """The set on a device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def digest(self) -> str:
        """Sixteen hexadecimal digits that identify pictures and labels."""
        kept = self.images
        pixels = kept.digest() if isinstance(kept, LazyImages) else np.ascontiguousarray(kept.cpu().numpy()).data
        content = hashlib.sha256(pixels)
        content.update(np.ascontiguousarray(self.labels.cpu().numpy()).data)
        return content.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set: training and test pictures, and validation pictures where they come apart from the training ones.

    `size` is the side its pictures have by nature (None: photographs, which take the network's size). `note` says
    how the splits came about.
    """

    name: str
    train: Pictures
    test: Pictures
    validation: Pictures | None = None
    size: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.train.classes != self.test.classes:
            raise DataError(f"{self.name}: training classes {self.train.classes} differ from {self.test.classes}")


def array_set(images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> Pictures:
    """Pictures from numpy arrays `n h w c` or `n h w` (grey) and `n`."""
    pixels = images[..., None] if images.ndim == 3 else images
    whole = np.require(pixels, requirements=["C", "W"])
    return Pictures(torch.from_numpy(whole), torch.from_numpy(labels.astype(np.int64)), classes)
