"""Images without labels: a folder, Parquet files, a set of the hub, one that comes by name, or images in Python."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.data.decode import SUFFIXES, decode_as_stored
from inceptionlab.data.preprocess import Foreign, as_image
from inceptionlab.data.registry import NAMES, load_data
from inceptionlab.data.sources.naming import parse_name
from inceptionlab.data.sources.rows import opened_rows
from inceptionlab.errors import DataError, MissingExtra, nearest

ImagesOf = str | Path | DataSet | Samples | Tensor | Sequence[Foreign]
"""What a user calls a set of images; a tensor is `n h w c` or `n c h w` of bytes."""


@dataclass(frozen=True, slots=True)
class ImageSet:
    """`source` gives an image by its number, as it came: a file, its bytes, or pixels; `where` names it."""

    name: str
    count: int
    source: Callable[[int], Foreign]
    where: Callable[[int], str]
    content: Callable[[], str]

    @property
    def digest(self) -> str:
        """What the images are known by: their content, not their place. All of it is read, the first time."""
        return self.content()

    def pixels(self, number: int) -> UInt8[np.ndarray, "h w 3"]:
        """An image in colour at its own size, its rows as its file has them whatever its EXIF says: so the first
        implementations of distances between sets read them. Raises `DataError` for what is no image.
        """
        image, where = self.source(number), self.where(number)
        if isinstance(image, np.ndarray):
            image = as_image(image, where)
        return np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else decode_as_stored(image, where))


def image_set(source: ImagesOf, data_dir: Path | None = None) -> ImageSet:
    """The images of whatever a user calls a set. Raises `DataError` for what holds none.

    Text is a folder (images in it and below it, in the order of their paths), a .parquet file or a folder of such,
    a set by name (`cifar10`) or of the hub (`hf:NAME`), of which `#SPLIT` says the split; "train" without it.
    """
    if isinstance(source, str | Path):
        return _by_text(str(source), data_dir)
    if isinstance(source, DataSet | Samples):
        return _of_samples(source.train if isinstance(source, DataSet) else source, "samples")
    return _of_tensor(source) if isinstance(source, Tensor) else _of_list(source)


def _by_text(text: str, data_dir: Path | None) -> ImageSet:
    place = Path(text)
    if place.is_dir():
        tables = sorted(place.rglob("*.parquet"))
        return _of_rows(text, tables) if tables and not _files(place) else _of_files(text, _files(place))
    if place.suffix == ".parquet":
        return _of_rows(text, [place])
    name, _, split = text.partition("#")
    wanted = parse_name(name, NAMES)
    if wanted.kind == "hf":
        return _of_hub(text, wanted.place, wanted.configuration, split or "train")
    if wanted.kind == "named":
        return _of_named(text, name, split or "train", data_dir)
    if place.exists():
        raise DataError(f"{text} is a file; give a folder of images, a .parquet file or .npz statistics")
    raise DataError(f"there is no folder {text!r} and no set of that name; {nearest(text, (*NAMES, 'hf:NAME'))}")


def _files(folder: Path) -> list[str]:
    """The image files in a folder and below it, in order."""
    found = (os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return sorted(path for path in found if path.lower().endswith(SUFFIXES))


def _of_files(name: str, files: list[str]) -> ImageSet:
    if not files:
        raise DataError(f"{name} holds no image ({', '.join(SUFFIXES)}) and no .parquet file")
    return ImageSet(name, len(files), files.__getitem__, files.__getitem__, cache(lambda: _digest_of_files(files)))


def _digest_of_files(files: Sequence[str | Path]) -> str:
    with ThreadPoolExecutor() as pool:
        return hashlib.sha256(b"".join(pool.map(_digest_of_file, files))).hexdigest()


def _digest_of_file(path: str | Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _of_rows(name: str, files: list[Path]) -> ImageSet:
    if not files[0].exists():
        raise DataError(f"there is no file {name}")
    rows = opened_rows(files)
    return ImageSet(name, rows.count, rows.encoded, rows.where, cache(lambda: _digest_of_files(files)))


def _of_hub(text: str, place: str, configuration: str | None, split: str) -> ImageSet:
    try:
        library: Any = import_module("datasets")
    except ImportError:
        raise MissingExtra("the library datasets, which reads data sets of the hub,", "hub") from None
    try:
        rows: Any = library.load_dataset(place, configuration, split=split)
    except Exception as error:  # the library raises whatever its parts do
        raise DataError(f"the data set {text} cannot be loaded: {str(error).splitlines()[0]}") from None
    column = next((key for key, kind in rows.features.items() if isinstance(kind, library.Image)), None)
    if column is None:
        raise DataError(f"the data set {text} has the columns {', '.join(rows.features)} and none of images")
    decoded = rows.cast_column(column, library.Image(mode="RGB"))

    def read(number: int) -> Image.Image:
        try:
            return decoded[number][column]
        except Exception as error:  # Pillow's and Arrow's
            raise DataError(f"{where(number)} cannot be read as an image: {error}") from None

    def where(number: int) -> str:
        return f"image {number} of {text}"

    return ImageSet(text, len(rows), read, where, lambda: str(rows._fingerprint))


def _of_named(text: str, name: str, split: str, data_dir: Path | None) -> ImageSet:
    found = load_data(name, None, data_dir)
    parts = {"train": found.train, "test": found.test}
    if split not in parts:
        raise DataError(f"{text}: {name} has no split {split!r}; {nearest(split, parts)}")
    return _of_samples(parts[split], text)


def _of_samples(samples: Samples, name: str) -> ImageSet:
    return ImageSet(name, len(samples), lambda i: samples.images[i].cpu().numpy(), lambda i: f"image {i} of {name}",
                    cache(samples.digest))  # fmt: skip


def _of_tensor(images: Tensor) -> ImageSet:
    """Images `n h w c` or `n c h w` of bytes."""
    if images.ndim != 4 or images.element_size() != 1 or not {images.shape[1], images.shape[3]} & {1, 3}:
        shape = "x".join(map(str, images.shape))
        raise DataError(f"the images are {shape} of {images.dtype}; give n x h x w x 3 or n x 3 x h x w of uint8")
    pixels = (images if images.shape[3] in (1, 3) else images.permute(0, 2, 3, 1)).contiguous().cpu().numpy()
    return ImageSet("a tensor", len(pixels), pixels.__getitem__, "image {}".format,
                    cache(lambda: hashlib.sha256(pixels.data).hexdigest()))  # fmt: skip


def _of_list(images: Sequence[Foreign]) -> ImageSet:
    """Files, images of Pillow and arrays."""
    where = [str(one) if isinstance(one, str | Path) else f"image {i}" for i, one in enumerate(images)]

    @cache
    def content() -> str:
        digest = hashlib.sha256()
        for pixels in map(found.pixels, range(len(images))):
            digest.update(np.array(pixels.shape).tobytes() + pixels.tobytes())
        return digest.hexdigest()

    found = ImageSet("images", len(images), images.__getitem__, where.__getitem__, content)
    return found
