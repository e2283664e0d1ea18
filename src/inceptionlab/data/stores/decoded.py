"""Decoded images kept on disk, each with its checksum, so that every image is decoded once for all runs to come.

A set that fits memory is decoded whole, and later starts map its file at once (`in_memory`). Of a larger one each image
is decoded when it is first asked for, so that the first batch does not wait for the last image (`disk_images`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from inceptionlab.data.progress import followed
from inceptionlab.data.stores.images import InMemory
from inceptionlab.data.stores.lazy import LazyImages
from inceptionlab.errors import DataError
from inceptionlab.storage import cache_folder, folder_in_place

FORMAT = 2
PIXELS, SUMS = "pixels.npy", "sums.npy"
Decode = Callable[[int], np.ndarray]
"""The pixels `h w c` of an image by its number."""
Unreadable = dict[int, DataError]
"""Why images cannot be decoded, by their numbers."""


def folder_of(files: Sequence[str | Path], settings: object) -> Path:
    """The folder in the cache for these files as they are now, read with these settings (plain values)."""
    return cache_folder("decoded", key_of(files, settings))


def key_of(files: Sequence[str | Path], settings: object) -> str:
    """A name for files as they are now, by their paths, sizes and times of change, and for the settings they are read
    with. Raises `DataError` where one cannot be looked at.
    """
    names = [str(path).rpartition(os.sep) for path in files]
    parents = {parent: os.path.realpath(parent) for parent in {parent for parent, _, _ in names}}
    try:
        states = [os.stat(path) for path in files]
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from None
    facts = [(f"{parents[parent]}/{name}", state.st_size, state.st_mtime_ns)
             for (parent, _, name), state in zip(names, states, strict=True)]  # fmt: skip
    return hashlib.sha256(json.dumps([FORMAT, settings, facts]).encode()).hexdigest()[:24]


def in_memory(
    folder: Path, count: int, size: Sequence[int], decode: Decode, what: str, unreadable: Unreadable | None = None
) -> InMemory:
    """All images `size` (h, w, c) of a set, from `folder` where they are kept already, else decoded, and kept there if
    that can be written. `what` is said beside the bar of progress. Changes of the pixels stay in memory.

    What cannot be decoded is put into `unreadable` and tried again the next time; the first of it is raised where
    there is no such table.
    """
    kept = _kept(folder, (count, *size), "c")  # "c": copied where it is written to
    if kept is not None:
        pixels, sums = kept
        wrong = [i for i in range(count) if sums[i] != _sum(pixels[i])]
        found = _fill(pixels, wrong, decode, what)
    else:
        pixels = np.zeros((count, *size), np.uint8)
        found = _fill(pixels, range(count), decode, what)
        _keep(folder, pixels, found)
    if found and unreadable is None:
        raise found[min(found)]
    if unreadable is not None:
        unreadable.update(found)
    return InMemory(torch.from_numpy(pixels))


def _keep(folder: Path, pixels: np.ndarray, unreadable: Unreadable) -> None:
    """Write decoded images down; those that could not be decoded have the checksum 0, which no image has."""
    sums = [0 if i in unreadable else _sum(one) for i, one in enumerate(pixels)]
    try:
        with folder_in_place(folder) as partial:
            np.save(partial / PIXELS, pixels, allow_pickle=False)
            np.save(partial / SUMS, np.array(sums, np.int64), allow_pickle=False)
    except OSError:
        pass  # a cache that cannot be written is done without


def disk_images(folder: Path, count: int, size: Sequence[int], decode: Decode, identity: str) -> LazyImages:
    """The images `size` (h, w, c) of a set that `identity` names, kept under `folder`, which may be filled already.

    Raises `DataError` where the disk has too little room for all of them, or the folder holds something else.
    """
    if not folder.is_dir():
        _make(folder, count, size)
    kept = _kept(folder, (count, *size), "r+")
    if kept is None:
        raise DataError(f"{folder} is damaged, or its decoded images are others than those of the set; remove that "
                        "folder")  # fmt: skip
    return LazyImages(Decoded(*kept, decode, identity), torch.arange(count))


def decode_all(images: LazyImages, what: str) -> Unreadable:
    """Decode now whatever `disk_images` would decode later, and say what cannot be."""
    return images.store.decode_all(what) if isinstance(images.store, Decoded) else {}


@dataclass(slots=True)
class Decoded:
    """The file behind a large set: `pixels` of every image, and `sums`, their checksums plus one, 0 where none is
    decoded. `seen` are those whose checksum this process has compared, so that a file cut off by a power failure is
    found out.
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
        """(h, w, c) of an image."""
        return self.pixels.shape[1:]

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """The pixels `n h w c` of images, decoded where they have not been."""
        list(self.workers.map(self._fetch, numbers.tolist()))
        return np.array(self.pixels[numbers])

    def order(self, index: Int64[Tensor, " n"], generator: torch.Generator) -> Int64[Tensor, " n"]:
        """Any order: a file that is mapped into memory is as quick everywhere."""
        return torch.randperm(len(index), generator=generator)

    def blocks_of(self, numbers: np.ndarray) -> None:
        """Each image is read alone."""

    def expect(self, numbers: np.ndarray) -> None:
        """Nothing to do: the disk is quick enough."""

    def decode_all(self, what: str) -> Unreadable:
        """Decode the images that have not been, with a bar of progress that says `what`; gives those that cannot be."""
        waiting = np.flatnonzero(self.sums == 0).tolist()
        return _tried(waiting, self._fetch, what)

    def _fetch(self, number: int) -> None:
        """Make sure that an image is in the file."""
        if self.seen[number]:
            return
        if self.sums[number] == 0 or self.sums[number] != _sum(self.pixels[number]):
            self.pixels[number] = self.decode(number)
            self.sums[number] = _sum(self.pixels[number])
        self.seen[number] = True


def _sum(pixels: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).data) + 1


def _fill(pixels: np.ndarray, numbers: Sequence[int], decode: Decode, what: str) -> Unreadable:
    """Decode the images with these numbers into their places; gives those that cannot be."""

    def read(number: int) -> None:
        pixels[number] = decode(number)

    return _tried(numbers, read, what)


def _tried(numbers: Sequence[int], read: Callable[[int], None], what: str) -> Unreadable:
    """Read images, several at a time; gives why some cannot be."""

    def attempt(number: int) -> DataError | None:
        try:
            read(number)
        except DataError as error:
            return error
        return None

    with ThreadPoolExecutor() as pool:  # Pillow decodes outside of the interpreter's lock
        ends = followed(pool.map(attempt, numbers), f"reading {what}", len(numbers))
        return {number: error for number, error in zip(numbers, ends, strict=True) if error is not None}


def _kept(folder: Path, shape: tuple[int, ...], mode: str) -> tuple[np.ndarray, np.ndarray] | None:
    """(pixels, checksums) of a folder; None where they cannot be used for images of this shape."""
    try:
        pixels = np.load(folder / PIXELS, mmap_mode=mode, allow_pickle=False)  # type: ignore[arg-type]
        sums = np.load(folder / SUMS, mmap_mode=mode, allow_pickle=False)  # type: ignore[arg-type]
    except (OSError, ValueError):
        return None
    whole = pixels.shape == shape and pixels.dtype == np.uint8 and sums.shape == shape[:1] and sums.dtype == np.int64
    return (pixels, sums) if whole else None


def _make(folder: Path, count: int, size: Sequence[int]) -> None:
    """Make empty files; another process may have been quicker."""
    need, existing = count * int(np.prod(size)), next(parent for parent in folder.parents if parent.exists())
    room = shutil.disk_usage(existing).free
    if need > room:
        raise DataError(
            f"{count:,} images of {'x'.join(map(str, size))} need {need / 2**30:.1f} GiB and {folder.parent} has "
            f"{room / 2**30:.1f} GiB free; give a smaller --input-size, or another INCEPTIONLAB_HOME"
        )
    try:
        with folder_in_place(folder) as partial:
            np.lib.format.open_memmap(partial / PIXELS, "w+", np.uint8, (count, *size))
            np.lib.format.open_memmap(partial / SUMS, "w+", np.int64, (count,))
    except OSError as error:
        raise DataError(f"{folder.parent} cannot take the decoded images: {error}") from None
