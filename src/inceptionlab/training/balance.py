"""Training images that are not evenly spread over the classes: how far from it, and weights that make up for it."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

UNEVEN = 3.0
"""From so many times as many images in one class as in another on, training says that weights exist."""


def class_weights(labels: Int64[Tensor, " n"], classes: int) -> Float[Tensor, " classes"]:
    """N / (k n_c) for n images in k classes, n_c of them in class c; a class without an image gets 0.

    The mean over the images is 1, so the learning rate stays what it was; an image of a class counts as often as if
    every class were drawn equally often (scikit-learn's "balanced").
    """
    counts = torch.bincount(labels.cpu(), minlength=classes)
    present = int((counts > 0).sum())
    return torch.where(counts > 0, len(labels) / (present * counts.clamp(min=1)), 0.0).float()


def unevenness(labels: Int64[Tensor, " n"], names: tuple[str, ...]) -> str:
    """A sentence where the largest class has more than three times as many images as the smallest, else ""."""
    counts = cast(list[int], torch.bincount(labels.cpu(), minlength=len(names)).tolist())
    present = [number for number, count in enumerate(counts) if count]
    most, least = max(present, key=counts.__getitem__), min(present, key=counts.__getitem__)
    if counts[most] <= UNEVEN * counts[least]:
        return ""
    return (
        f"the classes are uneven: {counts[most]:,} training images of {names[most]!r}, {counts[least]:,} of "
        f"{names[least]!r}; --set class_weights=balanced weighs them alike"
    )
