"""Images that are not in memory: an index into a store, which reads them when they are asked for."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

AHEAD = 2
"""Batches that are read ahead of the one in work."""


class Store(Protocol):
    """Where images come from."""

    @property
    def size(self) -> tuple[int, int, int]:
        """(h, w, c) of each image."""
        ...

    @property
    def identity(self) -> str:
        """What the images are known by."""
        ...

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """The pixels `n h w c` of the images with these numbers."""
        ...

    def order(self, index: Int64[Tensor, " n"], generator: torch.Generator) -> Int64[Tensor, " n"]:
        """A random order of the places in `index`, such as the store can follow quickly."""
        ...

    def blocks_of(self, numbers: np.ndarray) -> np.ndarray | None:
        """The block with which each of these images is read; None where each is read alone."""
        ...

    def expect(self, numbers: np.ndarray) -> None:
        """Images with these numbers will be asked for in this order, so the first may be read ahead."""
        ...


@dataclass(frozen=True, slots=True)
class LazyImages:
    """Images of a store, given out on `device`."""

    store: Store
    index: Int64[Tensor, " n"]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __len__(self) -> int:
        return len(self.index)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, c)."""
        return (len(self.index), *self.store.size)

    def __getitem__(self, which: int | slice | Tensor) -> UInt8[Tensor, "*shape"]:
        numbers = self.index[_on_cpu(which)]
        pixels = self.store.read(numbers.reshape(-1).numpy())
        return torch.from_numpy(pixels).view(*numbers.shape, *self.store.size).to(self.device)

    def batches(self, places: Sequence[Tensor | slice]) -> Iterator[UInt8[Tensor, "b h w c"]]:
        """The images at each place, of which the next ones are read while one is worked on."""
        numbers = [self.index[_on_cpu(place)] for place in places]
        self.store.expect(torch.cat(numbers).numpy() if numbers else np.zeros(0, np.int64))
        with ThreadPoolExecutor(1) as pool:
            waiting = deque(pool.submit(self.__getitem__, place) for place in places[:AHEAD])
            for i in range(len(places)):
                if i + AHEAD < len(places):
                    waiting.append(pool.submit(self.__getitem__, places[i + AHEAD]))
                try:
                    yield waiting.popleft().result()
                except BaseException:  # whoever asked goes away, or an image cannot be read
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise

    def subset(self, index: Int64[Tensor, " m"]) -> LazyImages:
        """The images at `index`, in its order; nothing is read."""
        return replace(self, index=self.index[index.cpu()])

    def order(self, generator: torch.Generator) -> Int64[Tensor, " n"]:
        """A random order of the images, such as their store can follow quickly."""
        return self.store.order(self.index, generator)

    def blocks(self) -> Int64[Tensor, " n"] | None:
        """The block with which each image is read."""
        found = self.store.blocks_of(self.index.numpy())
        return None if found is None else torch.from_numpy(found)

    def to(self, device: torch.device) -> LazyImages:
        """The same images, given out on a device."""
        return replace(self, device=device)

    def digest(self) -> bytes:
        """What identifies the images: whatever their store goes by, and the index."""
        return hashlib.sha256(self.store.identity.encode() + self.index.numpy().tobytes()).digest()


def _on_cpu(which: int | slice | Tensor) -> int | slice | Tensor:
    return which.cpu() if isinstance(which, Tensor) else which
