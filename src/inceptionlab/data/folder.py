"""Folders of pictures: `train/ val/ test/` with a folder a class, or the class folders alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from inceptionlab.data.cache import remembered
from inceptionlab.data.picture import SUFFIXES, decode, fitted
from inceptionlab.data.progress import followed
from inceptionlab.data.split import stratified
from inceptionlab.data.store import DataSet, Pictures
from inceptionlab.errors import DataError
from inceptionlab.network import Input

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
    train, test = _divided(read["train"], seed)
    return DataSet(folder.name, train, test, note=f"test: {TEST_FRACTION:.0%} of train/ by seed {seed}")


def _flat(folder: Path, picture: Input, seed: int) -> DataSet:
    train, test = _divided(_read(folder, picture), seed)
    return DataSet(folder.name, train, test, note=f"test: {TEST_FRACTION:.0%} of the pictures by seed {seed}")


def _divided(pictures: Pictures, seed: int) -> tuple[Pictures, Pictures]:
    rest, part = stratified(pictures.labels, TEST_FRACTION, seed)
    return pictures.subset(rest), pictures.subset(part)


def find_pictures(folder: Path) -> tuple[tuple[str, ...], list[Path], list[int]]:
    """(classes, files, labels) of a folder with a folder a class. Raises `DataError` for one without pictures."""
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(classes) < 2:
        raise DataError(f"{folder} has {len(classes)} class folder(s); put the pictures of each class in a folder")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(p for p in (folder / name).rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not found:
            raise DataError(f"the class folder {folder / name} holds no picture ({', '.join(SUFFIXES)})")
        files += found
        labels += [label] * len(found)
    return tuple(classes), files, labels


def _read(folder: Path, picture: Input) -> Pictures:
    classes, files, labels = find_pictures(folder)
    settings = [picture.height, picture.width, picture.channels, picture.crop, picture.interpolation, classes]

    def read() -> Pictures:
        return _decoded(folder, classes, files, labels, picture)

    return remembered(files, settings, read)


def _decoded(folder: Path, classes: tuple[str, ...], files: list[Path], labels: list[int], picture: Input) -> Pictures:
    size = round(picture.height / picture.crop), round(picture.width / picture.crop)
    need = len(files) * size[0] * size[1] * picture.channels
    if need > MOST_BYTES:
        raise DataError(
            f"{folder} has {len(files):,} pictures, {need / 2**30:.1f} GiB at {size[0]}x{size[1]}, more than "
            f"{MOST_BYTES >> 30} GiB; give a smaller --input-size"
        )
    images = np.empty((len(files), *size, picture.channels), np.uint8)

    def read(i: int) -> None:
        whole = decode(files[i], str(files[i]), picture.channels)
        pixels = np.asarray(fitted(whole, size, 1.0, picture.interpolation))
        images[i] = pixels if pixels.ndim == 3 else pixels[..., None]

    with ThreadPoolExecutor() as pool:
        for _ in followed(pool.map(read, range(len(files))), f"reading {folder.name}", len(files)):
            pass
    return Pictures(torch.from_numpy(images), torch.tensor(labels), classes, tuple(map(str, files)))
