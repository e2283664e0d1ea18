"""Folders of images: `train/ val/ test/` with a folder per class, or the class folders alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import torch

from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.data.decode import SUFFIXES
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.split import stratified
from inceptionlab.data.stores.decoded import decode_all, disk_images, folder_of, in_memory
from inceptionlab.data.stores.images import Images
from inceptionlab.errors import DataError, counted, listed

EAGER = 4_000
"""Images up to which a folder is decoded at once, so that what cannot be read is said before training."""
MOST_BYTES = 8 << 30
TEST_FRACTION = 0.2
_CHECK = "inceptionlab check-data names what cannot be read, and why"
_ADVICE = "--skip-unreadable leaves out what cannot be read, and inceptionlab check-data names all of it"


def load(folder: Path, preprocess: Preprocess, seed: int = 0, skip_unreadable: bool = False) -> DataSet:
    """A folder as a data set of images as large as the network's resize, so that training can crop.

    With `train/` and `test/`, those are used. With `train/` and `val/` only, `val/` is the test set, read once, and
    validation is split from `train/`. Class folders alone are split by `seed`, 20 % for the test. With
    `skip_unreadable` images that cannot be read are left out, and named in what it gives. Raises `DataError` for them
    else, and for folders that are none.
    """
    parts = {name: folder / name for name in ("train", "val", "test") if (folder / name).is_dir()}
    parts = parts if "train" in parts else {"train": folder}
    left_out: list[str] = []
    read = {name: _read(path, preprocess, folder, left_out if skip_unreadable else None)
            for name, path in parts.items()}  # fmt: skip
    return replace(_as_set(folder, read, seed), left_out=tuple(left_out))


def _as_set(folder: Path, read: Mapping[str, Samples], seed: int) -> DataSet:
    """The data set of the parts of a folder."""
    note = how_divided(folder, seed)
    if "test" in read:
        return DataSet(folder.name, read["train"], read["test"], read.get("val"), note=note)
    if "val" in read:
        return DataSet(folder.name, read["train"], read["val"], note=note)
    return DataSet(folder.name, *split_off_test(read["train"], seed), note=note)


def how_divided(folder: Path, seed: int = 0) -> str:
    """What `load` makes of the parts of a folder, in words."""
    train, val, test = ((folder / name).is_dir() for name in ("train", "val", "test"))
    if train and test:
        return "train/, val/ and test/ as found" if val else "train/ and test/ as found"
    if train and val:
        return "val/ is the test set, read once, at the end"
    return f"test: {TEST_FRACTION:.0%} of {'train/' if train else 'the images'} by seed {seed}"


def split_off_test(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    """(training, test): the images of a set that comes without a test part, divided by a seed."""
    rest, part = stratified(samples.labels, TEST_FRACTION, seed, classes=samples.classes)
    return samples.subset(rest), samples.subset(part)


def find_images(folder: Path) -> tuple[tuple[str, ...], list[str], list[int]]:
    """(classes, files, labels) of a folder with a folder per class. Raises `DataError` for one without images."""
    files: list[str] = []  # a Path takes longer to make than a file to list
    labels: list[int] = []
    try:
        classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
        if len(classes) < 2:
            raise DataError(
                f"{folder} has {counted(len(classes), 'class folder')}; put the images of each class in a folder"
            )
        for label, name in enumerate(classes):
            found = sorted(files_below(folder / name))
            if not found:
                raise DataError(f"the class folder {folder / name} holds no image ({', '.join(SUFFIXES)})")
            files += found
            labels += [label] * len(found)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from None
    for path in (*classes, *files):
        _readable(path)
    return tuple(classes), files, labels


def files_below(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> list[str]:
    """The image files in a folder and below it, in no order. Raises `DataError` for a folder that is reached twice,
    `OSError` for one that cannot be listed.
    """
    found: list[str] = []
    seen: set[tuple[int, int]] = set()
    waiting = [str(folder)]
    while waiting:
        path = waiting.pop()
        state = os.stat(path)
        if (state.st_dev, state.st_ino) in seen:
            raise DataError(f"{path} leads to a folder of {folder} a second time; remove that symbolic link")
        seen.add((state.st_dev, state.st_ino))
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.lower().endswith(suffixes) and entry.is_file():
                    found.append(entry.path)
                elif entry.is_dir():
                    waiting.append(entry.path)
    return found


def _readable(path: str) -> None:
    """Refuse a name that no report, page or label could show."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise DataError(f"{path!a} has a name that is not UTF-8; rename it") from None


def _read(folder: Path, preprocess: Preprocess, root: Path, left_out: list[str] | None) -> Samples:
    """The images of a folder; the names of those that cannot be read are put into `left_out` (None: they are refused),
    as seen from the `root` of the data.
    """
    classes, files, labels = find_images(folder)
    settings = [*preprocess.stored_shape, preprocess.input.interpolation]
    place, size = folder_of(files, settings), preprocess.stored_shape
    lazy, unreadable = len(files) > EAGER, dict[int, DataError]()

    def decoded(number: int) -> np.ndarray:
        try:
            return preprocess.read(files[number], files[number])
        except DataError as error:
            raise DataError(f"{error}; {_ADVICE}") if lazy and left_out is None else error from None

    if lazy:
        images: Images = disk_images(place, len(files), size, decoded, place.name)
        if left_out is not None:
            unreadable = decode_all(images, folder.name)
    else:
        _refuse_too_large(folder, len(files), size)
        images = in_memory(place, len(files), size, decoded, folder.name, unreadable)
    samples = Samples(images, torch.tensor(labels), classes, tuple(files), str(root))
    return _readable_ones(samples, unreadable, left_out) if unreadable else samples


def _readable_ones(samples: Samples, unreadable: Mapping[int, DataError], left_out: list[str] | None) -> Samples:
    """The images without those that cannot be read. Raises `DataError` where they are not to be left out, or are all
    that a class has.
    """
    if left_out is None:
        more = len(unreadable) - 1
        others = f" (and so {'is' if more == 1 else 'are'} {counted(more, 'other image')})" if more else ""
        raise DataError(f"{unreadable[min(unreadable)]}{others}; {_ADVICE}")
    kept = torch.tensor([i for i in range(len(samples)) if i not in unreadable], dtype=torch.int64)
    counts = torch.bincount(samples.labels[kept], minlength=len(samples.classes))
    lost = [name for name, count in zip(samples.classes, counts, strict=True) if not int(count)]
    if lost:
        raise DataError(f"no image of {listed(lost)} in {samples.folder} can be read; {_CHECK}")
    left_out += [samples.name(i) for i in sorted(unreadable)]
    return samples.subset(kept)


def _refuse_too_large(folder: Path, count: int, size: tuple[int, int, int]) -> None:
    need = count * prod(size)
    if need > MOST_BYTES:
        raise DataError(
            f"{folder} has {count:,} images, {need / 2**30:.1f} GiB at {size[0]}x{size[1]}, more than "
            f"{MOST_BYTES >> 30} GiB; give a smaller --input-size"
        )
