"""Images without labels, one by one: loose images, rows of Parquet files, of the hub, of sets in memory; joined."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from inceptionlab.data.addresses import fetched, is_address
from inceptionlab.data.dataset import Samples
from inceptionlab.data.decode import decode_as_stored
from inceptionlab.data.preprocess import Foreign, as_image
from inceptionlab.data.sources.rows import opened_rows
from inceptionlab.errors import DataError, MissingExtra


@dataclass(frozen=True, slots=True)
class ImageSet:
    """`source` gives an image by its number, as it came: a file, its bytes, or pixels; `where` names it.

    Nothing is read before it is asked for; threads may ask at once.
    """

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


def joined(parts: Sequence[ImageSet], name: str) -> ImageSet:
    """The images of some sets, one set after another."""
    starts = [0, *accumulate(part.count for part in parts)]

    def source(number: int) -> Foreign:
        place = bisect_right(starts, number) - 1
        return parts[place].source(number - starts[place])

    def where(number: int) -> str:
        place = bisect_right(starts, number) - 1
        return parts[place].where(number - starts[place])

    return ImageSet(name, starts[-1], source, where, cache(lambda: _sha256(*(part.digest.encode() for part in parts))))


def of_items(name: str, items: Sequence[Foreign], first: int = 0) -> ImageSet:
    """Loose images: files, addresses, images of Pillow and arrays; those without a name are numbered from `first`."""

    def source(number: int) -> Foreign:
        return fetched(item) if is_address(item := items[number]) else item

    def where(number: int) -> str:
        return str(item) if isinstance(item := items[number], str | Path) else f"image {first + number}"

    return ImageSet(name, len(items), source, where, cache(lambda: _digest_of(items)))


def of_rows(name: str, files: Sequence[Path]) -> ImageSet:
    """The encoded images of Parquet files. Raises `DataError` for other files."""
    if not files[0].exists():
        raise DataError(f"there is no file {name}")
    rows = opened_rows(list(files))
    return ImageSet(name, rows.count, rows.encoded, rows.where, cache(lambda: _digest_of(files)))


def of_hub(text: str, place: str, configuration: str | None, split: str) -> ImageSet:
    """A split of a set of the hub. Raises `DataError` where it cannot be had or holds no images, `MissingExtra` without
    the library that reads it.
    """
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


def of_samples(samples: Samples, name: str) -> ImageSet:
    """The images of a set with labels."""
    return ImageSet(name, len(samples), lambda i: samples.images[i].cpu().numpy(), lambda i: f"image {i} of {name}",
                    cache(samples.digest))  # fmt: skip


def of_tensor(images: Tensor) -> ImageSet:
    """Images `n h w c` or `n c h w` of bytes. Raises `DataError` for others."""
    if images.ndim != 4 or images.element_size() != 1 or not {images.shape[1], images.shape[3]} & {1, 3}:
        shape = "x".join(map(str, images.shape))
        raise DataError(f"the images are {shape} of {images.dtype}; give n x h x w x 3 or n x 3 x h x w of uint8")
    pixels = (images if images.shape[3] in (1, 3) else images.permute(0, 2, 3, 1)).contiguous().cpu().numpy()
    return ImageSet("a tensor", len(pixels), pixels.__getitem__, "image {}".format,
                    cache(lambda: hashlib.sha256(pixels.data).hexdigest()))  # fmt: skip


def of_bytes(name: str, content: bytes) -> ImageSet:
    """One encoded image."""
    from io import BytesIO

    return ImageSet(name, 1, lambda _: BytesIO(content), lambda _: name, cache(lambda: _sha256(content)))


def _digest_of(items: Sequence[Foreign]) -> str:
    with ThreadPoolExecutor() as pool:
        return _sha256(*pool.map(_digest_of_one, items))


def _digest_of_one(item: Foreign) -> bytes:
    """The digest of an image's content; of one that cannot be read, of nothing: whoever decodes it says why."""
    try:
        if isinstance(item, str | Path) and not is_address(item):
            with open(item, "rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        if is_address(item):
            return hashlib.sha256(fetched(item).getbuffer()).digest()
    except (OSError, ValueError):
        return bytes(hashlib.sha256().digest_size)
    pixels = of_items("", [item]).pixels(0)
    return hashlib.sha256(np.array(pixels.shape).tobytes() + pixels.tobytes()).digest()


def _sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()
