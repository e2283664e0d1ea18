"""MNIST and Fashion-MNIST in their IDX files."""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np

from inceptionlab.data.dataset import DataSet, array_set
from inceptionlab.data.sources.download import Source, fetch
from inceptionlab.errors import DataError, counted

FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
CLASSES = {"mnist": tuple("0123456789"), "fashion_mnist": FASHION}
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
BASES = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist",
    "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
}
MD5 = {
    "mnist": (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    "fashion_mnist": (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310",
    ),
}  # fmt: skip
DEBIAN = Path("/usr/share/datasets")
MOST_BYTES = 1 << 30
"""Of an unpacked file: twenty times MNIST's largest, and little enough for any machine that trains."""


def load(name: str, folders: list[Path], cache: Path, mirror: str | None = None) -> DataSet:
    """The set from the first folder that has its four files (plain or .gz), from Debian's place, or downloaded."""
    places = [f / sub for f in [*folders, DEBIAN] for sub in (name, name.replace("_", "-"), ".")]
    for folder in places:
        paths = [next((p for p in (folder / f, folder / f"{f}.gz") if p.exists()), None) for f in FILES]
        found = [path for path in paths if path is not None]
        if len(found) == len(FILES):
            return _read(name, found)
    sources = [Source(f"{file}.gz", BASES[name], md5) for file, md5 in zip(FILES, MD5[name], strict=True)]
    return _read(name, [fetch(source, cache / name, mirror) for source in sources])


def _read(name: str, paths: list[Path]) -> DataSet:
    train, test = (
        array_set(read_idx(paths[i], 3), read_idx(paths[i + 1], 1), CLASSES[name]) for i in (0, 2)
    )  # fmt: skip
    height, width = train.images.shape[1:3]
    size = height if height == width else (height, width)
    return DataSet(name, train, test, size=size, note="train and test as in the official files")


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array of so many dimensions in an IDX file, plain or gzipped; no more is unpacked than it announces.

    Raises `DataError` where it is not one.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            sizes = _sizes(file.read(4 + 4 * dimensions), dimensions, path)
            body = file.read(prod(sizes) + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked: {error}") from None
    if len(body) != prod(sizes):
        held = f"{len(body):,}" if len(body) < prod(sizes) else "more"
        raise DataError(f"{path} should hold {'x'.join(map(str, sizes))} bytes and holds {held}")
    return np.frombuffer(body, np.uint8).reshape(sizes)


def _sizes(head: bytes, dimensions: int, path: Path) -> list[int]:
    if len(head) < 4 or head[:3] != b"\0\0\x08":
        raise DataError(f"{path} is not an IDX file of bytes")
    if head[3] != dimensions or len(head) != 4 + 4 * dimensions:
        raise DataError(f"{path} is an IDX file of {counted(head[3], 'dimension')}; here it must have {dimensions}")
    sizes = [int.from_bytes(head[4 + 4 * i : 8 + 4 * i]) for i in range(dimensions)]
    if min(sizes) < 1 or prod(sizes) > MOST_BYTES:
        announced = "x".join(map(str, sizes))
        raise DataError(f"{path} announces {announced} bytes; an IDX file here has from 1 to {MOST_BYTES:,}")
    return sizes
