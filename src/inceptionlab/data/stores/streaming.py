"""Images read from Parquet files as they are needed and not kept, for sets that fit no disk.

A Parquet file is a row of blocks (row groups), each of which can be read by itself over HTTP. An epoch goes through
the blocks in a random order, a window of them at a time, and through the images of a window in a random order; the
next window is fetched meanwhile. So the order is nearly as random as a whole shuffle, follows from the seed alone, and
an epoch can be taken up anywhere, as with a set in memory.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from inceptionlab.data.progress import followed
from inceptionlab.errors import DataError
from inceptionlab.storage import cache_folder, write

fsspec: Any = import_module("fsspec")
pyarrow: Any = import_module("pyarrow")
parquet: Any = import_module("pyarrow.parquet")

WINDOW = 8192
"""Images within which an order is random; fewer where they would take more than `MOST_BYTES`."""
MOST_BYTES = 512 << 20
MOST_ROWS = 100_000_000
"""Images of a set, whose labels are kept in memory (0.8 GB); ImageNet has 14 million, the largest public sets not many
more.
"""
MOST_BLOCK = 4 << 30
"""Bytes of an unpacked block, of which two windows are held."""
READERS = 8
PAUSES = (1.0, 4.0, 16.0)
"""Seconds to wait before a block that could not be read is asked for again."""


@dataclass(frozen=True, slots=True)
class File:
    """A Parquet file and its footer, which says where each block is."""

    url: str
    footer: Any

    def read(self, columns: Sequence[str], block: int | None = None) -> Any:
        """Columns of a block, or of all blocks, as a table. Raises `DataError` where it cannot be read."""

        def table() -> Any:
            with _opened(self.url) as handle:
                reader = parquet.ParquetFile(handle, metadata=self.footer, pre_buffer=True)
                return reader.read(columns) if block is None else reader.read_row_group(block, columns)

        return _insist(table, self.url)


def open_files(urls: Sequence[str]) -> list[File]:
    """The files with their footers. Raises `DataError` for one that cannot be read or is no Parquet file."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(followed(pool.map(_with_footer, urls), "opening files", len(urls)))


def _with_footer(url: str) -> File:
    def footer() -> Any:
        with _opened(url) as handle:
            return parquet.ParquetFile(handle).metadata

    return File(url, _insist(footer, url))


def _opened(url: str) -> Any:
    """A file that can be read at any place, no byte more than is asked for."""
    system, path = fsspec.core.url_to_fs(url)
    return system.open(path, "rb", cache_type="none")


def _insist(read: Callable[[], Any], url: str) -> Any:
    """What `read` gives, tried again after pauses while the network fails."""
    pauses = iter(PAUSES)
    while True:
        try:
            return read()
        except FileNotFoundError:
            raise DataError(f"{url} is not there") from None
        except pyarrow.ArrowException as error:
            raise DataError(f"{url} is not a Parquet file that can be read: {error}") from None
        except Exception as error:  # every file system has its own
            pause = next(pauses, None)
            if pause is None:
                raise DataError(f"{url} could not be read in {len(PAUSES) + 1} attempts: {error!r}") from None
            time.sleep(pause)


def check_rows(files: Sequence[File]) -> int:
    """The number of rows of all files. Raises `DataError` for numbers that no set of images has."""
    blocks = [(file.url, file.footer.row_group(i)) for file in files for i in range(file.footer.num_row_groups)]
    for url, block in blocks:
        if block.num_rows < 0 or not 0 <= block.total_byte_size <= MOST_BLOCK:
            raise DataError(
                f"{url} has a block of {block.num_rows:,} rows and {block.total_byte_size:,} bytes; a block that can "
                f"be streamed has at most {MOST_BLOCK:,} bytes"
            )
    rows = sum(block.num_rows for _, block in blocks)
    if rows > MOST_ROWS:
        raise DataError(f"its files announce {rows:,} rows, more than {MOST_ROWS:,}")
    return rows


def identity_of(files: Sequence[File]) -> str:
    """What a set is known by: the names of its files, and how many rows and bytes their blocks have."""
    footers = [(file.url.rpartition("/")[2], file.footer) for file in files]
    facts = [[name, [_facts(footer.row_group(i)) for i in range(footer.num_row_groups)]] for name, footer in footers]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def _facts(block: Any) -> list[int]:
    return [block.num_rows, *(block.column(i).total_compressed_size for i in range(block.num_columns))]


def read_labels(files: Sequence[File], column: str) -> Int64[Tensor, " n"]:
    """The labels of all images, from the user's cache where they have been read before.

    Raises `DataError` where they are no whole numbers, or others than the files announce.
    """
    rows, kept = check_rows(files), cache_folder("labels", f"{identity_of(files)}.npy")
    known = _known_labels(kept, rows)
    if known is not None:
        return torch.from_numpy(known)
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(partial(_labels, column), files)
        labels = np.concatenate(list(followed(found, "reading labels", len(files))))
    content = io.BytesIO()
    np.save(content, labels)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write(kept, content.getvalue())
    except OSError:  # a cache that cannot be written is done without
        pass
    return torch.from_numpy(labels)


def _known_labels(path: Path, rows: int) -> np.ndarray | None:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return found if found.shape == (rows,) and found.dtype == np.int64 else None


def _labels(column: str, file: File) -> np.ndarray:
    found = file.read([column])[column]
    if not pyarrow.types.is_integer(found.type) or found.null_count:
        raise DataError(f"{file.url}: some of its labels are missing or are no whole numbers")
    if len(found) != file.footer.num_rows:
        raise DataError(f"{file.url} announces {file.footer.num_rows:,} rows and has {len(found):,} labels")
    return found.to_numpy().astype(np.int64)


@dataclass(slots=True)
class Stream:
    """The store behind the images of some Parquet files. `column` holds them, encoded; `decode` makes pixels of one,
    given its file and a name for errors.

    Blocks are fetched by threads: those of the window in work and those of the next are held, encoded.
    """

    files: Sequence[File]
    column: str
    size: tuple[int, int, int]
    decode: Callable[[io.BytesIO, str], np.ndarray]
    identity: str
    places: list[tuple[File, int]] = field(init=False)
    """The file of each block, and its number there."""
    starts: np.ndarray = field(init=False)
    """The number of the first image of each block, and behind them the number of images."""
    window: int = field(init=False)
    """Blocks in a window."""
    held: OrderedDict[int, Future[list[Any]]] = field(init=False, default_factory=OrderedDict[int, Future[list[Any]]])
    fresh: set[int] = field(init=False, default_factory=set[int])
    """Blocks that were fetched ahead and not yet used."""
    coming: deque[int] = field(init=False, default_factory=deque[int])
    lock: Lock = field(init=False, default_factory=Lock)
    readers: ThreadPoolExecutor = field(init=False, default_factory=lambda: ThreadPoolExecutor(READERS))
    decoders: ThreadPoolExecutor = field(init=False, default_factory=lambda: ThreadPoolExecutor(os.cpu_count()))

    def __post_init__(self) -> None:
        self.places = [(file, i) for file in self.files for i in range(file.footer.num_row_groups)]
        blocks = [file.footer.row_group(i) for file, i in self.places]
        self.starts = np.cumsum([0, *(block.num_rows for block in blocks)])
        bytes_each = sum(block.total_byte_size for block in blocks) / max(1, len(blocks))
        rows_each = self.starts[-1] / max(1, len(blocks))
        self.window = max(1, int(min(-(-WINDOW // max(1, rows_each)), MOST_BYTES // max(1, bytes_each))))

    def blocks_of(self, numbers: np.ndarray) -> np.ndarray:
        """The block of each image."""
        return np.searchsorted(self.starts, numbers, "right") - 1

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """The pixels `n h w c` of images. Raises `DataError` where a block or an image cannot be read."""
        blocks = self.blocks_of(numbers)
        with self.lock:
            fetched = {int(block): self._use(int(block)) for block in np.unique(blocks)}
            self._fetch_ahead()

        def pixels(number: int, block: int) -> np.ndarray:
            row, url = number - int(self.starts[block]), self.places[block][0].url
            cell, where = fetched[block].result()[row], f"image {number} of {url}"
            encoded = cast(dict[str, Any], cell).get("bytes") if isinstance(cell, dict) else None
            if not isinstance(encoded, bytes):
                raise DataError(f"{where} is no image in bytes; such a set cannot be streamed")
            return self.decode(io.BytesIO(encoded), where)

        made = list(self.decoders.map(pixels, numbers.tolist(), blocks.tolist()))
        return np.stack(made) if made else np.empty((0, *self.size), np.uint8)

    def order(self, index: Int64[Tensor, " n"], generator: torch.Generator) -> Int64[Tensor, " n"]:
        """A random order of the blocks, and within each window of them a random order of their images."""
        blocks = self.blocks_of(index.numpy())
        present = np.unique(blocks)
        window = np.zeros(len(self.places))
        window[present[torch.randperm(len(present), generator=generator).numpy()]] = (
            np.arange(len(present)) // self.window
        )
        within = torch.rand(len(index), generator=generator, dtype=torch.float64)
        return (torch.from_numpy(window[blocks]) + within).argsort()

    def expect(self, numbers: np.ndarray) -> None:
        """Fetch ahead the blocks of these images, in this order."""
        blocks, first = np.unique(self.blocks_of(numbers), return_index=True)
        with self.lock:
            self.coming = deque(blocks[first.argsort()].tolist())
            self.fresh.clear()  # what an earlier plan fetched ahead may never be used
            self._fetch_ahead()

    def _use(self, block: int) -> Future[list[Any]]:
        """The images of a block, fetched now if they have not been, or could not be."""
        self.fresh.discard(block)
        known = self.held.get(block)
        if known is None or (known.done() and known.exception() is not None):
            self._fetch(block)
        self.held.move_to_end(block)
        return self.held[block]

    def _fetch_ahead(self) -> None:
        """As many of the blocks to come as a window has."""
        while self.coming and len(self.fresh) < self.window:
            block = self.coming.popleft()
            if block not in self.held:
                self.fresh.add(block)
                self._fetch(block)

    def _fetch(self, block: int) -> None:
        file, number = self.places[block]

        def cells() -> list[Any]:
            found = file.read([self.column], number)[self.column]
            rows = file.footer.row_group(number).num_rows
            if len(found) != rows:
                raise DataError(f"{file.url} announces {rows:,} rows in block {number} and has {len(found):,}")
            return found.to_pylist()

        self.held[block] = self.readers.submit(cells)
        while len(self.held) > 2 * self.window:
            del self.held[next(old for old in self.held if old not in self.fresh)]
