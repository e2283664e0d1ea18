"""Shapes, parameters, MACs and receptive fields of every node, from the spec alone (no torch).

MACs are the multiply-adds of convolutions and linear layers for one image, as FlopCounterMode / 2 counts them;
norms, activations, pooling and additions are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from inceptionlab.analysis import costs
from inceptionlab.analysis.costs import Shape
from inceptionlab.analysis.measured import MeasuredNetwork, MeasuredNode, format_shape
from inceptionlab.analysis.receptive import Field, union
from inceptionlab.errors import SizeError, SpecError
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import (
    CLASSES,
    STREAM,
    Branches,
    Concat,
    Conv,
    Linear,
    Node,
    Product,
    Residual,
    Seq,
    Split,
    Sum,
)
from inceptionlab.spec.tree import join

STRIDES = 256
"""More than the strides of any network together: how its grids round repeats after so many sizes of images."""


class _GridError(SpecError):
    """Branches give grids of other sizes, which other images may mend."""


@dataclass(frozen=True, slots=True)
class _Stream:
    """What is threaded through a tree: shape and receptive field at a point, and the width of the innermost residual
    stream (0 outside of one).
    """

    shape: Shape
    field: Field
    width: int
    classes: int


def measure(network: Network) -> MeasuredNetwork:
    """Measure every node of a network at its input size.

    Raises `SizeError` where pixels run out, naming the node, its input and the smallest image that works, `SpecError`
    for what is no network, such as its name.
    """
    _check_network(network)
    try:
        return _measure(network)
    except SizeError as error:
        smallest = smallest_input(network)
        helps = f"{network.name} needs images of at least {smallest}x{smallest}" if smallest else "no size works"
        size = f"{network.input.height}x{network.input.width}"
        small = ", or a small stem (rule small_stem, or stem='small')" if network.stem.children else ""
        raise SizeError(f"{network.name} at {size}: {error}; {helps}{small}") from None


def _check_network(given: object) -> None:
    """Raise `SpecError` for a name or a module, which other functions take, in the place of a network."""
    if isinstance(given, Network):
        return
    found = f"the name {given!r}" if isinstance(given, str) else f"an object of the type {type(given).__name__}"
    helps = f"; network_of({given!r}) is the network" if isinstance(given, str) else ""
    if isinstance(getattr(given, "spec", None), Network):
        helps = "; its .spec is one"
    raise SpecError(f"a network is needed (inceptionlab.Network), but {found} was given{helps}")


def _measure(network: Network) -> MeasuredNetwork:
    point = _Stream(network.input.shape, Field(), 0, network.classes)
    tops: list[MeasuredNode] = []
    for name, node in network.children:
        tops.append(_node(node, name, point))
        point = replace(point, shape=tops[-1].output, field=tops[-1].field)
    places = {top.path: top for top in tops}
    aux = tuple(
        _node(a.head, a.name, replace(point, shape=places[a.after].output, field=places[a.after].field))
        for a in network.aux
    )
    return MeasuredNetwork(network, tuple(tops), aux)


def measure_node(node: Node, shape: Shape, classes: int = 1000, path: str = "") -> MeasuredNode:
    """Measure one node on its own, on an input of `shape` (channels, height, width)."""
    return _node(node, path, _Stream(shape, Field(), 0, classes))


def smallest_input(network: Network, limit: int = 2048) -> int | None:
    """The side of the smallest square image on which every node of the network has an output and grids that meet are
    equal; None where pixels run out even on `limit`. Raises `SpecError` where grids differ whatever the size.
    """

    def problem(size: int) -> SpecError | None:
        try:
            _measure(network.resized(size))
        except (SizeError, _GridError) as error:
            return error
        return None

    low, high = 1, limit
    if isinstance(problem(high), SizeError):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if isinstance(problem(middle), SizeError) else (low, middle)
    sizes = range(low, low + STRIDES)
    found = next((size for size in sizes if problem(size) is None), None)
    if found is None:
        raise problem(low) or SpecError(f"no size works for {network.name}")
    return found


def _node(node: Node, path: str, point: _Stream) -> MeasuredNode:
    match node:
        case Seq():
            return _seq(node, path, point)
        case Concat() | Sum() | Product() | Split():
            return _branches(node, path, point)
        case Residual():
            return _residual(node, path, point)
        case _:
            return _leaf(node, path, point)


def _leaf(node: Node, path: str, point: _Stream) -> MeasuredNode:
    node = resolved(node, point.width, point.classes)
    if isinstance(node, Seq):
        return _seq(node, path, point)
    try:
        output = costs.output_shape(node, point.shape)
    except SizeError as error:
        raise SizeError(f"{path or 'the node'} {error}") from None
    except SpecError as error:
        raise SpecError(f"{path or 'the node'}: {error}") from None
    params, macs = costs.params(node, point.shape), costs.macs(node, point.shape, output)
    return MeasuredNode(path, node, point.shape, output, params, macs, point.field.through(node, point.shape))


def resolved(node: Node, width: int, classes: int) -> Node:
    """The node with `STREAM` and `CLASSES` replaced by numbers; a classifier of 0 classes is the identity."""
    if isinstance(node, Conv) and node.out == STREAM and width:
        return replace(node, out=width)
    if isinstance(node, Linear) and node.out == CLASSES:
        return replace(node, out=classes) if classes else Seq()
    return node


def _seq(node: Seq, path: str, point: _Stream) -> MeasuredNode:
    rows: list[MeasuredNode] = []
    now = point
    for name, child in node.children:
        rows.append(_node(child, join(path, name), now))
        now = replace(now, shape=rows[-1].output, field=rows[-1].field)
    return _sum_up(path, node, point, now.shape, now.field, rows)


def _sum_up(path: str, node: Node, point: _Stream, out: Shape, field: Field, rows: list[MeasuredNode]) -> MeasuredNode:
    params, macs = sum(row.params for row in rows), sum(row.macs for row in rows)
    return MeasuredNode(path, node, point.shape, out, params, macs, field, tuple(rows))


def _branches(node: Branches, path: str, point: _Stream) -> MeasuredNode:
    widths = split_widths(node, point.shape[0]) if isinstance(node, Split) else [point.shape[0]] * len(node.children)
    rows = [
        _node(child, join(path, name), replace(point, shape=(width, *point.shape[1:])))
        for (name, child), width in zip(node.children, widths, strict=True)
    ]
    channels = [row.output[0] for row in rows]
    alike = isinstance(node, Sum | Product)
    grids = {row.output[1:] for row in rows}
    if len(grids) > 1 or (alike and len(set(channels)) > 1):
        shapes = ", ".join(f"{row.path.rpartition('.')[2]} {format_shape(row.output)}" for row in rows)
        kind = _GridError if len(grids) > 1 else SpecError
        raise kind(f"{path or 'the block'}: its branches do not fit together by {node.how}: {shapes}")
    width = channels[0] if alike else sum(channels)
    return _sum_up(path, node, point, (width, *rows[0].output[1:]), union([row.field for row in rows]), rows)


def split_widths(node: Split, channels: int) -> list[int]:
    """How many of the input channels each branch of a `Split` is dealt."""
    count = len(node.children)
    part = channels // count if node.share is None else int(channels * node.share)
    first = channels - part * (count - 1)
    if part < 1 or first < 1:
        raise SpecError(f"Split deals {channels} channels to {count} branches: {first} and {part} each do not work")
    return [first, *[part] * (count - 1)]


def _residual(node: Residual, path: str, point: _Stream) -> MeasuredNode:
    inner = replace(point, width=point.shape[0])
    body = _node(node.body, join(path, "body"), inner)
    rows, shortcut = [body], shortcut_of(node, point.shape, body.output)
    if shortcut is not None:
        rows.append(_node(shortcut, join(path, "shortcut"), inner))
    added = rows[1].output if len(rows) > 1 else point.shape
    if added != body.output:
        raise SpecError(
            f"{path or 'the residual'}: the body gives {format_shape(body.output)} but {format_shape(added)} is added "
            "to it; end the body in Conv(STREAM), or use shortcut='auto'"
        )
    field = union([row.field for row in rows]) if len(rows) > 1 else union([body.field, point.field])
    measured = _sum_up(path, node, point, body.output, field, rows)
    gamma = body.output[0] if node.gamma is not None else 0
    return replace(measured, params=measured.params + gamma)


def shortcut_of(node: Residual, shape: Shape, out: Shape) -> Node | None:
    """The shortcut that a residual needs between these shapes; None is the identity."""
    if node.shortcut != "auto":
        return node.shortcut
    if shape == out:
        return None
    stride = (-(-shape[1] // out[1]), -(-shape[2] // out[2]))
    return Conv(out[0], 1, stride, act=None)
