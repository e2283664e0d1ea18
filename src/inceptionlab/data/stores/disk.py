"""Pictures of a large folder: decoded when they are first asked for, and kept in a file that is mapped into memory.

So the first batch does not wait for the last picture, a set may be larger than the memory, and each picture is decoded
once for all runs to come.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from inceptionlab.data.stores.lazy import LazyImages
from inceptionlab.errors import DataError

Decode = Callable[[int], np.ndarray]
"""The pixels `h w c` of a picture by its number."""


@dataclass(slots=True)
class Decoded:
    """The file behind a set: `pixels` of every picture, and `sums`, their checksums plus one, 0 where none is decoded.

    `seen` are those whose checksum this process has compared, so that a file cut off by a power failure is found out.
    """

    pixels: np.ndarray
    sums: np.ndarray
    decode: Decode
    identity: str
    seen: np.ndarray = field(init=False)
    workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(os.cpu_count()))

    def __post_init__(self) -> None:
        self.seen = np.zeros(len(self.sums), bool)

    @property
    def size(self) -> tuple[int, int, int]:
        """(h, w, c) of a picture."""
        return self.pixels.shape[1:]

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """The pixels `n h w c` of pictures, decoded where they have not been."""
        list(self.workers.map(self._fetch, numbers.tolist()))
        return np.array(self.pixels[numbers])

    def order(self, index: Int64[Tensor, " n"], generator: torch.Generator) -> Int64[Tensor, " n"]:
        """Any order: a file that is mapped into memory is as quick everywhere."""
        return torch.randperm(len(index), generator=generator)

    def expect(self, numbers: np.ndarray) -> None:
        """Nothing to do: the disk is quick enough."""

    def _fetch(self, number: int) -> None:
        """Make sure that a picture is in the file."""
        if self.seen[number]:
            return
        if self.sums[number] == 0 or self.sums[number] != _sum(self.pixels[number]):
            self.pixels[number] = self.decode(number)
            self.sums[number] = _sum(self.pixels[number])
        self.seen[number] = True


def _sum(pixels: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).data) + 1


def disk_images(folder: Path, count: int, size: Sequence[int], decode: Decode, identity: str) -> LazyImages:
    """The pictures `size` (h, w, c) of a set that `identity` names, kept under `folder`, which may be filled already.

    Raises `DataError` where the disk has too little room for all of them.
    """
    need = count * int(np.prod(size))
    if not folder.is_dir():
        room = shutil.disk_usage(_existing(folder)).free
        if need > room:
            raise DataError(
                f"{count:,} pictures of {'x'.join(map(str, size))} need {need / 2**30:.1f} GiB and {folder.parent} has "
                f"{room / 2**30:.1f} GiB free; give a smaller --input-size, or another XDG_CACHE_HOME"
            )
        _make(folder, count, size)
    try:
        pixels = np.load(folder / "pixels.npy", mmap_mode="r+", allow_pickle=False)
        sums = np.load(folder / "sums.npy", mmap_mode="r+", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"the decoded pictures in {folder} cannot be used: {error}; remove that folder") from None
    if pixels.shape != (count, *size) or len(sums) != count:
        raise DataError(f"the decoded pictures in {folder} are others than those of the set; remove that folder")
    return LazyImages(Decoded(pixels, sums, decode, identity), torch.arange(count))


def _existing(folder: Path) -> Path:
    return next(parent for parent in folder.parents if parent.exists())


def _make(folder: Path, count: int, size: Sequence[int]) -> None:
    """Make empty files beside their place and move them there whole; another process may have been quicker."""
    partial = ""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = tempfile.mkdtemp(dir=folder.parent, prefix=".part-")
        np.lib.format.open_memmap(f"{partial}/pixels.npy", "w+", np.uint8, (count, *size))
        np.lib.format.open_memmap(f"{partial}/sums.npy", "w+", np.int64, (count,))
        os.rename(partial, folder)
    except OSError as error:
        if partial:
            shutil.rmtree(partial, ignore_errors=True)
        if not folder.is_dir():
            raise DataError(f"{folder.parent} cannot take the decoded pictures: {error}") from None
