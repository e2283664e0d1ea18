"""Richer changes of training images on whole batches, by kornia; and the mixing of images with their targets.

kornia draws from torch's own generator, which the loop lends a stream to; each image's changes are drawn for the whole
batch, so that they do not depend on the number of processes. Images are mixed within the rows of a process.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from inceptionlab.data.batches import Augment, Rows
from inceptionlab.errors import MissingExtra

RATIO = (3 / 4, 4 / 3)


def coloured_and_cropped(
    images: UInt8[Tensor, "b h w c"], augment: Augment, size: tuple[int, int], rows: Rows | None = None
) -> Float[Tensor, "b h2 w2 c"] | UInt8[Tensor, "b h2 w2 c"]:
    """Inception-style crops to `size` (GoogLeNet paper, section 6), colour, and a policy, as floats of 0 to 255, of
    images that are some `rows` of a batch or all of it; the images themselves where the recipe asks for none of them.
    """
    layers = _layers(augment, size, images.shape[3])
    if not layers:
        return images
    rows = rows or Rows(len(images), slice(0, len(images)))
    x = images.permute(0, 3, 1, 2).float() / 255
    for layer in layers:
        drawn = layer.forward_parameters(torch.Size((rows.count, *x.shape[1:])))
        x = layer(x, params=_of_rows(drawn, rows, x))
    return x.clamp(0, 1).permute(0, 2, 3, 1) * 255


def _of_rows(drawn: Any, rows: Rows, x: Tensor) -> Any:
    """What kornia drew for a batch, for some rows of it: a table of tensors by name, or operations with such tables."""
    if isinstance(drawn, list):
        items = cast(list[Any], drawn)
        return [type(item)(item.name, _of_rows(item.data, rows, x)) for item in items]
    table = cast(dict[str, Tensor], drawn)
    found = {name: value if name == "order" else value[rows.own].to(x.device) for name, value in table.items()}
    return {**found, "forward_input_shape": torch.tensor(x.shape)}


@cache
def _layers(augment: Augment, size: tuple[int, int], channels: int) -> tuple[Any, ...]:
    if not (augment.area or augment.colour or augment.policy != "none"):
        return ()
    try:
        kornia: Any = import_module("kornia.augmentation")
    except ImportError:
        raise MissingExtra("kornia, which changes colours and makes Inception-style crops,", "augment") from None
    layers: list[Any] = []
    if augment.area:
        layers.append(kornia.RandomResizedCrop(size, scale=(augment.area, 1.0), ratio=RATIO))
    if augment.colour:
        far = augment.colour
        hue = (far, far / 4) if channels == 3 else (0.0, 0.0)
        layers.append(kornia.ColorJiggle(far, far, *hue, p=1.0))
    if augment.policy == "rand":
        layers.append(import_module("kornia.augmentation.auto").RandAugment(n=2, m=augment.magnitude))
    if augment.policy == "trivial":
        layers.append(import_module("kornia.augmentation.auto").TrivialAugment())
    return tuple(layers)


@dataclass(frozen=True, slots=True)
class Targets:
    """The labels of a batch, and where images are mixed those of the other images and the share of the first."""

    labels: Int64[Tensor, " b"]
    others: Int64[Tensor, " b"] | None = None
    share: float = 1.0

    def loss(
        self, logits: Float[Tensor, "b classes"], smoothing: float, weights: Float[Tensor, " classes"] | None = None
    ) -> Float[Tensor, ""]:
        """Cross-entropy, shared out between the two labels of each image; with `weights` an image counts as often as
        its class says. The sum is divided by the number of images, so that batches and processes add up.
        """
        first = _cross_entropy(logits, self.labels, smoothing, weights)
        if self.others is None:
            return first
        return self.share * first + (1 - self.share) * _cross_entropy(logits, self.others, smoothing, weights)


def _cross_entropy(
    logits: Float[Tensor, "b classes"], labels: Int64[Tensor, " b"], smoothing: float, weights: Tensor | None
) -> Float[Tensor, ""]:
    if weights is None:
        return F.cross_entropy(logits.float(), labels, label_smoothing=smoothing)
    return (
        weights[labels] * F.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=smoothing)
    ).mean()


def mixed(
    x: Float[Tensor, "b c h w"], labels: Int64[Tensor, " b"], augment: Augment, chance: np.random.Generator
) -> tuple[Float[Tensor, "b c h w"], Targets]:
    """The batch with each image mixed with another one, by mixup or by CutMix."""
    kinds = [kind for kind in (augment.mixup, augment.cutmix) if kind]
    if not kinds:
        return x, Targets(labels)
    use_mixup = bool(augment.mixup) and (not augment.cutmix or chance.random() < 0.5)
    alpha = augment.mixup if use_mixup else augment.cutmix
    share = float(chance.beta(alpha, alpha))
    top, left, height, width = _box(x.shape[2], x.shape[3], share, chance)
    order = torch.from_numpy(chance.permutation(len(x))).to(x.device)
    if use_mixup:
        return share * x + (1 - share) * x[order], Targets(labels, labels[order], share)
    pasted = x.clone()
    pasted[:, :, top : top + height, left : left + width] = x[order, :, top : top + height, left : left + width]
    return pasted, Targets(labels, labels[order], 1 - height * width / (x.shape[2] * x.shape[3]))


def _box(height: int, width: int, share: float, chance: np.random.Generator) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a box of 1 - share of the image, cut off at its borders."""
    sides = [round(side * (1 - share) ** 0.5) for side in (height, width)]
    centres = [int(chance.integers(side)) for side in (height, width)]
    starts = [max(0, c - s // 2) for c, s in zip(centres, sides, strict=True)]
    ends = [min(limit, c + s - s // 2) for c, s, limit in zip(centres, sides, (height, width), strict=True)]
    return starts[0], starts[1], ends[0] - starts[0], ends[1] - starts[1]
