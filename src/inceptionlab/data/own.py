"""Data sets of a user's own: objects with a length and items (image, label), as torch's and torchvision's are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol, cast

import numpy as np
import torch
from jaxtyping import Int64
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.data.decode import check_size, upright
from inceptionlab.data.preprocess import Preprocess, as_image
from inceptionlab.data.progress import followed
from inceptionlab.data.stores.lazy import LazyImages
from inceptionlab.errors import DataError
from inceptionlab.spec.network import Input

SAMPLED = 16
"""Images, evenly spaced, that a set of one's own is known by, beside its labels."""


class Indexed(Protocol):
    """What `as_dataset` takes: a length, and items (image, label) by their number, the same each time.

    An image is Pillow's, an array `h w`, `h w 1` or `h w 3` of uint8, or a tensor `1 h w` or `3 h w` of uint8 or of
    floats from 0 to 1. Where there are `targets` or `labels`, they are the labels, and no item is read for them;
    `classes` are the names.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def as_dataset(
    train: Indexed | DataLoader[Any],
    test: Indexed | DataLoader[Any],
    name: str = "mine",
    classes: Sequence[str] | None = None,
    input: Input | None = None,
) -> DataSet:
    """A data set for `fit`, `test`, `evaluate` and all else, of two of a user's own (or the sets behind two loaders).

    Images are read when they are needed; augmentation is the recipe's, so the sets' own must be off. Without `image`
    all images must have the size of the first, and are not zoomed; with it, photographs are fitted to that input.
    Raises `DataError`, naming the item, for what is no image, no label, or an image of another size.
    """
    sets = [cast(Indexed, one.dataset if isinstance(one, DataLoader) else one) for one in (train, test)]
    first = _image(sets[0], 0, f"image 0 of {name} (train)")
    grey = first.mode in ("1", "L", "I", "F", "I;16")
    native = None if input else (first.height, first.width)
    preprocess = Preprocess(input or Input(1 if grey else 3, first.height, first.width, crop=1.0))
    labels = [_labels(one, f"{name} ({part})") for one, part in zip(sets, ("train", "test"), strict=True)]
    names = tuple(map(str, classes or getattr(sets[0], "classes", None) or _numbers(labels)))
    parts = [
        Samples(_images(Own(one, preprocess, native, f"{name} ({part})"), own), own, names)
        for one, part, own in zip(sets, ("train", "test"), labels, strict=True)
    ]
    size = native[0] if native and native[0] == native[1] else native
    return DataSet(name, parts[0], parts[1], size=size, note="train and test as they were given")


@dataclass(slots=True)
class Own:
    """The store behind a user's set: its images for `preprocess`, which must have the size `native` if that is said."""

    items: Indexed
    preprocess: Preprocess
    native: tuple[int, int] | None
    name: str
    identity: str = ""
    lock: Lock = field(default_factory=Lock)

    @property
    def size(self) -> tuple[int, int, int]:
        """(h, w, c) of each image."""
        return self.preprocess.stored_shape

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """The pixels `n h w c` of images. Raises `DataError` for an item that is no image, or of another size."""
        with self.lock:  # a user's set need not bear several readers
            made = [self._pixels(number) for number in numbers.tolist()]
        return np.stack(made) if made else np.empty((0, *self.size), np.uint8)

    def order(self, index: Int64[Tensor, " n"], generator: torch.Generator) -> Int64[Tensor, " n"]:
        """Any order: what a user's set can follow quickly is not known."""
        return torch.randperm(len(index), generator=generator)

    def blocks_of(self, numbers: np.ndarray) -> None:
        """Each image is read alone."""

    def expect(self, numbers: np.ndarray) -> None:
        """Nothing to do."""

    def _pixels(self, number: int) -> np.ndarray:
        where = f"image {number} of {self.name}"
        image = _image(self.items, number, where)
        if self.native is not None and (image.height, image.width) != self.native:
            raise DataError(
                f"{where} is {image.height}x{image.width} and the first is {self.native[0]}x{self.native[1]}; "
                "for images of many sizes say as_dataset(..., input=spec.input)"
            )
        check_size(image.size, where)
        return self.preprocess.stored(upright(image, self.preprocess.input.channels))


def _images(store: Own, labels: Int64[Tensor, " n"]) -> LazyImages:
    """The images of a store, which is known by its labels and some of its images from now on."""
    content = hashlib.sha256(f"{store.name} {store.size}".encode() + labels.numpy().tobytes())
    some = np.unique(np.linspace(0, len(labels) - 1, SAMPLED).astype(np.int64))
    content.update(store.read(some).tobytes())
    store.identity = content.hexdigest()[:24]
    return LazyImages(store, torch.arange(len(labels)))


def _item(items: Indexed, number: int, where: str) -> tuple[Any, Any]:
    try:
        image, label = items[number]
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise DataError(f"{where} cannot be read: {error!r}; an item is a pair (image, label)") from None
    return image, label


def _image(items: Indexed, number: int, where: str) -> Image.Image:
    image = _item(items, number, where)[0]
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, Tensor):
        image = _bytes_of(image, where)
    if not isinstance(image, np.ndarray):
        raise DataError(f"{where} is of the type {type(image).__name__}; it must be an image of Pillow, an array or a "
                        "tensor")  # fmt: skip
    return as_image(cast(np.ndarray, image), where)


def _bytes_of(image: Tensor, where: str) -> np.ndarray:
    """The pixels `h w c` of a tensor `c h w`."""
    if image.is_floating_point():
        if not 0 <= float(image.min()) <= float(image.max()) <= 1:
            raise DataError(f"{where} has values outside of 0 to 1; leave its normalisation to the network")
        image = (image * 255).round().to(torch.uint8)
    return image.movedim(0, -1).cpu().numpy() if image.ndim == 3 else image.cpu().numpy()


def _labels(items: Indexed, where: str) -> Int64[Tensor, " n"]:
    """All labels; Images checks their range."""
    count = len(items)
    known: Any = getattr(items, "targets", getattr(items, "labels", None))
    if known is None or len(known) != count:
        rows = followed(range(count), f"reading the labels of {where}", count)
        known = [_item(items, i, f"image {i} of {where}")[1] for i in rows]
    plain: list[Any] = [one.item() if isinstance(one, Tensor | np.generic) else one for one in known]
    wrong = next((i for i, label in enumerate(plain) if type(label) is not int), None)
    if wrong is not None:
        raise DataError(
            f"label {wrong} of {where} is {plain[wrong]!r}; it must be a whole number, 0 for the first class"
        )
    return torch.tensor(plain, dtype=torch.int64)


def _numbers(labels: list[Tensor]) -> list[str]:
    """Names for classes that have none."""
    return [str(i) for i in range(1 + max((int(own.max()) for own in labels if len(own)), default=-1))]
