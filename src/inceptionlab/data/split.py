"""Splits by a recorded seed, with every class in the same proportion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from inceptionlab import rng
from inceptionlab.errors import DataError, counted


def stratified(
    labels: Int64[Tensor, " n"],
    fraction: float,
    seed: int,
    *,
    lone: Literal["refuse", "keep"] = "refuse",
    purpose: str = "split",
    classes: Sequence[str] = (),
) -> tuple[Tensor, Tensor]:
    """Indices (rest, part): `part` holds about `fraction` of every class and at least one image of each.

    The same labels, fraction, seed and purpose give the same split. Raises `DataError` where a class is too small to be
    divided, unless its `lone` image is to be kept in the rest; and where nothing at all can be split off. `classes` are
    the names for that.
    """
    if not 0 < fraction < 1:
        raise DataError(f"a fraction of {fraction:g} was asked for; give one above 0 and below 1")
    generator = rng.stream(seed, purpose)
    rest: list[Tensor] = []
    part: list[Tensor] = []
    for label in range(int(labels.max()) + 1):
        index: Tensor = torch.nonzero(labels == label)[:, 0]
        if len(index) == 0:
            continue
        index = index[torch.randperm(len(index), generator=generator)]
        count = max(1, round(len(index) * fraction))
        if count >= len(index) and lone == "refuse":
            name = repr(classes[label]) if classes else label
            raise DataError(f"class {name} has {counted(len(index), 'image')}, too few to split {fraction:.0%} off")
        count = min(count, len(index) - 1)
        part.append(index[:count])
        rest.append(index[count:])
    if not sum(len(index) for index in part):
        raise DataError(_too_few(len(labels), len(rest), fraction))
    return torch.cat(rest).sort().values, torch.cat(part).sort().values


def _too_few(images: int, classes: int, fraction: float) -> str:
    """Why nothing can be split off."""
    verb = "is" if images == 1 else "are"
    given = f"{counted(images, 'image')} of {counted(classes, 'class', 'classes')}"
    return f"{given} {verb} too few to split {fraction:.0%} off"
