"""Parameters and multiply-adds as arithmetic: the formula of a node with its numbers in it."""

from __future__ import annotations

from inceptionlab.analysis.costs import Shape, attention_width, ghost_width, has_bias
from inceptionlab.analysis.measured import MeasuredNode
from inceptionlab.spec.nodes import Attention, Conv, Convolution, Depthwise, Ghost, Linear, Norm, Residual, pair


def parameters_text(row: MeasuredNode) -> str:
    """The parameters as a sum of products, "" where there are none."""
    node, channels, out = row.node, row.input[0], row.output[0]
    match node:
        case Conv(kernel=kernel, groups=groups):
            return f"{out}·({_area(kernel)}·{_inner(channels, groups)}{_bias(node)}){_norm(node, out)}"
        case Depthwise(kernel=kernel):
            return f"{out}·({_area(kernel)}{_bias(node)}){_norm(node, out)}"
        case Ghost(kernel=kernel, ratio=ratio, cheap=cheap):
            first = ghost_width(node)
            own = f"{first}·({_area(kernel)}·{channels}{_bias(node)}){_norm(node, first)}"
            more = first * (ratio - 1)
            return f"{own} + {more}·({cheap}·{cheap}{_bias(node)}){_norm(node, more)}"
        case Linear(bias=bias):
            return f"{out}·({_product(row.input)}{' + 1' if bias else ''})"
        case Norm(affine="bias"):
            return f"{channels}"
        case Norm(affine=True):
            return f"2·{channels}"
        case Attention(kind="se"):
            hidden = attention_width(node, channels)
            return f"2·{channels}·{hidden} + {hidden} + {channels}"
        case Attention(kind="cbam", kernel=kernel):
            return f"2·{channels}·{attention_width(node, channels)} + 2·{kernel}·{kernel}"
        case _:
            scaled = isinstance(node, Residual) and node.gamma is not None
            parts = " + ".join(f"{child.params:,}" for child in row.children)
            return f"{parts} + {out} of the layer scale" if scaled else parts


def macs_text(row: MeasuredNode) -> str:
    """The multiply-adds as a product of sizes, "" where there are none."""
    node, channels = row.node, row.input[0]
    match node:
        case Conv(kernel=kernel, groups=groups):
            return f"{_product(row.output)}·{_area(kernel)}·{_inner(channels, groups)}"
        case Depthwise(kernel=kernel):
            return f"{_product(row.output)}·{_area(kernel)}"
        case Linear():
            return f"{row.output[0]}·{_product(row.input)}"
        case _:
            return " + ".join(f"{child.macs:,}" for child in row.children)


def _area(kernel: int | tuple[int, int]) -> str:
    return "·".join(str(side) for side in pair(kernel))


def _product(shape: Shape) -> str:
    return "·".join(str(side) for side in shape)


def _inner(channels: int, groups: int) -> str:
    return f"{channels}" if groups == 1 else f"{channels}/{groups}"


def _bias(node: Convolution) -> str:
    return " + 1" if has_bias(node) else ""


def _norm(node: Convolution, out: int) -> str:
    if node.norm is None or not node.norm.affine:
        return ""
    return f" + {out} of the norm" if node.norm.affine == "bias" else f" + 2·{out} of the norm"
