"""The formulas behind a measured node with its numbers in them, as a teacher writes them on the board."""

from __future__ import annotations

from inceptionlab.analysis.costs import Shape, attention_width, ghost_width, has_bias, paddings
from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import MeasuredNode
from inceptionlab.analysis.receptive import EVERYTHING, Axis
from inceptionlab.errors import SpecError, nearest
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import (
    Attention,
    Concat,
    Conv,
    Convolution,
    Depthwise,
    Ghost,
    Linear,
    Norm,
    Pool,
    Residual,
    Sliding,
    Split,
    pair,
)  # fmt: skip
from inceptionlab.spec.tree import matches


def explain(network: Network, path: str) -> list[str]:
    """The formulas of the output, the parameters, the MACs and the receptive field of the node at an address.

    A pattern gives those of every node that matches, each below its address: "*" is any name, so that "*" alone means
    the top-level nodes, and "**" any number of names ("**.pool", "inception3a.**"). Raises `SpecError` with the nearest
    addresses for one that does not exist.
    """
    found = explanations(network, path)
    if path in found:
        return list(found[path])
    blocks = ([f"{address}:", *(f"  {line}" for line in lines), ""] for address, lines in found.items())
    return [line for block in blocks for line in block][:-1]


def explanations(network: Network, pattern: str) -> dict[str, list[str]]:
    """The formulas of every node whose address matches, by address. Errors are those of `explain`."""
    rows = {row.path: row for row in measure(network).walk()}
    found = [pattern] if pattern in rows else [path for path in rows if "*" in pattern and matches(pattern, path)]
    if not found:
        missing = f"has no node that matches {pattern!r}" if "*" in pattern else f"has no node {pattern!r}"
        raise SpecError(f"{network.name} {missing}; {nearest(pattern, rows)}")
    return {path: _explained(rows[path]) for path in found}


def _explained(row: MeasuredNode) -> list[str]:
    shape = f"output = {row.output[0]} x {row.output[1]} x {row.output[2]}"
    return [*_sizes(row), *_channels(row), shape, *_costs(row), *_fields(row)]


def sliding(row: MeasuredNode) -> Sliding | None:
    """The node where it slides a window over its input."""
    node = row.node
    return node if isinstance(node, Sliding) and not (isinstance(node, Pool) and node.to) else None


def _sizes(row: MeasuredNode) -> list[str]:
    node = sliding(row)
    return [] if node is None else [_side(name, i, node, row.input, row.output) for i, name in enumerate("HW")]


def _side(name: str, i: int, node: Sliding, shape: Shape, output: Shape) -> str:
    window = node.window
    kernel, dilation = window.kernel[i], window.dilation[i]
    before, after = paddings(window, shape[1:])[i]
    rim = f"2·{before}" if before == after else f"{before} + {after}"
    reach = f"{kernel}" if dilation == 1 else f"({dilation}·({kernel} − 1) + 1)"
    how = "ceil" if isinstance(node, Pool) and node.ceil else "floor"
    return f"{name}_out = {how}(({shape[i + 1]} + {rim} − {reach})/{window.stride[i]}) + 1 = {output[i + 1]}"


def _channels(row: MeasuredNode) -> list[str]:
    """Where branches meet, the sum of their widths."""
    if not isinstance(row.node, Concat | Split):
        return []
    widths = " + ".join(str(child.output[0]) for child in row.children)
    return [f"channels = {widths} = {row.output[0]}"]


def _costs(row: MeasuredNode) -> list[str]:
    parameters, macs = _parameters(row), _macs(row)
    lines = [f"parameters = {parameters + ' = ' if parameters else ''}{row.params:,}"]
    return [*lines, f"MACs = {macs + ' = ' if macs else ''}{row.macs:,}"] if row.macs or macs else lines


def _parameters(row: MeasuredNode) -> str:
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


def _macs(row: MeasuredNode) -> str:
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


def _fields(row: MeasuredNode) -> list[str]:
    """One line for both axes where they agree."""
    lines = [_field(row, i, axis) for i, axis in enumerate((row.field.height, row.field.width))]
    if lines[0] == lines[1]:
        return [f"receptive field = {lines[0]}"]
    return [f"receptive field in {name} = {line}" for name, line in zip(("height", "width"), lines, strict=True)]


def _field(row: MeasuredNode, i: int, axis: Axis) -> str:
    if axis.high == EVERYTHING.high:
        return "the whole image"
    smallest = "" if axis.smallest == axis.largest else f" (along the shortest path {int(axis.smallest)})"
    return f"{_growth(row, i, axis)}{int(axis.largest)}{smallest}, jump {axis.jump}, first centre at {axis.centre:g}"


def _growth(row: MeasuredNode, i: int, axis: Axis) -> str:
    """r_in + dilation·(kernel − 1)·jump_in of a window."""
    node = sliding(row)
    if node is None or isinstance(node, Ghost):
        return ""
    kernel, dilation = node.window.kernel[i], node.window.dilation[i]
    jump = axis.jump // node.window.stride[i]
    before = int(axis.largest) - dilation * (kernel - 1) * jump
    spread = "" if dilation == 1 else f"{dilation}·"
    return f"{before} + {spread}({kernel} − 1)·{jump} = "
