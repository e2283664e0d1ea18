"""Networks that take pixels from 0 to 255 instead of normalised values, so that nobody can prepare them wrongly."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.nn.layers.branches import Chain
from inceptionlab.optimization.rewrites import put_before
from inceptionlab.spec.network import Input


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


def taking_pixels(network: nn.Module, picture: Input) -> nn.Module:
    """A network of folded modules (`exact`), changed in place, that takes pixels. The normalisation goes into its first
    convolution where that pads nothing; where it pads, zeros would stand for another colour, and it stays a step.
    """
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (picture.mean, picture.std))
    if picture.order == "RGB" and put_before(network, 1 / (255 * std), -mean / std):
        return network
    return Chain({"normalised": Normalised(picture), "network": network})
