"""Images of one size in bytes, wherever they are: in memory, on disk or on the web."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor


class Images(Protocol):
    """What a data set, training and tests know of images; indexed like a tensor `n h w c` of bytes, they give one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, c)."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, which: int | slice | Tensor) -> UInt8[Tensor, "*shape"]: ...

    def batches(self, places: Sequence[Tensor | slice]) -> Iterator[UInt8[Tensor, "b h w c"]]:
        """The images at each place, one place after the other; what takes long to read is read ahead."""
        ...

    def subset(self, index: Int64[Tensor, " m"]) -> Images:
        """The images at `index`, in its order."""
        ...

    def order(self, generator: torch.Generator) -> Int64[Tensor, " n"]:
        """A random order of the images, such as they can be read quickly in."""
        ...

    def blocks(self) -> Int64[Tensor, " n"] | None:
        """The number of the block with which each image is read; None where each is read alone."""
        ...

    def to(self, device: torch.device) -> Images:
        """The same images, given out on a device."""
        ...

    def digest(self) -> bytes | memoryview:
        """What tells these images from others: the pixels, or what they are known by."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class InMemory:
    """Images that are one tensor."""

    pixels: UInt8[Tensor, "n h w c"]

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, c)."""
        return tuple(self.pixels.shape)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, which: int | slice | Tensor) -> UInt8[Tensor, "*shape"]:
        return self.pixels[which]

    def batches(self, places: Sequence[Tensor | slice]) -> Iterator[UInt8[Tensor, "b h w c"]]:
        """The images at each place."""
        return (self.pixels[place] for place in places)

    def subset(self, index: Int64[Tensor, " m"]) -> InMemory:
        """A copy of the images at `index`, in its order."""
        return InMemory(self.pixels[index])

    def order(self, generator: torch.Generator) -> Int64[Tensor, " n"]:
        """Any order: memory is as quick everywhere."""
        return torch.randperm(len(self), generator=generator)

    def blocks(self) -> None:
        """Each image is read alone."""

    def to(self, device: torch.device) -> InMemory:
        """The images on a device."""
        return InMemory(self.pixels.to(device))

    def digest(self) -> memoryview:
        """The pixels themselves."""
        return np.ascontiguousarray(self.pixels.cpu().numpy()).data
