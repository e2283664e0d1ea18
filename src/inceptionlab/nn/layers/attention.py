"""Gates on a map: squeeze-and-excitation, efficient channel attention, CBAM."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.analysis.costs import attention_width, eca_kernel
from inceptionlab.nn.layers.bare import bare
from inceptionlab.spec.leaves import Attention


class SqueezeExcite(nn.Module):
    """x * sigmoid(W2 relu(W1 mean(x))) (Hu et al. 2018, figure 2)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.reduce = bare(nn.Conv2d, channels, hidden, 1)
        self.act = nn.ReLU(inplace=True)
        self.expand = bare(nn.Conv2d, hidden, channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Scale every channel by its gate."""
        return x * self.gate(self.expand(self.act(self.reduce(x.mean((2, 3), keepdim=True)))))


class EfficientChannelAttention(nn.Module):
    """x * sigmoid(conv1d over the channels of mean(x)) (Wang et al. 2020, figure 2)."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv = bare(nn.Conv1d, 1, 1, kernel, padding=kernel // 2, bias=False)
        self.gate = nn.Sigmoid()

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Scale every channel by its gate."""
        return x * self.gate(self.conv(x.mean((2, 3)).unsqueeze(1))).movedim(1, 2).unsqueeze(-1)


class CBAM(nn.Module):
    """Channel gate, then spatial gate (Woo et al. 2018, equations 2 and 3)."""

    def __init__(self, channels: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.reduce = bare(nn.Conv2d, channels, hidden, 1, bias=False)
        self.act = nn.ReLU(inplace=True)
        self.expand = bare(nn.Conv2d, hidden, channels, 1, bias=False)
        self.spatial = bare(nn.Conv2d, 2, 1, kernel, padding=kernel // 2, bias=False)
        self.gate = nn.Sigmoid()

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Scale every channel, then every place."""
        both = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        x = x * self.gate(sum(self.expand(self.act(self.reduce(pooled))) for pooled in both))
        places = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * self.gate(self.spatial(places))


def attention_layer(node: Attention, channels: int) -> nn.Module:
    """The module of an `Attention` node for a width."""
    hidden = attention_width(node, channels)
    if node.kind == "se":
        return SqueezeExcite(channels, hidden)
    return (
        EfficientChannelAttention(eca_kernel(channels)) if node.kind == "eca" else CBAM(channels, hidden, node.kernel)
    )
