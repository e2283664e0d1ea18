"""Batches from one array: whole-batch crop, flip and erasing on the device where the pictures are.

Everything random is drawn from (seed, step), so that a run can go on from any step as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64, Shaped, UInt8
from torch import Tensor

from inceptionlab.data.dataset import Pictures
from inceptionlab.errors import DataError


@dataclass(frozen=True, slots=True)
class Augment:
    """Random changes of training pictures."""

    pad: int = 4
    """Pixels of reflected border within which the crop moves."""
    flip: bool = True
    """Mirror half of the pictures left to right."""
    erase: int = 0
    """Side of a square that is set to the mean (cutout); 0: none."""
    area: float = 0.0
    """Smallest part of the picture that an Inception-style crop takes (0.08 in the papers); 0: crops as `pad` says."""
    colour: float = 0.0
    """How far brightness, contrast and saturation move, and a quarter of it for the hue."""
    policy: Literal["none", "rand", "trivial"] = "none"
    """RandAugment (Cubuk et al. 2020, 2 operations) or TrivialAugment (Müller and Hutter 2021)."""
    magnitude: int = 9
    """Strength of RandAugment, 0 to 30."""
    mixup: float = 0.0
    """alpha of mixup (Zhang et al. 2018): pictures and targets are mixed with a share drawn from Beta(alpha, alpha)."""
    cutmix: float = 0.0
    """alpha of CutMix (Yun et al. 2019); with mixup too, one of the two is drawn for each batch."""


def batch_sizes(count: int, size: int, processes: int = 1) -> list[int]:
    """The sizes of the batches of an epoch, which `processes` share. A last batch that leaves one of them with a single
    picture is put to the one before it, because batch norm has no statistics of one value. Raises `DataError` where
    that is all there is.
    """
    least = 2 * processes
    if size < least or count < least:
        raise DataError(
            f"{count} picture(s) in batches of {size} for {processes} process(es): batch norm needs at least 2 in a "
            "batch of each"
        )
    sizes = [size] * (count // size) + ([count % size] if count % size else [])
    if len(sizes) > 1 and sizes[-1] < least:
        sizes[-2:] = [sizes[-2] + sizes[-1]]
    return sizes


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of everything random in one step."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step * 7_919 + 17) % 2**63)


def train_batches(
    pictures: Pictures, sizes: list[int], seed: int, epoch: int, first: int = 0
) -> Iterator[tuple[UInt8[Tensor, "b h w c"], Int64[Tensor, " b"]]]:
    """The shuffled batches of an epoch in these sizes, from the batch `first` on."""
    order = pictures.order(step_generator(seed, -1 - epoch)).to(pictures.labels.device)
    return _taken(pictures, torch.split(order, sizes)[first:])


def ordered_batches(pictures: Pictures, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of a set in its own order."""
    return _taken(pictures, [slice(start, start + size) for start in range(0, len(pictures), size)])


def _taken(pictures: Pictures, places: Sequence[Tensor | slice]) -> Iterator[tuple[Tensor, Tensor]]:
    """The pictures and labels at each place; those not in memory are read while others are worked on."""
    for place, images in zip(places, pictures.images.batches(places), strict=True):
        yield images, pictures.labels[place]


def augmented(
    images: Shaped[Tensor, "b h w c"], augment: Augment, size: tuple[int, int], generator: torch.Generator
) -> Shaped[Tensor, "b h2 w2 c"]:
    """Crop and flip a whole batch by one gather. Pictures larger than `size` are cropped without a border; none may
    be smaller.
    """
    count, height, width, _ = images.shape
    rows = _offsets(height, size[0], augment.pad, count, generator)
    columns = _offsets(width, size[1], augment.pad, count, generator)
    if augment.flip:
        flipped = torch.rand(count, generator=generator) < 0.5
        columns = torch.where(flipped[:, None], columns.flip(1), columns)
    device = images.device
    batch = torch.arange(count, device=device)[:, None, None]
    return images[batch, rows.to(device)[:, :, None], columns.to(device)[:, None, :]]


def _offsets(side: int, wanted: int, pad: int, count: int, generator: torch.Generator) -> Int64[Tensor, "b wanted"]:
    """For each picture the pixels to take along an axis, reflected at the borders."""
    room = side - wanted
    pad = min(pad, side - 1) if room == 0 else 0
    start = torch.randint(-pad, room + pad + 1, (count, 1), generator=generator)
    index = (start + torch.arange(wanted)).abs()
    return torch.where(index >= side, 2 * (side - 1) - index, index)


def erased(x: Float[Tensor, "b c h w"], side: int, generator: torch.Generator) -> Float[Tensor, "b c h w"]:
    """Set a square of each picture to the mean, 0 after normalisation (DeVries and Taylor 2017)."""
    if side == 0:
        return x
    masks: list[Tensor] = []
    for length in x.shape[2:]:
        centre = torch.randint(length, (x.shape[0], 1), generator=generator)
        masks.append(((torch.arange(length) - centre).float() + 0.5).abs() > side / 2)
    keep = masks[0][:, None, :, None] | masks[1][:, None, None, :]
    return x * keep.to(x.device)
