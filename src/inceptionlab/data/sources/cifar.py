"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): the official archives, binary or Python, and Hugging Face's Parquet."""

from __future__ import annotations

import tarfile
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np

from inceptionlab.data.dataset import DataSet, Samples, array_set
from inceptionlab.data.sources.download import Source, check, fetch
from inceptionlab.data.sources.parquet import parquet_images
from inceptionlab.data.sources.pickled import read_plain_pickle
from inceptionlab.errors import DataError

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR100 = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
    "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
    "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
    "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
    "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
)  # fmt: skip
SHAPE = (32, 32, 3)
MOST_BYTES = 256 << 20
"""Of one file of an archive; CIFAR-100's largest has 154 MB."""
_BASE = "https://www.cs.toronto.edu/~kriz"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a CIFAR set keeps its files: the binary archive (fetched), the Python one, the folders they unpack to, the
    members, the name of the labels in the one and the bytes before the pixels in the other.
    """

    binary: Source
    python: Source
    folders: tuple[str, str]
    train: tuple[str, ...]
    test: tuple[str, ...]
    label: str
    header: int


LAYOUTS = {
    "cifar10": Layout(
        Source("cifar-10-binary.tar.gz", _BASE, "c32a1d4ab5d03f1284b67883e8d87530"),
        Source("cifar-10-python.tar.gz", _BASE, "c58f30108f718f92721af3b95e74349a"),
        ("cifar-10-batches-bin", "cifar-10-batches-py"),
        tuple(f"data_batch_{i}" for i in range(1, 6)), ("test_batch",), "labels", 1,
    ),
    "cifar100": Layout(
        Source("cifar-100-binary.tar.gz", _BASE, "03b5dce01913d631647c71ecec9e9cb8"),
        Source("cifar-100-python.tar.gz", _BASE, "eb9058c3a382ffc7106e4002c42a8d85"),
        ("cifar-100-binary", "cifar-100-python"),
        ("train",), ("test",), "fine_labels", 2,
    ),
}  # fmt: skip


def load(name: str, folders: list[Path], cache: Path, mirror: str | None = None) -> DataSet:
    """CIFAR from the first folder that has it as Parquet, an archive or an unpacked archive; else downloaded."""
    layout = LAYOUTS[name]
    for folder in [f / sub for f in folders for sub in (name, ".")]:
        if sorted(folder.glob("train-*.parquet")) and sorted(folder.glob("test-*.parquet")):
            return _from_parquet(name, folder)
        for source in (layout.binary, layout.python):
            if (folder / source.file).exists():
                check(folder / source.file, source.md5)
                return _from_archive(name, folder / source.file, layout)
        for unpacked in layout.folders:
            if (folder / unpacked).is_dir():
                return _from_folder(name, folder / unpacked, layout)
    return _from_archive(name, fetch(layout.binary, cache / name, mirror), layout)


def _names(name: str) -> tuple[str, ...]:
    return CIFAR10 if name == "cifar10" else CIFAR100


def _from_parquet(name: str, folder: Path) -> DataSet:
    files = [sorted(folder.glob(f"{part}-*.parquet")) for part in ("train", "test")]
    train, test = (parquet_images(part, SHAPE, _names(name)) for part in files)
    return DataSet(name, train, test, size=SHAPE[0], note=f"train and test as in the Parquet files of {folder.name}")


def _from_archive(name: str, path: Path, layout: Layout) -> DataSet:
    try:
        with tarfile.open(path) as archive:
            members = {Path(m.name).name.removesuffix(".bin"): m for m in archive.getmembers() if m.isfile()}
            parts = [[_member(archive, members, key, path) for key in keys] for keys in (layout.train, layout.test)]
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} is not a readable archive: {error}") from None
    return _assembled(name, parts, path, layout)


def _from_folder(name: str, folder: Path, layout: Layout) -> DataSet:
    def content(key: str) -> bytes:
        found = [path for path in (folder / key, folder / f"{key}.bin") if path.is_file()]
        if not found:
            raise DataError(f"{folder} has no file {key} or {key}.bin")
        _refuse_too_large(found[0].stat().st_size, str(found[0]))
        return found[0].read_bytes()

    try:
        parts = [[content(key) for key in keys] for keys in (layout.train, layout.test)]
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from None
    return _assembled(name, parts, folder, layout)


def _assembled(name: str, parts: list[list[bytes]], path: Path, layout: Layout) -> DataSet:
    """The set of the contents of its files, (training, test)."""
    read = _binary if "bin" in path.name else _python
    sets: list[Samples] = []
    for part in parts:
        pixels, labels = zip(*(read(data, layout) for data in part), strict=True)
        sets.append(array_set(np.concatenate(pixels), np.concatenate(labels), _names(name)))
    return DataSet(name, sets[0], sets[1], size=32, note=f"train and test as in {path.name}")


def _member(archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo], key: str, path: Path) -> bytes:
    _refuse_too_large(members[key].size if key in members else 0, f"{key} in {path}")
    file = archive.extractfile(members[key]) if key in members else None
    if file is None:
        raise DataError(f"{path} has no member {key}")
    return file.read()


def _binary(data: bytes, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    rows = np.frombuffer(data, np.uint8)
    if len(rows) % (layout.header + 3072):
        raise DataError(f"a binary CIFAR file has {len(rows):,} bytes, not a multiple of {layout.header + 3072}")
    rows = rows.reshape(-1, layout.header + 3072)
    return _planes(rows[:, layout.header :]), rows[:, layout.header - 1]


def _refuse_too_large(size: int, where: str) -> None:
    if size > MOST_BYTES:
        raise DataError(f"{where} has {size:,} bytes; a file of CIFAR has at most {MOST_BYTES:,}")


def _python(data: bytes, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    try:
        batch = read_plain_pickle(data)
        pixels, labels = batch["data"], batch[layout.label]
    except DataError:
        raise
    except Exception as error:  # a pickle raises whatever its makers like
        raise DataError(f"a CIFAR file in Python's format cannot be read: {error!r}") from None
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (prod(SHAPE),):
        raise DataError(f"the data in a CIFAR file must be an array n x {prod(SHAPE)} of bytes")
    if not isinstance(labels, list) or any(type(label) is not int for label in cast(list[Any], labels)):
        raise DataError("the labels in a CIFAR file must be a list of whole numbers")
    return _planes(cast(np.ndarray, pixels)), np.array(labels, np.int64)


def _planes(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
