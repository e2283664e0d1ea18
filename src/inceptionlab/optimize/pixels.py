"""Networks that take pixels from 0 to 255 instead of normalised values, so that nobody can prepare them wrongly."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.layers.branches import Chain
from inceptionlab.layers.conv import ConvNormAct
from inceptionlab.network import Input
from inceptionlab.optimize.rewrites import like


class Normalised(nn.Module):
    """Pixels `b c h w` from 0 to 255 in the order R, G, B, normalised as a network's input says."""

    def __init__(self, picture: Input) -> None:
        super().__init__()
        mean, std = (torch.tensor(values).mul(255)[:, None, None] for values in (picture.mean, picture.std))
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.flipped = picture.order == "BGR"

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Subtract the mean, divide by the deviation, turn the planes round where the network wants that."""
        x = (x - cast(Tensor, self.mean)) / cast(Tensor, self.std)
        return x.flip(1) if self.flipped else x


def taking_pixels(chain: nn.Module, picture: Input) -> nn.Module:
    """A network of folded modules (`exact`) that takes pixels. The normalisation goes into its first convolution where
    that pads nothing; where it pads, zeros would stand for another colour, and it stays a step of its own.
    """
    parts = list(chain.children()) if isinstance(chain, Chain) else [chain]
    first = parts[0]
    if isinstance(first, Chain):
        return Chain({str(i): part for i, part in enumerate([taking_pixels(first, picture), *parts[1:]])})
    if isinstance(first, ConvNormAct) and _foldable(first) and picture.order == "RGB":
        return Chain({str(i): part for i, part in enumerate([_folded(first, picture), *parts[1:]])})
    return Chain({str(i): part for i, part in enumerate([Normalised(picture), *parts])})


def _foldable(module: ConvNormAct) -> bool:
    conv = module.conv
    bare = isinstance(module.norm, nn.Identity) and isinstance(module.pad, nn.Identity)
    return bare and isinstance(conv, nn.Conv2d) and conv.padding == (0, 0) and conv.groups == 1


@torch.no_grad()
def _folded(module: ConvNormAct, picture: Input) -> ConvNormAct:
    """W (v / 255 - m) / s + b  =  (w / 255 s) v + (b - sum w m / s)."""
    conv = cast(nn.Conv2d, module.conv)
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (picture.mean, picture.std))
    weight = conv.weight.double() / std[None, :, None, None]
    shift = -(weight.sum((2, 3)) * mean).sum(1)
    bias = shift if conv.bias is None else conv.bias.double() + shift
    new = like(conv, (weight / 255).to(conv.weight.dtype), bias.to(conv.weight.dtype))
    return ConvNormAct(new, nn.Identity(), module.act)
