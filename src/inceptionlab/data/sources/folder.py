"""Folders of pictures: `train/ val/ test/` with a folder a class, or the class folders alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np
import torch

from inceptionlab.data.dataset import DataSet, Pictures
from inceptionlab.data.decode import SUFFIXES, decode, fitted
from inceptionlab.data.progress import followed
from inceptionlab.data.split import stratified
from inceptionlab.data.stores.cache import key_of, remembered
from inceptionlab.data.stores.disk import disk_images
from inceptionlab.errors import DataError
from inceptionlab.spec.network import Input
from inceptionlab.storage import cache_folder

EAGER = 4_000
"""Pictures up to which a folder is decoded at once, so that what cannot be read is said before training."""
MOST_BYTES = 8 << 30
TEST_FRACTION = 0.2


def load(folder: Path, picture: Input, seed: int = 0) -> DataSet:
    """A folder as a data set of pictures as large as the network's resize, so that training can crop.

    With `train/` and `test/`, those are used. With `train/` and `val/` only, `val/` is the test set, read once, and
    validation is split from `train/`. Class folders alone are split by `seed`, 20 % for the test.
    """
    parts = {name: folder / name for name in ("train", "val", "test") if (folder / name).is_dir()}
    if "train" not in parts:
        return _flat(folder, picture, seed)
    read = {name: _read(path, picture) for name, path in parts.items()}
    if "test" in read:
        return DataSet(
            folder.name, read["train"], read["test"], read.get("val"), note="train/, val/ and test/ as found"
        )
    if "val" in read:
        return DataSet(folder.name, read["train"], read["val"], note="val/ is the test set, read once, at the end")
    train, test = divided(read["train"], seed)
    return DataSet(folder.name, train, test, note=f"test: {TEST_FRACTION:.0%} of train/ by seed {seed}")


def _flat(folder: Path, picture: Input, seed: int) -> DataSet:
    train, test = divided(_read(folder, picture), seed)
    return DataSet(folder.name, train, test, note=f"test: {TEST_FRACTION:.0%} of the pictures by seed {seed}")


def divided(pictures: Pictures, seed: int) -> tuple[Pictures, Pictures]:
    """(training, test): the pictures of a set that comes without a test part, divided by a seed."""
    rest, part = stratified(pictures.labels, TEST_FRACTION, seed)
    return pictures.subset(rest), pictures.subset(part)


def find_pictures(folder: Path) -> tuple[tuple[str, ...], list[str], list[int]]:
    """(classes, files, labels) of a folder with a folder a class. Raises `DataError` for one without pictures."""
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(classes) < 2:
        raise DataError(f"{folder} has {len(classes)} class folder(s); put the pictures of each class in a folder")
    files: list[str] = []  # a Path takes longer to make than a file to list
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(_walk(str(folder / name)))
        if not found:
            raise DataError(f"the class folder {folder / name} holds no picture ({', '.join(SUFFIXES)})")
        files += found
        labels += [label] * len(found)
    return tuple(classes), files, labels


def _walk(folder: str) -> Iterator[str]:
    """The picture files below a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lower().endswith(SUFFIXES) and entry.is_file():
                yield entry.path
            elif entry.is_dir():
                yield from _walk(entry.path)


def _read(folder: Path, picture: Input) -> Pictures:
    classes, files, labels = find_pictures(folder)
    settings = [picture.height, picture.width, picture.channels, picture.crop, picture.interpolation, classes]
    if len(files) > EAGER:
        return _on_disk(classes, files, labels, picture, settings)

    def read() -> Pictures:
        return _decoded(folder, classes, files, labels, picture)

    return remembered(files, settings, read)


def _on_disk(
    classes: tuple[str, ...], files: list[str], labels: list[int], picture: Input, settings: object
) -> Pictures:
    """The pictures of a large folder, decoded when they are needed."""
    identity = key_of(files, settings)
    size = (*stored_size(picture), picture.channels)

    def decoded(number: int) -> np.ndarray:
        return stored_pixels(files[number], files[number], picture)

    images = disk_images(cache_folder() / "decoded" / identity, len(files), size, decoded, identity)
    return Pictures(images, torch.tensor(labels), classes, tuple(files))


def stored_size(picture: Input) -> tuple[int, int]:
    """(height, width) at which pictures are kept: that of the network's resize, so that training can crop."""
    return round(picture.height / picture.crop), round(picture.width / picture.crop)


def stored_pixels(file: str | Path | IO[bytes], where: str, picture: Input) -> np.ndarray:
    """The pixels `h w c` of a picture at the size at which it is kept. `where` names it in errors."""
    size = stored_size(picture)
    whole = decode(file, where, picture.channels, least=size)
    pixels = np.asarray(fitted(whole, size, 1.0, picture.interpolation))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _decoded(folder: Path, classes: tuple[str, ...], files: list[str], labels: list[int], picture: Input) -> Pictures:
    size = stored_size(picture)
    need = len(files) * size[0] * size[1] * picture.channels
    if need > MOST_BYTES:
        raise DataError(
            f"{folder} has {len(files):,} pictures, {need / 2**30:.1f} GiB at {size[0]}x{size[1]}, more than "
            f"{MOST_BYTES >> 30} GiB; give a smaller --input-size"
        )
    images = np.empty((len(files), *size, picture.channels), np.uint8)

    def read(i: int) -> None:
        images[i] = stored_pixels(files[i], files[i], picture)

    with ThreadPoolExecutor() as pool:
        for _ in followed(pool.map(read, range(len(files))), f"reading {folder.name}", len(files)):
            pass
    return Pictures(torch.from_numpy(images), torch.tensor(labels), classes, tuple(files))
