"""Pooling whose border is said in its spec."""

from __future__ import annotations

from math import inf

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab.nn.layers.conv import SamePad, static_padding
from inceptionlab.spec.leaves import Pool, pair


class PaddedPool(nn.Module):
    """Pooling with TensorFlow's SAME padding; an average does not count what was padded."""

    def __init__(self, kind: str, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]) -> None:
        super().__init__()
        self.kind, self.kernel, self.stride, self.dilation = kind, kernel, stride, dilation
        self.pad = SamePad(kernel, stride, dilation, -inf if kind == "max" else 0.0)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        """Pool windows that may hang over the border."""
        if self.kind == "max":
            return F.max_pool2d(self.pad(x), self.kernel, self.stride, 0, self.dilation)
        counted = self._sums(self.pad(x.new_ones(1, 1, *x.shape[2:])))
        return self._sums(self.pad(x)) / counted

    def _sums(self, x: Tensor) -> Tensor:
        if self.dilation == (1, 1):
            return F.avg_pool2d(x, self.kernel, self.stride, divisor_override=1)
        return window_sums(x, self.kernel, self.stride, self.dilation)


class DilatedPool(nn.Module):
    """Pooling of windows whose pixels stand `dilation` apart: torch averages none, and pads a maximum by little."""

    def __init__(self, node: Pool) -> None:
        super().__init__()
        self.kernel, self.stride, self.dilation = pair(node.kernel), pair(node.stride), pair(node.dilation)
        (top, left), self.kind = static_padding(node.pad, self.kernel, self.dilation), node.kind
        self.rim, self.count_pad = (left, left, top, top), node.count_pad

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        """The maximum of each window, or its sum over what it counts."""
        if self.kind == "max":
            return F.max_pool2d(F.pad(x, self.rim, value=-inf), self.kernel, self.stride, 0, self.dilation)
        total = window_sums(F.pad(x, self.rim), self.kernel, self.stride, self.dilation)
        if self.count_pad:
            return total / (self.kernel[0] * self.kernel[1])
        ones = F.pad(x.new_ones(1, 1, *x.shape[2:]), self.rim)
        return total / window_sums(ones, self.kernel, self.stride, self.dilation)


def window_sums(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]) -> Tensor:
    """The sums of windows, along the height and then along the width."""
    for axis in (0, 1):
        reach = dilation[axis] * (kernel[axis] - 1)
        length = x.shape[2 + axis] - reach
        taps = [x.narrow(2 + axis, i * dilation[axis], length) for i in range(kernel[axis])]
        total = torch.stack(taps).sum(0)
        x = total[:, :, :: stride[0]] if axis == 0 else total[..., :: stride[1]]
    return x


def pool_layer(node: Pool) -> nn.Module:
    """The module of a `Pool` node."""
    if node.to is not None:
        return nn.AdaptiveAvgPool2d(node.to) if node.kind == "avg" else nn.AdaptiveMaxPool2d(node.to)
    kernel, stride, dilation = pair(node.kernel), pair(node.stride), pair(node.dilation)
    if node.pad == "tf":
        return PaddedPool(node.kind, kernel, stride, dilation)
    if dilation != (1, 1):
        return DilatedPool(node)
    padding = static_padding(node.pad, kernel, dilation)
    if node.kind == "max":
        return nn.MaxPool2d(kernel, stride, padding, ceil_mode=node.ceil)
    return nn.AvgPool2d(kernel, stride, padding, ceil_mode=node.ceil, count_include_pad=node.count_pad)
