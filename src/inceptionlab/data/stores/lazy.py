"""Pictures that are not in memory: an index into a store, which reads them when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor


class Store(Protocol):
    """Where pictures come from."""

    @property
    def size(self) -> tuple[int, int, int]:
        """(h, w, c) of each picture."""
        ...

    @property
    def identity(self) -> str:
        """What the pictures are known by."""
        ...

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """The pixels `n h w c` of the pictures with these numbers."""
        ...

    def order(self, index: Int64[Tensor, " n"], generator: torch.Generator) -> Int64[Tensor, " n"]:
        """A random order of the places in `index`, such as the store can follow quickly."""
        ...

    def expect(self, numbers: np.ndarray) -> None:
        """Pictures with these numbers will be asked for in this order, so the first may be read ahead."""
        ...


@dataclass(frozen=True, slots=True)
class LazyImages:
    """What `Pictures.images` is for a set that is not in memory: indexed like a tensor `n h w c` of bytes, it gives
    such tensors.
    """

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
        numbers = self.index[which.cpu() if isinstance(which, Tensor) else which]
        pixels = self.store.read(numbers.reshape(-1).numpy())
        return torch.from_numpy(pixels).view(*numbers.shape, *self.store.size).to(self.device)

    def to(self, device: torch.device) -> LazyImages:
        """The same pictures, given out on a device."""
        return replace(self, device=device)

    def subset(self, index: Int64[Tensor, " m"]) -> LazyImages:
        """The pictures at `index`, in its order; nothing is read."""
        return replace(self, index=self.index[index.cpu()])

    def order(self, generator: torch.Generator) -> Int64[Tensor, " n"]:
        """A random order of the pictures, such as their store can follow quickly."""
        return self.store.order(self.index, generator)

    def expect(self, places: Sequence[Tensor | slice]) -> None:
        """These places will be asked for, one after the other."""
        numbers = [self.index[place.cpu() if isinstance(place, Tensor) else place] for place in places]
        self.store.expect(torch.cat(numbers).numpy() if numbers else np.zeros(0, np.int64))

    def digest(self) -> bytes:
        """What identifies the pictures: whatever their store goes by, and the index."""
        return hashlib.sha256(self.store.identity.encode() + self.index.numpy().tobytes()).digest()
