"""Labelled images of one size from local Parquet files with a column of encoded images and one of labels."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any, cast

import numpy as np
import torch

from inceptionlab.data.dataset import Samples
from inceptionlab.data.decode import decode
from inceptionlab.data.stores.decoded import folder_of, in_memory
from inceptionlab.errors import DataError, MissingExtra

IMAGES, LABELS = ("img", "image"), ("label", "fine_label")
MOST_ROWS = 1_000_000
"""Of a set that is decoded whole into memory: 3 GB at 32 x 32."""
MOST_ENCODED = 1 << 30
"""Bytes of the encoded images of a set, which are in memory while it is decoded; CIFAR has 0.12 GB."""
ROWS_AT_ONCE = 256


def parquet_images(files: Sequence[Path], shape: tuple[int, int, int], classes: tuple[str, ...]) -> Samples:
    """The images, each of `shape` (h, w, c), and labels of some files.

    Raises `DataError` for files that are not such a set, and `MissingExtra` where PyArrow is not installed.
    """
    cells = _Cells(tuple(map(_opened, files)))
    labels = cells.labels()

    def decoded(number: int) -> np.ndarray:
        return cells.pixels(number, shape)

    place = folder_of(files, list(shape))
    return Samples(in_memory(place, len(labels), shape, decoded, files[0].name), torch.from_numpy(labels), classes)


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    reader: Any
    image: str
    label: str

    def column(self, name: str) -> Iterator[Any]:
        """A column, a few rows at a time. Raises `DataError` where it cannot be read."""
        try:
            for batch in self.reader.iter_batches(ROWS_AT_ONCE, columns=[name]):
                yield batch.column(0)
        except (ValueError, OSError, NotImplementedError) as error:  # ArrowInvalid is a ValueError
            raise DataError(f"{self.path} cannot be read: {error}") from None


def _opened(path: Path) -> _File:
    """A file with its columns of images and labels, whose footer announces no more than a set has."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("PyArrow, which reads Parquet files,", "parquet") from None
    try:
        reader: Any = cast(Any, parquet).ParquetFile(path)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is not a readable Parquet file: {error}") from None
    names: list[str] = reader.schema_arrow.names
    image, label = (next((name for name in known if name in names), None) for known in (IMAGES, LABELS))
    if image is None or label is None:
        raise DataError(f"{path} has the columns {names}; it needs 'img' and 'label'")
    rows: int = reader.metadata.num_rows
    if not 0 <= rows <= MOST_ROWS:
        raise DataError(f"{path} announces {rows:,} rows; a set that fits memory has at most {MOST_ROWS:,}")
    return _File(path, reader, image, label)


@dataclass(slots=True)
class _Cells:
    """The rows of some files; their encoded images are read when the first of them is asked for."""

    files: tuple[_File, ...]
    encoded: Future[list[bytes | None]] = field(default_factory=Future[list[bytes | None]])
    lock: Lock = field(default_factory=Lock)

    def labels(self) -> np.ndarray:
        """The labels of all rows, in int64."""
        found = [_whole_numbers(part, file.path) for file in self.files for part in file.column(file.label)]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def pixels(self, number: int, shape: tuple[int, int, int]) -> np.ndarray:
        """The pixels of a row. Raises `DataError` where it holds no image of this shape."""
        where, content = self._where(number), self._encoded().result()[number]
        if content is None:
            raise DataError(f"{where} holds no encoded image")
        image = decode(io.BytesIO(content), where, channels=shape[2])
        if image.size != (shape[1], shape[0]):
            raise DataError(f"{where} is an image of {image.height}x{image.width}, not {shape[0]}x{shape[1]}")
        return np.asarray(image).reshape(shape)

    def _encoded(self) -> Future[list[bytes | None]]:
        """The encoded images, or why there are none; read once, whoever asks first."""
        with self.lock:
            if not self.encoded.done():
                try:
                    self.encoded.set_result(self._read())
                except DataError as error:
                    self.encoded.set_exception(error)
        return self.encoded

    def _read(self) -> list[bytes | None]:
        """The encoded image of every row, None where it holds none."""
        cells: list[bytes | None] = []
        total = 0
        for file in self.files:
            for cell in chain.from_iterable(file.column(file.image)):  # one by one: rows may stand for one large value
                value: object = cell.as_py()
                content = cast(dict[str, Any], value).get("bytes") if isinstance(value, dict) else None
                cells.append(content if isinstance(content, bytes) else None)
                total += len(cells[-1] or b"")
                if total > MOST_ENCODED:
                    cells.clear()  # the error remembers this function's variables
                    raise DataError(f"{file.path} unpacks to more than {MOST_ENCODED >> 20:,} MiB of encoded images")
        return cells

    def _where(self, number: int) -> str:
        row = number
        for file in self.files:
            if row < file.reader.metadata.num_rows:
                return f"{file.path}, row {row}"
            row -= file.reader.metadata.num_rows
        return f"row {number}"


def _whole_numbers(column: Any, path: Path) -> np.ndarray:
    import pyarrow

    if not cast(Any, pyarrow).types.is_integer(column.type) or column.null_count:
        raise DataError(f"the labels of {path} are of the type {column.type}; they must be whole numbers, none missing")
    return column.to_numpy(zero_copy_only=False).astype(np.int64)
