"""Encoded images in Parquet files, of which no more than two groups of rows are held."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any, cast

from inceptionlab.errors import DataError, MissingExtra

IMAGES = ("img", "image", "images", "png", "jpg", "jpeg")
"""Names under which columns of images are looked for; else the first column that can hold them is taken."""
HELD = 2


@dataclass(slots=True)
class Rows:
    """The images of some files, read a group of rows at a time."""

    groups: list[tuple[Path, Any, int, str]]
    """(file, its reader, number of the group in it, name of the column)."""
    starts: list[int]
    held: OrderedDict[int, list[Any]] = field(default_factory=OrderedDict[int, list[Any]])
    lock: Lock = field(default_factory=Lock)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.starts[-1]

    def where(self, number: int) -> str:
        """The file and the row of an image."""
        group = bisect_right(self.starts, number) - 1
        first = next(i for i, other in enumerate(self.groups) if other[0] == self.groups[group][0])
        return f"{self.groups[group][0]}, row {number - self.starts[first]}"

    def encoded(self, number: int) -> io.BytesIO:
        """The bytes of an image. Raises `DataError` where the row holds none."""
        group = bisect_right(self.starts, number) - 1
        with self.lock:
            if group not in self.held:
                self.held[group] = self._read(group)
                while len(self.held) > HELD:
                    self.held.popitem(last=False)
            cell: object = self.held[group][number - self.starts[group]].as_py()
        content = cast(dict[str, Any], cell).get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(content, bytes):
            raise DataError(f"{self.where(number)} holds no encoded image")
        return io.BytesIO(content)

    def _read(self, group: int) -> list[Any]:
        path, reader, number, column = self.groups[group]
        try:
            return list(reader.read_row_group(number, columns=[column]).column(0))
        except (ValueError, OSError, NotImplementedError) as error:  # ArrowInvalid is a ValueError
            raise DataError(f"{path} cannot be read: {error}") from None


def opened_rows(files: list[Path]) -> Rows:
    """The rows of files with a column of encoded images.

    Raises `DataError` for other files, and `MissingExtra` where PyArrow is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("PyArrow, which reads Parquet files,", "parquet") from None
    groups: list[tuple[Path, Any, int, str]] = []
    sizes: list[int] = []
    for path in files:
        try:
            reader: Any = cast(Any, parquet).ParquetFile(path)
        except (ValueError, OSError) as error:
            raise DataError(f"{path} is not a readable Parquet file: {error}") from None
        column = _column(reader.schema_arrow, path)
        for number in range(reader.num_row_groups):
            groups.append((path, reader, number, column))
            sizes.append(reader.metadata.row_group(number).num_rows)
    return Rows(groups, [0, *accumulate(sizes)])


def _column(schema: Any, path: Path) -> str:
    """The column of images: one of the usual names, or the first of bytes."""
    import pyarrow

    types: Any = cast(Any, pyarrow).types

    def holds_bytes(kind: Any) -> bool:
        inner = kind.field("bytes").type if types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
        return types.is_binary(inner) or types.is_large_binary(inner)

    found = [str(one.name) for one in schema if holds_bytes(one.type)]
    if not found:
        raise DataError(f"{path} has the columns {', '.join(schema.names)} and none of encoded images")
    return next((name for name in IMAGES if name in found), found[0])
