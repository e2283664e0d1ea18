"""Labelled images and their splits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.stores.images import Images, InMemory
from inceptionlab.errors import DataError, counted, listed
from inceptionlab.spec.network import Network


@dataclass(frozen=True, slots=True)
class Samples:
    """`images` is `n h w c`, in memory or not, `labels` is `n`; `classes` names the labels. `paths` where they came
    from files, below `folder`; `numbers` where they are a part of a set, by their places in it.
    """

    images: Images
    labels: Int64[Tensor, " n"]
    classes: tuple[str, ...]
    paths: tuple[str, ...] = ()
    folder: str = ""
    numbers: Int64[Tensor, " n"] | None = None

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            have = "has" if len(self.images) == 1 else "have"
            raise DataError(f"{counted(len(self.images), 'image')} {have} {counted(len(self.labels), 'label')}")
        if len(self.images) == 0:
            raise DataError("the set holds no image")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise DataError(
                f"labels run from {low} to {high}, but there {'is' if len(self.classes) == 1 else 'are'} "
                f"{counted(len(self.classes), 'class', 'classes')} (0 is the first)"
            )

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        """The number of images, their shape and their classes, without a pixel."""
        shape, classes = "x".join(map(str, self.images.shape[1:])), counted(len(self.classes), "class", "classes")
        return f"Samples({counted(len(self), 'image')} {shape}, {classes}: {listed(self.classes)})"

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for coloured ones."""
        return self.images.shape[3]

    def subset(self, index: Int64[Tensor, " m"]) -> Samples:
        """The images at `index`, in its order."""
        paths = tuple(self.paths[int(i)] for i in index) if self.paths else ()
        images, labels, places = self.images.subset(index), self.labels[index], index.cpu()
        numbers = places if self.numbers is None else self.numbers[places]
        return replace(self, images=images, labels=labels, paths=paths, numbers=numbers)

    def name(self, i: int) -> str:
        """What the image at place `i` is called: its file as seen from the data's folder ("test/cat/3.jpg"), or its
        number in the set as it came ("image 12") where it has none.
        """
        if self.paths:
            path = Path(self.paths[i])
            return (path.relative_to(self.folder) if self.folder else path).as_posix()
        return f"image {i if self.numbers is None else int(self.numbers[i])}"

    def limited(self, count: int | None) -> Samples:
        """The first `count` images of a fixed shuffle, so that every class takes part; all for None."""
        if count is None or count >= len(self):
            return self
        if count < 1:
            raise DataError(f"{counted(count, 'image')} were asked for; give at least 1")
        order = self.order(torch.Generator().manual_seed(0))
        return self.subset(order[:count].sort().values)

    def order(self, generator: torch.Generator) -> Int64[Tensor, " n"]:
        """A random order of the images; a stream's is random within windows of it."""
        return self.images.order(generator)

    def to(self, device: torch.device) -> Samples:
        """The set on a device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def digest(self) -> str:
        """Sixteen hexadecimal digits that identify images and labels."""
        content = hashlib.sha256(self.images.digest())
        content.update(np.ascontiguousarray(self.labels.cpu().numpy()).data)
        return content.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set: training and test images, and validation images where they come apart from the training ones.

    `size` is the side its images have by nature, or (height, width) where they are not square (None: photographs, which
    take the network's size). `note` says how the splits came about, `left_out` names the images that cannot be read
    and were left out.
    """

    name: str
    train: Samples
    test: Samples
    validation: Samples | None = None
    size: int | tuple[int, int] | None = None
    note: str = ""
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.train.classes != self.test.classes:
            raise DataError(
                f"{self.name}: the classes of training and test differ: {_difference(self.train, self.test)}"
            )
        train, test = ("x".join(map(str, part.images.shape[1:])) for part in (self.train, self.test))
        if train != test:
            raise DataError(f"{self.name}: the training images are {train}, those of the test {test}")

    @property
    def what_is_left_out(self) -> str:
        """The images that were left out as a sentence, "" for none."""
        if not self.left_out:
            return ""
        verb = "cannot be read and is left out" if len(self.left_out) == 1 else "cannot be read and are left out"
        return f"{counted(len(self.left_out), 'image')} {verb}: {listed(self.left_out)}"

    @property
    def native_size(self) -> tuple[int, int] | None:
        """(height, width) of its images, None for photographs."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


def _difference(train: Samples, test: Samples) -> str:
    """The classes that only one of two parts has."""
    parts = [(train, test, "train"), (test, train, "test")]
    alone = [(where, [name for name in one.classes if name not in other.classes]) for one, other, where in parts]
    return (
        "; ".join(f"only {where} has {listed(names)}" for where, names in alone if names)
        or "they stand in another order"
    )


def for_data(spec: Network, data: DataSet) -> Network:
    """The network with the preprocessing that its data ask for: where they have a size by nature, images are not
    zoomed, whatever the network's paper did with photographs. Raises `DataError` where proportions differ.
    """
    return for_native(spec, data.native_size, data.name)


def for_native(spec: Network, size: tuple[int, int] | None, name: str) -> Network:
    """`for_data` before the data set `name`, of images of (height, width) or of photographs (None), is read."""
    return spec if size is None else replace(spec, input=Preprocess(spec.input).for_native(size, name).input)


def array_set(images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> Samples:
    """Images from numpy arrays `n h w c` or `n h w` (grey) and `n`."""
    pixels = images[..., None] if images.ndim == 3 else images
    whole = np.require(pixels, requirements=["C", "W"])
    return Samples(InMemory(torch.from_numpy(whole)), torch.from_numpy(labels.astype(np.int64)), classes)
