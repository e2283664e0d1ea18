"""The formulas behind a measured node with its numbers in them, as a teacher writes them on the board."""

from __future__ import annotations

from inceptionlab.analysis.costs import Shape, Window, attention_width, ghost_width, has_bias, window_paddings
from inceptionlab.analysis.geometry import Measured, measure
from inceptionlab.analysis.receptive import EVERYTHING, Axis
from inceptionlab.errors import SpecError, nearest
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Attention, Branches, Conv, Depthwise, Ghost, Linear, Norm, Pool, Residual, pair


def explain(network: Network, path: str) -> list[str]:
    """The formulas of the output, the parameters, the MACs and the receptive field of the node at an address.

    Raises `SpecError` with the nearest addresses for one that does not exist.
    """
    rows = {row.path: row for row in measure(network).walk()}
    if path not in rows:
        raise SpecError(f"{network.name} has no node {path!r}; {nearest(path, rows)}")
    row = rows[path]
    shape = f"output = {row.output[0]} x {row.output[1]} x {row.output[2]}"
    return [*_sizes(row), *_channels(row), shape, *_costs(row), *_fields(row)]


def slides(row: Measured) -> bool:
    """Whether the node slides a window over its input."""
    return isinstance(row.node, Window) and not (isinstance(row.node, Pool) and row.node.to)


def _sizes(row: Measured) -> list[str]:
    node = row.node
    if not slides(row) or not isinstance(node, Window):
        return []
    return [_side(name, i, node, row.input, row.output) for i, name in enumerate("HW")]


def _side(name: str, i: int, node: Window, shape: Shape, output: Shape) -> str:
    kernel, stride, dilation = pair(node.kernel)[i], pair(node.stride)[i], pair(getattr(node, "dilation", 1))[i]
    before, after = window_paddings(node, shape)[i]
    rim = f"2·{before}" if before == after else f"{before} + {after}"
    reach = f"{kernel}" if dilation == 1 else f"({dilation}·({kernel} − 1) + 1)"
    how = "ceil" if isinstance(node, Pool) and node.ceil else "floor"
    return f"{name}_out = {how}(({shape[i + 1]} + {rim} − {reach})/{stride}) + 1 = {output[i + 1]}"


def _channels(row: Measured) -> list[str]:
    """Where branches meet, the sum of their widths."""
    if not isinstance(row.node, Branches) or row.node.how not in ("concat", "split"):
        return []
    widths = " + ".join(str(child.output[0]) for child in row.children)
    return [f"channels = {widths} = {row.output[0]}"]


def _costs(row: Measured) -> list[str]:
    parameters, macs = _parameters(row), _macs(row)
    lines = [f"parameters = {parameters + ' = ' if parameters else ''}{row.params:,}"]
    return [*lines, f"MACs = {macs + ' = ' if macs else ''}{row.macs:,}"] if row.macs or macs else lines


def _parameters(row: Measured) -> str:
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


def _macs(row: Measured) -> str:
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


def _bias(node: Conv | Depthwise | Ghost) -> str:
    return " + 1" if has_bias(node) else ""


def _norm(node: Conv | Depthwise | Ghost, out: int) -> str:
    return f" + 2·{out} of the norm" if isinstance(node.norm, Norm) and node.norm.affine else ""


def _fields(row: Measured) -> list[str]:
    """One line for both axes where they agree."""
    lines = [_field(row, i, axis) for i, axis in enumerate((row.field.height, row.field.width))]
    if lines[0] == lines[1]:
        return [f"receptive field = {lines[0]}"]
    return [f"receptive field in {name} = {line}" for name, line in zip(("height", "width"), lines, strict=True)]


def _field(row: Measured, i: int, axis: Axis) -> str:
    if axis.high == EVERYTHING.high:
        return "the whole picture"
    smallest = "" if axis.smallest == axis.largest else f" (along the shortest path {int(axis.smallest)})"
    return f"{_growth(row, i, axis)}{int(axis.largest)}{smallest}, jump {axis.jump}, first centre at {axis.centre:g}"


def _growth(row: Measured, i: int, axis: Axis) -> str:
    """r_in + dilation·(kernel − 1)·jump_in of a window."""
    node = row.node
    if not slides(row) or not isinstance(node, Window) or isinstance(node, Ghost):
        return ""
    kernel, dilation = pair(node.kernel)[i], pair(getattr(node, "dilation", 1))[i]
    jump = axis.jump // pair(node.stride)[i]
    before = int(axis.largest) - dilation * (kernel - 1) * jump
    spread = "" if dilation == 1 else f"{dilation}·"
    return f"{before} + {spread}({kernel} − 1)·{jump} = "
