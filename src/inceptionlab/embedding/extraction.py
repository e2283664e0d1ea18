"""The features of a set of images, kept on disk by what they are of: computed once, and after a kill only what misses.

So the memory is flat in the number of images, and the processes of torchrun share one file, batch by batch.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, distributed

from inceptionlab.data.ahead import read_ahead
from inceptionlab.data.progress import followed
from inceptionlab.data.unlabelled import ImageSet
from inceptionlab.errors import DataError
from inceptionlab.storage import cache_folder, folder_in_place

FORMAT = 1
FEATURES, SUMS = "features.npy", "sums.npy"
Extract = Callable[[Float[Tensor, "b c h w"]], Float[Tensor, "b d"]]
_KEPT: list[tempfile.TemporaryDirectory[str]] = []
"""Folders of this process where the cache cannot be written, gone with it."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """How `dims` features of an image are computed. `engine` is made when the first image needs it; `known_by` is what
    tells its values, and the way in which images are prepared, from another's.

    `prepare` raises `DataError` for an image that cannot be read, or gives None: its features are then NaN, and it is
    tried again the next time. It runs in `workers` threads (0: as many as cores).
    """

    prepare: Callable[[ImageSet, int], Float[Tensor, "c h w"] | None]
    engine: Callable[[], Extract]
    dims: int
    known_by: str
    batch: int
    workers: int

    def features(self, images: ImageSet) -> Float[Tensor, "n d"]:
        """The features of a set, mapped from their file. Raises `DataError` for an image that cannot be read and for
        features that are no numbers.
        """
        if _rank() == 0:
            self._pages(images)  # made by one process: of two that make it, one would go on with a file that is gone
        _together()
        pages = self._pages(images)
        missing = [i for i in range(len(pages.sums)) if not pages.has(i)]
        _together()  # so that all divide the same among them
        mine = missing[_rank() :: _processes()]
        if mine:
            self._fill(pages, images, mine)
        _together()
        return torch.from_numpy(pages.features)

    def prepared(self, images: ImageSet, count: int) -> Float[Tensor, "b c h w"]:
        """The inputs for some images, evenly spaced. Raises `DataError` where none of them can be read."""
        numbers = np.unique(np.linspace(0, images.count - 1, count).astype(int))
        found = [one for i in numbers if (one := self.prepare(images, int(i))) is not None]
        if not found:
            raise DataError(f"none of {len(numbers)} images of {images.name} can be read")
        return torch.stack(found)

    def _fill(self, pages: Pages, images: ImageSet, batches: list[int]) -> None:
        for batch, inputs in self._decoded(pages, images, batches):
            found = np.full((len(inputs), self.dims), np.nan, np.float32)
            there = [i for i, one in enumerate(inputs) if one is not None]
            if there:
                found[there] = self.engine()(torch.stack([one for one in inputs if one is not None])).numpy()
            wrong = np.flatnonzero(~np.isfinite(found[there]).all(1))
            if len(wrong):
                where = images.where(pages.numbers(batch)[there[int(wrong[0])]])
                raise DataError(f"the features of {where} are not finite; look at the network's weights")
            pages.put(batch, found)

    def _decoded(
        self, pages: Pages, images: ImageSet, batches: list[int]
    ) -> Iterable[tuple[int, list[Float[Tensor, "c h w"] | None]]]:
        """The inputs of each batch, decoded and resized by threads while the network runs."""
        decoded = read_ahead(map(pages.numbers, batches), partial(self.prepare, images), self.workers)
        with closing(decoded):
            watched = followed(decoded, f"features of {images.name}", len(batches))
            for batch, inputs in zip(batches, watched, strict=True):
                yield batch, [_readable(one) for one in inputs]

    def _pages(self, images: ImageSet) -> Pages:
        """The file of a set's features, made where there is none."""
        facts = [FORMAT, images.digest, images.count, self.known_by, self.batch]
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]
        place, shape = cache_folder("features", key), (images.count, self.dims)
        try:
            return _opened(place, shape, self.batch)
        except OSError:
            if _processes() > 1:
                raise DataError(f"{place} cannot be written, and processes share it; set INCEPTIONLAB_HOME") from None
        _KEPT.append(tempfile.TemporaryDirectory(prefix="inceptionlab-"))
        return _opened(Path(_KEPT[-1].name) / key, shape, self.batch)


@dataclass(frozen=True, slots=True)
class Pages:
    """Features `n d` in fp32, and for each batch the checksum of its features plus one, 0 where they miss."""

    features: np.ndarray
    sums: np.ndarray
    batch: int

    def numbers(self, batch: int) -> range:
        """The images of a batch."""
        return range(batch * self.batch, min(len(self.features), (batch + 1) * self.batch))

    def has(self, batch: int) -> bool:
        """Whether the features of a batch are there, and whole."""
        return bool(self.sums[batch]) and self.sums[batch] == self._sum(batch)

    def put(self, batch: int, found: np.ndarray) -> None:
        """Keep the features of a batch, which counts as missing where some are NaN."""
        self.features[self.numbers(batch)] = found
        self.sums[batch] = 0 if np.isnan(found).any() else self._sum(batch)

    def _sum(self, batch: int) -> int:
        return zlib.crc32(np.ascontiguousarray(self.features[self.numbers(batch)]).data) + 1


def _opened(folder: Path, shape: tuple[int, int], batch: int) -> Pages:
    """The file in a folder, which is made where it is not there. Raises `OSError` where it cannot be."""
    if not folder.is_dir():
        need = 4 * shape[0] * shape[1]
        existing = next(parent for parent in folder.parents if parent.exists())
        if need > shutil.disk_usage(existing).free:
            raise DataError(f"the features of {shape[0]:,} images need {need / 2**30:.1f} GiB and {existing} has less "
                            "room; set INCEPTIONLAB_HOME to another disk")  # fmt: skip
        with folder_in_place(folder) as partial:
            np.lib.format.open_memmap(partial / FEATURES, "w+", np.float32, shape)
            np.lib.format.open_memmap(partial / SUMS, "w+", np.int64, (-(-shape[0] // batch),))
    try:
        features, sums = (np.load(folder / name, "r+", allow_pickle=False) for name in (FEATURES, SUMS))
    except ValueError:
        raise DataError(f"{folder} is damaged; remove that folder") from None
    if features.shape != shape or sums.shape != (-(-shape[0] // batch),):
        raise DataError(f"{folder} holds other features; remove that folder")
    return Pages(features, sums, batch)


def _processes() -> int:
    """The processes of torchrun that share the work."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def _together() -> None:
    """Wait for the other processes."""
    if _processes() > 1:
        distributed.barrier()


def _rank() -> int:
    return distributed.get_rank() if _processes() > 1 else 0


def _readable(one: Tensor | DataError | None) -> Tensor | None:
    """An input. Raises the error that stands in its place."""
    if isinstance(one, DataError):
        raise one
    return one
