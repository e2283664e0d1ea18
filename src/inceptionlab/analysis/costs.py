"""What one leaf of a spec gives and costs: its output shape, its parameters, its MACs, and the formulas behind them."""

from __future__ import annotations

from math import log2, prod
from typing import TypeAlias

from inceptionlab.errors import SizeError, SpecError
from inceptionlab.spec.nodes import (
    Attention,
    Block,
    Conv,
    Convolution,
    Depthwise,
    Ghost,
    Linear,
    Node,
    Norm,
    Pool,
    Sliding,
    Window,
    pair,
)  # fmt: skip

Shape: TypeAlias = tuple[int, int, int]


def paddings(window: Window, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) pixels of padding of a window on a map of `size` (height, width)."""
    return _padding(window, size, 0), _padding(window, size, 1)


def _padding(window: Window, size: tuple[int, int], axis: int) -> tuple[int, int]:
    """Pixels added before and after an axis."""
    reach = window.dilation[axis] * (window.kernel[axis] - 1)
    if window.pad == "same":
        return reach // 2, reach // 2
    if window.pad == "valid":
        return 0, 0
    if window.pad == "tf":
        stride = window.stride[axis]
        total = max((-(-size[axis] // stride) - 1) * stride + reach + 1 - size[axis], 0)
        return total // 2, total - total // 2
    rim = pair(window.pad)[axis]
    return rim, rim


def slide(size: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int = 1, ceil: bool = False) -> int:
    """The number of positions of a window; with `ceil` the last may hang over, but starts inside (as in torch)."""
    room = size + sum(pads) - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil else room // stride) + 1
    return count - 1 if ceil and (count - 1) * stride >= size + pads[0] else count


def output_shape(node: Node, shape: Shape) -> Shape:
    """The shape a leaf gives for an input of `shape`. Raises `SizeError` where no output is left."""
    channels, height, width = shape
    match node:
        case Conv(out=int(out), groups=groups):
            if channels % groups or out % groups:
                raise SpecError(f"{channels} channels to {out} in {groups} groups: both must divide by the groups")
            return (out, *_windows(node, shape))
        case Conv():
            raise SpecError("Conv(STREAM) stands outside of a Residual, so there is no stream to be as wide as")
        case Depthwise(multiplier=multiplier):
            return (channels * multiplier, *_windows(node, shape))
        case Ghost(out=out):
            return (out, *_windows(node, shape))
        case Pool(to=int(to)):
            return (channels, to, to)
        case Pool():
            return (channels, *_windows(node, shape))
        case Linear(out=int(out)):
            return (out, 1, 1)
        case Block(out=out, stride=stride):
            return (out or channels, -(-height // stride), -(-width // stride))
        case _:
            return shape


def _windows(node: Sliding, shape: Shape) -> tuple[int, int]:
    """(height, width) of what a window gives on a map of `shape`."""
    window, ceil = node.window, isinstance(node, Pool) and node.ceil
    pads = paddings(window, shape[1:])
    height, width = (
        slide(shape[i + 1], window.kernel[i], window.stride[i], pads[i], window.dilation[i], ceil) for i in (0, 1)
    )
    if min(height, width) < 1:
        raise SizeError(
            f"is a {describe_window(node)} and its input is {shape[1]}x{shape[2]}, so nothing is left of it"
        )
    return height, width


def describe_window(node: Sliding) -> str:
    """A sliding window in words: "3x3 max pool with stride 2 and no padding"."""
    kernel, stride = node.window.kernel, node.window.stride
    kind = (
        f"{node.kind} pool"
        if isinstance(node, Pool)
        else {"Conv": "convolution"}.get(type(node).__name__, f"{type(node).__name__.lower()} convolution")
    )
    step = "" if stride == (1, 1) else f" with stride {stride[0] if stride[0] == stride[1] else stride}"
    rim = " and no padding" if node.pad in ("valid", 0) else ""
    return f"{kernel[0]}x{kernel[1]} {kind}{step}{rim}"


def groups_for(norm: Norm, channels: int) -> int:
    """The groups of a group norm: the largest divisor of `channels` that is at most `norm.groups`."""
    return next(n for n in range(min(norm.groups, channels), 0, -1) if channels % n == 0)


def params(node: Node, shape: Shape) -> int:
    """Parameters of a leaf that reads a map of `shape`."""
    channels = shape[0]
    match node:
        case Conv(out=int(out), groups=groups):
            return out * channels // groups * prod(node.window.kernel) + _rim(node, out)
        case Depthwise(multiplier=multiplier):
            out = channels * multiplier
            return out * prod(node.window.kernel) + _rim(node, out)
        case Ghost(ratio=ratio, cheap=cheap):
            first = ghost_width(node)
            more = first * (ratio - 1)
            kernel = prod(node.window.kernel)
            return first * channels * kernel + more * cheap**2 + _rim(node, first) + _rim(node, more)
        case Norm(affine=affine):
            return channels * {True: 2, False: 0, "bias": 1}[affine]
        case Attention(kind=kind, kernel=kernel):
            hidden = attention_width(node, channels)
            both = 2 * channels * hidden
            return {
                "se": both + hidden + channels,
                "eca": eca_kernel(channels),
                "cbam": both + 2 * kernel**2,
            }[kind]
        case Linear(out=int(out), bias=bias):
            return out * prod(shape) + (out if bias else 0)
        case Block(params=count):
            return count
        case _:
            return 0


def _rim(node: Convolution, out: int) -> int:
    """Parameters of the bias and the norm behind a convolution of `out` filters."""
    bias = has_bias(node) * out
    return bias + (0 if node.norm is None else params(node.norm, (out, 1, 1)))


def has_bias(node: Convolution) -> bool:
    """Whether the convolution itself has a bias: exactly when there is no norm, unless it is said."""
    return node.norm is None if isinstance(node, Ghost) or node.bias is None else node.bias


def ghost_width(node: Ghost) -> int:
    """The maps that a ghost convolution makes by its ordinary convolution."""
    return -(-node.out // node.ratio)


def attention_width(node: Attention, channels: int) -> int:
    """The hidden width of SE and CBAM."""
    return max(1, channels // node.reduction)


def eca_kernel(channels: int) -> int:
    """The odd kernel of ECA for a width (ECA-Net, equation 12, gamma 2, b 1)."""
    size = int(abs((log2(channels) + 1) / 2))
    return max(3, size if size % 2 else size + 1)


def macs(node: Node, shape: Shape, output: Shape) -> int:
    """Multiply-adds of a leaf for one image."""
    channels, out, area = shape[0], output[0], output[1] * output[2]
    match node:
        case Conv(groups=groups):
            return out * area * channels // groups * prod(node.window.kernel)
        case Depthwise():
            return out * area * prod(node.window.kernel)
        case Ghost(ratio=ratio, cheap=cheap):
            first = ghost_width(node)
            return area * first * (channels * prod(node.window.kernel) + (ratio - 1) * cheap**2)
        case Attention(kind=kind, kernel=kernel):
            both = 2 * channels * attention_width(node, channels)
            return {
                "se": both,
                "eca": channels * eca_kernel(channels),
                "cbam": 2 * both + area * 2 * kernel**2,
            }[kind]
        case Linear(out=int(out)):
            return out * prod(shape)
        case Block(macs=count):
            return count
        case _:
            return 0
