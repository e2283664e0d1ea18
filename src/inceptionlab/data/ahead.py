"""Images in batches, decoded ahead by threads while whoever asked for them works on those before."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from inceptionlab.errors import DataError

AHEAD = 2
"""Batches that are decoded, or being decoded, beside the one in work."""
Read = TypeVar("Read")


def threads() -> int:
    """Threads that decode, unless told otherwise."""
    return min(32, os.cpu_count() or 1)


def in_batches(count: int, batch: int) -> Iterable[range]:
    """The numbers of `count` images, at most `batch` at a time."""
    return (range(first, min(first + batch, count)) for first in range(0, count, batch))


def read_ahead(
    batches: Iterable[Iterable[int]], read: Callable[[int], Read], workers: int = 0
) -> Generator[list[Read | DataError]]:
    """What `read` gives for the images of each batch, in their order; for one that cannot be read, why.

    `read` runs in `workers` threads (0: as many as cores). No more than `AHEAD` batches and the one in work are held.
    """
    waiting: deque[list[Future[Read | DataError]]] = deque()
    todo = iter(batches)

    def attempt(number: int) -> Read | DataError:
        try:
            return read(number)
        except DataError as error:
            return error

    with ThreadPoolExecutor(workers or threads()) as pool:
        try:
            while True:
                while len(waiting) <= AHEAD and (batch := next(todo, None)) is not None:
                    waiting.append([pool.submit(attempt, number) for number in batch])
                if not waiting:
                    return
                yield [one.result() for one in waiting.popleft()]
        finally:  # whoever asked may go away
            pool.shutdown(wait=False, cancel_futures=True)
