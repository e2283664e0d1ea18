"""What generated files hold of things that torch has not: their text is read from here, as it stands.

Nothing here imports InceptionLab. The names of tensors and the order of operations are those of `nn.layers`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Size = int | tuple[int, int]


def pair(size: Size) -> tuple[int, int]:
    """(height, width) of a size given as one number or as two."""
    return (size, size) if isinstance(size, int) else size


class SamePad(nn.Module):
    """TensorFlow's SAME padding: as much as the size of the input asks for, the odd pixel behind."""

    def __init__(self, kernel_size: Size, stride: Size = 1, dilation: Size = 1, value: float = 0.0) -> None:
        super().__init__()
        self.value = value
        self.axes = list(zip(pair(kernel_size), pair(stride), pair(dilation), strict=True))

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for size, (kernel, stride, dilation) in zip(x.shape[2:], self.axes, strict=True):
            reach = dilation * (kernel - 1) + 1
            total = max((math.ceil(size / stride) - 1) * stride + reach - size, 0)
            pads = [total // 2, total - total // 2, *pads]
        return F.pad(x, pads, value=self.value)


class SameMaxPool(nn.Module):
    """Max pooling with TensorFlow's SAME padding."""

    def __init__(self, kernel_size: Size, stride: Size = 1, dilation: Size = 1) -> None:
        super().__init__()
        self.pad = SamePad(kernel_size, stride, dilation, float("-inf"))
        self.pool = nn.MaxPool2d(kernel_size, stride, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.pad(x))


class SameAvgPool(nn.Module):
    """Average pooling with TensorFlow's SAME padding, which does not count what was padded."""

    def __init__(self, kernel_size: Size, stride: Size = 1) -> None:
        super().__init__()
        self.pad = SamePad(kernel_size, stride)
        self.sums = nn.AvgPool2d(kernel_size, stride, divisor_override=1)

    def forward(self, x: Tensor) -> Tensor:
        counted = self.sums(self.pad(x.new_ones(1, 1, *x.shape[2:])))
        return self.sums(self.pad(x)) / counted


class CeilPad(nn.Module):
    """Padding by which the last of dilated windows may hang over, as with torch's `ceil_mode`."""

    def __init__(self, kernel_size: Size, stride: Size, padding: Size, dilation: Size, value: float = 0.0) -> None:
        super().__init__()
        self.value = value
        self.axes = list(zip(pair(kernel_size), pair(stride), pair(padding), pair(dilation), strict=True))

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for size, (kernel, stride, rim, dilation) in zip(x.shape[2:], self.axes, strict=True):
            reach = dilation * (kernel - 1) + 1
            count = math.ceil((size + 2 * rim - reach) / stride) + 1
            count -= (count - 1) * stride >= size + rim
            pads = [rim, (count - 1) * stride + reach - size - rim, *pads]
        return F.pad(x, pads, value=self.value)


class DilatedMaxPool(nn.Module):
    """Max pooling of windows whose pixels stand `dilation` apart, with any padding."""

    def __init__(
        self, kernel_size: Size, stride: Size = 1, padding: Size = 0, dilation: Size = 1, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        top, left = pair(padding)
        fixed = nn.ConstantPad2d((left, left, top, top), float("-inf"))
        self.pad = CeilPad(kernel_size, stride, padding, dilation, float("-inf")) if ceil_mode else fixed
        self.pool = nn.MaxPool2d(kernel_size, stride, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.pad(x))


def window_sums(x: Tensor, kernel_size: Size, stride: Size, dilation: Size) -> Tensor:
    """The sums of dilated windows, along the height and then along the width."""
    sizes = zip((2, 3), pair(kernel_size), pair(stride), pair(dilation), strict=True)
    for axis, kernel, step, apart in sizes:
        length = x.shape[axis] - apart * (kernel - 1)
        total = torch.stack([x.narrow(axis, i * apart, length) for i in range(kernel)]).sum(0)
        x = total[:, :, ::step] if axis == 2 else total[..., ::step]
    return x


class DilatedAvgPool(nn.Module):
    """Average pooling of windows whose pixels stand `dilation` apart."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        top, left = pair(padding)
        self.rim = nn.ZeroPad2d((left, left, top, top))
        self.pad = CeilPad(kernel_size, stride, padding, dilation) if ceil_mode else self.rim
        self.window = kernel_size, stride, dilation
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        total = window_sums(self.pad(x), *self.window)
        counted = self.pad(x.new_ones(1, 1, *x.shape[2:]))
        if self.count_include_pad:  # all of the padding, but not what hangs over it
            rim = self.rim(x[:1, :1])
            counted = F.pad(
                torch.ones_like(rim), (0, counted.shape[3] - rim.shape[3], 0, counted.shape[2] - rim.shape[2])
            )
        return total / window_sums(counted, *self.window)


class DilatedSameAvgPool(nn.Module):
    """Average pooling of dilated windows with TensorFlow's SAME padding, which is not counted."""

    def __init__(self, kernel_size: Size, stride: Size, dilation: Size) -> None:
        super().__init__()
        self.pad = SamePad(kernel_size, stride, dilation)
        self.window = kernel_size, stride, dilation

    def forward(self, x: Tensor) -> Tensor:
        counted = window_sums(self.pad(x.new_ones(1, 1, *x.shape[2:])), *self.window)
        return window_sums(self.pad(x), *self.window) / counted


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel (ConvNeXt's)."""

    def __init__(self, channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=eps, elementwise_affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class BiasBatchNorm(nn.BatchNorm2d):
    """Batch norm that learns a bias for each channel and no scale."""

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(channels, eps, momentum)
        self.register_parameter("weight", None)


class SqueezeExcite(nn.Module):
    """x * sigmoid(W2 relu(W1 mean(x))) (Hu et al. 2018, figure 2)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.reduce(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.expand(hidden))


class EfficientChannelAttention(nn.Module):
    """x * sigmoid(a convolution over the channels of mean(x)) (Wang et al. 2020, figure 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        size = int(abs((math.log2(channels) + 1) / 2))  # equation 12, made odd
        kernel = max(3, size if size % 2 else size + 1)
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.conv(x.mean((2, 3)).unsqueeze(1)))
        return x * gate.movedim(1, 2).unsqueeze(-1)


class CBAM(nn.Module):
    """A gate for each channel, then one for each place (Woo et al. 2018, equations 2 and 3)."""

    def __init__(self, channels: int, reduction: int = 16, kernel_size: int = 7) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.reduce = nn.Conv2d(channels, hidden, 1, bias=False)
        self.expand = nn.Conv2d(hidden, channels, 1, bias=False)
        self.spatial = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        average, largest = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        average, largest = (self.expand(F.relu(self.reduce(y))) for y in (average, largest))
        x = x * torch.sigmoid(average + largest)
        places = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.spatial(places))


class LayerScale(nn.Module):
    """A learned factor for each channel (Touvron et al. 2021)."""

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((channels,), start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma[:, None, None]


def drop_path(x: Tensor, p: float) -> Tensor:
    """The maps of whole images become zero with probability `p`, the others are divided by 1 - p."""
    keep = torch.rand(x.shape[0], 1, 1, 1, device=x.device) >= p
    return x * (keep / (1 - p)).to(x.dtype)


class StochasticDepth(nn.Module):
    """Drops whole images in training (Huang et al. 2016)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return drop_path(x, self.p) if self.training and self.p else x
