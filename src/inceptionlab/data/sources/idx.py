"""MNIST and Fashion-MNIST in their IDX files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from inceptionlab.data.dataset import DataSet, array_set
from inceptionlab.data.sources.download import Source, fetch
from inceptionlab.errors import DataError

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
    arrays = [read_idx(path) for path in paths]
    train, test = (array_set(arrays[i], arrays[i + 1], CLASSES[name]) for i in (0, 2))
    return DataSet(name, train, test, size=28, note="train and test as in the official files")


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array in an IDX file, plain or gzipped. Raises `DataError` where it is not one."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be unpacked: {error}") from None
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise DataError(f"{path} is not an IDX file of bytes")
    sizes = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i]) for i in range(data[3])]
    body = np.frombuffer(data, np.uint8, offset=4 + 4 * len(sizes))
    if body.size != np.prod(sizes):
        raise DataError(f"{path} should hold {'x'.join(map(str, sizes))} bytes and holds {body.size:,}")
    return body.reshape(sizes)
