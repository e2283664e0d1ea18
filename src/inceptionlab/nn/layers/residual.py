"""Residual connections with scale, layer scale and stochastic depth."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.nn.layers.branches import dropped


class StochasticDepth(nn.Module):
    """Stochastic depth (Huang et al. 2016): in training, an image's body is dropped with probability `p` and the
    others are divided by 1 - p; the identity in evaluation.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Drop whole images of the batch."""
        return dropped(x, self.p) if self.training and self.p else x


class LayerScale(nn.Module):
    """A learned factor per channel that starts at `start` (Touvron et al. 2021)."""

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((channels,), start))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Multiply every channel by its factor."""
        return x * self.gamma[:, None, None]


class Residual(nn.Module):
    """act(shortcut(x) + scale * body(x)) (Inception-v4 paper, figure 20 for the scale)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None, act: nn.Module, scale: float) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()
        self.act = act
        self.scale = scale

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Add the scaled body to the shortcut."""
        return self.act(torch.add(self.shortcut(x), self.body(x), alpha=self.scale))
