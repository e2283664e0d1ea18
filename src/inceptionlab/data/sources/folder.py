"""Folders of images: `train/ val/ test/` with a folder per class, or the class folders alone."""

from __future__ import annotations

import os
from math import prod
from pathlib import Path

import numpy as np
import torch

from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.data.decode import SUFFIXES
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.split import stratified
from inceptionlab.data.stores.decoded import disk_images, folder_of, in_memory
from inceptionlab.data.stores.images import Images
from inceptionlab.errors import DataError

EAGER = 4_000
"""Images up to which a folder is decoded at once, so that what cannot be read is said before training."""
MOST_BYTES = 8 << 30
TEST_FRACTION = 0.2


def load(folder: Path, preprocess: Preprocess, seed: int = 0) -> DataSet:
    """A folder as a data set of images as large as the network's resize, so that training can crop.

    With `train/` and `test/`, those are used. With `train/` and `val/` only, `val/` is the test set, read once, and
    validation is split from `train/`. Class folders alone are split by `seed`, 20 % for the test.
    """
    parts = {name: folder / name for name in ("train", "val", "test") if (folder / name).is_dir()}
    if "train" not in parts:
        return _flat(folder, preprocess, seed)
    read = {name: _read(path, preprocess, folder) for name, path in parts.items()}
    if "test" in read:
        return DataSet(
            folder.name, read["train"], read["test"], read.get("val"), note="train/, val/ and test/ as found"
        )
    if "val" in read:
        return DataSet(folder.name, read["train"], read["val"], note="val/ is the test set, read once, at the end")
    train, test = split_off_test(read["train"], seed)
    return DataSet(folder.name, train, test, note=f"test: {TEST_FRACTION:.0%} of train/ by seed {seed}")


def _flat(folder: Path, preprocess: Preprocess, seed: int) -> DataSet:
    train, test = split_off_test(_read(folder, preprocess, folder), seed)
    return DataSet(folder.name, train, test, note=f"test: {TEST_FRACTION:.0%} of the images by seed {seed}")


def split_off_test(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    """(training, test): the images of a set that comes without a test part, divided by a seed."""
    rest, part = stratified(samples.labels, TEST_FRACTION, seed)
    return samples.subset(rest), samples.subset(part)


def find_images(folder: Path) -> tuple[tuple[str, ...], list[str], list[int]]:
    """(classes, files, labels) of a folder with a folder per class. Raises `DataError` for one without images."""
    files: list[str] = []  # a Path takes longer to make than a file to list
    labels: list[int] = []
    try:
        classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
        if len(classes) < 2:
            raise DataError(f"{folder} has {len(classes)} class folder(s); put the images of each class in a folder")
        for label, name in enumerate(classes):
            found = sorted(_walk(folder / name))
            if not found:
                raise DataError(f"the class folder {folder / name} holds no image ({', '.join(SUFFIXES)})")
            files += found
            labels += [label] * len(found)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from None
    for path in (*classes, *files):
        _readable(path)
    return tuple(classes), files, labels


def _walk(folder: Path) -> list[str]:
    """The image files below a folder. Raises `DataError` for one that cannot be listed, or is reached twice."""
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
                if entry.name.lower().endswith(SUFFIXES) and entry.is_file():
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


def _read(folder: Path, preprocess: Preprocess, root: Path) -> Samples:
    classes, files, labels = find_images(folder)
    settings = [*preprocess.stored_shape, preprocess.input.interpolation]
    place, size = folder_of(files, settings), preprocess.stored_shape

    def decoded(number: int) -> np.ndarray:
        return preprocess.read(files[number], files[number])

    images: Images
    if len(files) > EAGER:
        images = disk_images(place, len(files), size, decoded, place.name)
    else:
        _refuse_too_large(folder, len(files), size)
        images = in_memory(place, len(files), size, decoded, folder.name)
    return Samples(images, torch.tensor(labels), classes, tuple(files), str(root))


def _refuse_too_large(folder: Path, count: int, size: tuple[int, int, int]) -> None:
    need = count * prod(size)
    if need > MOST_BYTES:
        raise DataError(
            f"{folder} has {count:,} images, {need / 2**30:.1f} GiB at {size[0]}x{size[1]}, more than "
            f"{MOST_BYTES >> 30} GiB; give a smaller --input-size"
        )
