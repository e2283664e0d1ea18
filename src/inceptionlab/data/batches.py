"""Batches from one array: whole-batch crop, flip and erasing on the device where the images are.

Several processes share a batch: what is random is drawn for the whole of it, which costs nothing, and each process
reads and changes its own rows alone. So any number of processes sees the images that one would see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import torch
from jaxtyping import Bool, Float, Int64, Shaped, UInt8
from torch import Tensor

from inceptionlab import rng
from inceptionlab.data.dataset import Samples
from inceptionlab.decoding import From0, Natural, refuse_unread, validate
from inceptionlab.errors import DataError, counted

Part = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""A number from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Augment:
    """Random changes of training images. Raises `ConfigError` for a value out of its range, and for one that differs
    from its default and is not read.
    """

    pad: Natural = 4
    """Pixels of reflected border within which the crop moves; not read with `area`."""
    flip: bool = True
    """Mirror half of the images left to right."""
    cutout: Natural = 0
    """Side of a square that is set to the mean (cutout); 0: none."""
    area: Part = 0.0
    """Smallest part of the image that an Inception-style crop takes (0.08 in the papers), instead of a crop within
    `pad`; 0: none."""
    colour: Part = 0.0
    """How far brightness, contrast and saturation move, and a quarter of it for the hue."""
    policy: Literal["none", "rand", "trivial"] = "none"
    """RandAugment (Cubuk et al. 2020, 2 operations) or TrivialAugment (Müller and Hutter 2021)."""
    magnitude: Annotated[int, msgspec.Meta(ge=1, le=29)] = 9
    """Strength of RandAugment, 1 to 29."""
    mixup: From0 = 0.0
    """alpha of mixup (Zhang et al. 2018): images and targets are mixed with a share drawn from Beta(alpha, alpha)."""
    cutmix: From0 = 0.0
    """alpha of CutMix (Yun et al. 2019); with mixup too, one of the two is drawn for each batch."""
    alternate: bool = False
    """Mirror a random half of the images in the first epoch and, from then on, each image every other epoch, so that
    two epochs in a row never show the same side (Jordan 2024, 3.6)."""

    def __post_init__(self) -> None:
        validate(self)
        refuse_unread(self, unread_changes({name: getattr(self, name) for name in ("area", "policy", "flip")}))


def unread_changes(values: Mapping[str, Any]) -> dict[str, str]:
    """The fields of an `Augment` that these values of its others leave without a meaning, and why."""
    reasons: dict[str, str] = {}
    if values.get("area"):
        reasons["pad"] = "augment.area makes other crops; leave pad out, or set augment.area = 0"
    if values.get("policy", "none") != "rand":
        reasons["magnitude"] = 'it is that of augment.policy = "rand"'
    if not values.get("flip", True):
        reasons["alternate"] = "it says when images are mirrored, and augment.flip is false"
    return reasons


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows `own` of a batch of `count` images, which a process reads and changes; `mirrored` says which of its own
    are flipped, where chance does not.
    """

    count: int
    own: slice
    mirrored: Bool[Tensor, " b"] | None = None


def _all(count: int) -> slice:
    return slice(0, count)


def batch_sizes(count: int, size: int, processes: int = 1) -> list[int]:
    """The sizes of the batches of an epoch, which `processes` share. A last batch that leaves one of them with a single
    image is put to the one before it, because batch norm has no statistics of one value. Raises `DataError` where
    that is all there is.
    """
    least = 2 * processes
    if size < least or count < least:
        raise DataError(
            f"{counted(count, 'image')} in batches of {size} for {counted(processes, 'process', 'processes')}: "
            "batch norm needs at least 2 in a batch of each"
        )
    sizes = [size] * (count // size) + ([count % size] if count % size else [])
    if len(sizes) > 1 and sizes[-1] < least:
        sizes[-2:] = [sizes[-2] + sizes[-1]]
    return sizes


def train_batches(
    samples: Samples,
    sizes: list[int],
    seed: int,
    epoch: int,
    first: int = 0,
    own: Callable[[int], slice] = _all,
) -> Iterator[tuple[UInt8[Tensor, "b h w c"], Int64[Tensor, " b"]]]:
    """The shuffled batches of an epoch in these sizes, from the batch `first` on; of each only the rows that `own`
    gives for its size are read.
    """
    order = _order(samples, seed, epoch).to(samples.labels.device)
    return _taken(samples, [batch[own(len(batch))] for batch in torch.split(order, sizes)[first:]])


def _order(samples: Samples, seed: int, epoch: int) -> Int64[Tensor, " n"]:
    return samples.order(rng.stream(seed, "order", epoch))


def alternating(samples: Samples, seed: int, epoch: int) -> Bool[Tensor, " n"]:
    """Which images of an epoch, in its order, are mirrored: a random half in the first epoch, the others in the second,
    and so on by turns (Jordan 2024, arXiv 2404.00498, section 3.6).
    """
    first = torch.rand(len(samples), generator=rng.stream(seed, "side")) < 0.5
    return first[_order(samples, seed, epoch).cpu()] ^ bool(epoch % 2)


def ordered_batches(samples: Samples, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of a set in its own order."""
    return _taken(samples, [slice(start, start + size) for start in range(0, len(samples), size)])


def _taken(samples: Samples, places: Sequence[Tensor | slice]) -> Iterator[tuple[Tensor, Tensor]]:
    """The images and labels at each place; those not in memory are read while others are worked on."""
    for place, images in zip(places, samples.images.batches(places), strict=True):
        yield images, samples.labels[place]


def augmented(
    images: Shaped[Tensor, "b h w c"],
    augment: Augment,
    size: tuple[int, int],
    generator: torch.Generator,
    rows: Rows | None = None,
) -> Shaped[Tensor, "b h2 w2 c"]:
    """Crop and flip images, some `rows` of a batch or all of it, by one gather. Those larger than `size` are cropped
    without a border; none may be smaller.
    """
    count, height, width, _ = images.shape
    rows = rows or Rows(count, _all(count))
    pad = 0 if augment.area else augment.pad  # whose crops are made already
    down = _offsets(height, size[0], pad, rows, generator)
    across = _offsets(width, size[1], pad, rows, generator)
    if augment.flip:
        mirrored = rows.mirrored
        if mirrored is None:
            mirrored = torch.rand(rows.count, generator=generator)[rows.own] < 0.5
        across = torch.where(mirrored[:, None], across.flip(1), across)
    device = images.device
    batch = torch.arange(count, device=device)[:, None, None]
    return images[batch, down.to(device)[:, :, None], across.to(device)[:, None, :]]


def _offsets(side: int, wanted: int, pad: int, rows: Rows, generator: torch.Generator) -> Int64[Tensor, "b wanted"]:
    """For each image the pixels to take along an axis, reflected at the borders."""
    room = side - wanted
    pad = min(pad, side - 1) if room == 0 else 0
    start = torch.randint(-pad, room + pad + 1, (rows.count, 1), generator=generator)[rows.own]
    index = (start + torch.arange(wanted)).abs()
    return torch.where(index >= side, 2 * (side - 1) - index, index)


def cut_out(
    x: Float[Tensor, "b c h w"], side: int, generator: torch.Generator, rows: Rows | None = None
) -> Float[Tensor, "b c h w"]:
    """Set a square of each image to the mean, 0 after normalisation (DeVries and Taylor 2017)."""
    if side == 0:
        return x
    rows = rows or Rows(len(x), _all(len(x)))
    masks: list[Tensor] = []
    for length in x.shape[2:]:
        centre = torch.randint(length, (rows.count, 1), generator=generator)[rows.own]
        masks.append(((torch.arange(length) - centre).float() + 0.5).abs() > side / 2)
    keep = masks[0][:, None, :, None] | masks[1][:, None, None, :]
    return x * keep.to(x.device)
