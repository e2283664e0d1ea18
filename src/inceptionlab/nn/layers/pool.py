"""Pooling whose border is said in its spec."""

from __future__ import annotations

from math import inf

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab.analysis.costs import slide
from inceptionlab.nn.layers.conv import SamePad, static_padding
from inceptionlab.spec.leaves import Pool, Window


class PaddedPool(nn.Module):
    """Pooling with TensorFlow's SAME padding; an average does not count what was padded."""

    def __init__(self, kind: str, window: Window) -> None:
        super().__init__()
        self.kind, self.window = kind, window
        self.pad = SamePad(window, -inf if kind == "max" else 0.0)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        """Pool windows that may hang over the border."""
        if self.kind == "max":
            return F.max_pool2d(self.pad(x), self.window.kernel, self.window.stride, 0, self.window.dilation)
        counted = self._sums(self.pad(x.new_ones(1, 1, *x.shape[2:])))
        return self._sums(self.pad(x)) / counted

    def _sums(self, x: Tensor) -> Tensor:
        if self.window.dilation == (1, 1):
            return F.avg_pool2d(x, self.window.kernel, self.window.stride, divisor_override=1)
        return window_sums(x, self.window)


class DilatedPool(nn.Module):
    """Pooling of windows whose pixels stand `dilation` apart: torch averages none, and pads a maximum by little."""

    def __init__(self, node: Pool) -> None:
        super().__init__()
        self.kind, self.window, self.count_pad, self.ceil = node.kind, node.window, node.count_pad, node.ceil
        self.rim = static_padding(self.window)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        """The maximum of each window, or its sum over what it counts."""
        window, (top, left), (below, right) = self.window, self.rim, self._hanging_over(x)
        around = (left, left + right, top, top + below)
        if self.kind == "max":
            return F.max_pool2d(F.pad(x, around, value=-inf), window.kernel, window.stride, 0, window.dilation)
        total, size = window_sums(F.pad(x, around), window), x.shape[2:]
        if not self.count_pad:
            return total / window_sums(F.pad(x.new_ones(1, 1, *size), around), window)
        if not self.ceil:
            return total / (window.kernel[0] * window.kernel[1])
        counted = x.new_ones(1, 1, size[0] + 2 * top, size[1] + 2 * left)  # what hangs over is not counted, as in torch
        return total / window_sums(F.pad(counted, (0, right, 0, below)), window)

    def _hanging_over(self, x: Tensor) -> tuple[int, int]:
        """Pixels by which the last windows stand over the padding, below and to the right; negative where they end
        before it.
        """
        rows, columns = (self._over(x.shape[2 + axis], axis) for axis in (0, 1))
        return rows, columns

    def _over(self, size: int, axis: int) -> int:
        if not self.ceil:
            return 0
        kernel, stride, dilation = self.window.kernel[axis], self.window.stride[axis], self.window.dilation[axis]
        rim = self.rim[axis]
        count = slide(size, kernel, stride, (rim, rim), dilation, ceil=True)
        return (count - 1) * stride + dilation * (kernel - 1) + 1 - size - 2 * rim


def window_sums(x: Tensor, window: Window) -> Tensor:
    """The sums of windows, along the height and then along the width."""
    kernel, stride, dilation = window.kernel, window.stride, window.dilation
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
    window = node.window
    if window.pad == "tf":
        return PaddedPool(node.kind, window)
    if window.dilation != (1, 1):
        return DilatedPool(node)
    padding = static_padding(window)
    if node.kind == "max":
        return nn.MaxPool2d(window.kernel, window.stride, padding, ceil_mode=node.ceil)
    return nn.AvgPool2d(window.kernel, window.stride, padding, ceil_mode=node.ceil, count_include_pad=node.count_pad)
