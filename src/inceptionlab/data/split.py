"""Splits by a recorded seed, with every class in the same proportion."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from inceptionlab import rng
from inceptionlab.errors import DataError


def stratified(
    labels: Int64[Tensor, " n"],
    fraction: float,
    seed: int,
    *,
    lone: Literal["refuse", "keep"] = "refuse",
    purpose: str = "split",
) -> tuple[Tensor, Tensor]:
    """Indices (rest, part): `part` holds about `fraction` of every class and at least one image of each.

    The same labels, fraction, seed and purpose give the same split. Raises `DataError` where a class is too small to be
    divided, unless its `lone` image is to be kept in the rest; and where nothing at all can be split off.
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
            raise DataError(f"class {label} has {len(index)} image(s), too few to split {fraction:.0%} off")
        count = min(count, len(index) - 1)
        part.append(index[:count])
        rest.append(index[count:])
    if not sum(len(index) for index in part):
        raise DataError(f"{len(labels)} image(s) of {len(rest)} class(es) are too few to split {fraction:.0%} off")
    return torch.cat(rest).sort().values, torch.cat(part).sort().values
