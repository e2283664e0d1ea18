"""Pooling whose border is said in its spec."""

from __future__ import annotations

from math import inf

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab.layers.conv import SamePad, static_padding
from inceptionlab.leaves import Pool, pair


class PaddedPool(nn.Module):
    """Pooling with TensorFlow's SAME padding; an average does not count what was padded."""

    def __init__(self, kind: str, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.kind, self.kernel, self.stride = kind, kernel, stride
        self.pad = SamePad(kernel, stride, (1, 1), -inf if kind == "max" else 0.0)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        """Pool windows that may hang over the border."""
        if self.kind == "max":
            return F.max_pool2d(self.pad(x), self.kernel, self.stride)
        counted = F.avg_pool2d(self.pad(x.new_ones(1, 1, *x.shape[2:])), self.kernel, self.stride)
        return F.avg_pool2d(self.pad(x), self.kernel, self.stride) / counted


def pool_layer(node: Pool) -> nn.Module:
    """The module of a `Pool` node."""
    if node.to is not None:
        return nn.AdaptiveAvgPool2d(node.to) if node.kind == "avg" else nn.AdaptiveMaxPool2d(node.to)
    kernel, stride = pair(node.kernel), pair(node.stride)
    if node.pad == "tf":
        return PaddedPool(node.kind, kernel, stride)
    padding = static_padding(node.pad, kernel, (1, 1))
    if node.kind == "max":
        return nn.MaxPool2d(kernel, stride, padding, ceil_mode=node.ceil)
    return nn.AvgPool2d(kernel, stride, padding, ceil_mode=node.ceil, count_include_pad=node.count_pad)
