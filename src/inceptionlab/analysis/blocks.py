"""Figures of nodes: boxes, branches between an arrow and a bar, and two arms that meet in a sum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from inceptionlab.analysis.figures import (
    GAP,
    SIZES,
    Box,
    Circle,
    Figure,
    Kind,
    Label,
    Look,
    Part,
    Style,
    Wire,
    column,
    panel,
)
from inceptionlab.analysis.lettering import cut, text_width, wrapped
from inceptionlab.analysis.measured import MeasuredNode
from inceptionlab.analysis.words import describe
from inceptionlab.spec.nodes import (
    LRN,
    Act,
    Attention,
    Block,
    Branches,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    Ghost,
    Linear,
    Node,
    Norm,
    Pool,
    Product,
    Residual,
    Seq,
    Split,
    Sum,
)  # fmt: skip

BUS, FAN = 14.0, 36.0
"""Where an arrow divides, and where the branches begin."""
LEAST, PADDING, LINE = 92.0, 24.0, 15.0
LONGEST, MOST = 42, 10
"""Letters of a line and lines of a box, about and at most."""
FUSED = {"concat": "concat", "sum": "sum", "product": "product", "split": "concat of the parts"}


def figure_of(row: MeasuredNode, depth: int, look: Look, name: str = "") -> Figure:
    """The figure of a node; blocks below `depth` are one box each. A box is headed by its `name`."""
    node = row.node
    if depth <= 1 or not isinstance(node, Seq | Branches | Residual):
        return box_of(row, look, name)
    if isinstance(node, Branches):
        return _fan(row, depth, look)
    if isinstance(node, Residual):
        return _arms(row, node, depth, look)
    return chain(row.children, depth, look) if row.children else identity()


def identity(length: float = FAN) -> Figure:
    """A way through that computes nothing."""
    return Figure(length, 2.0, 1.0, ((0, 1, Wire(((0, 0), (length, 0)), arrow=False)),), open=True)


def chain(rows: Sequence[MeasuredNode], depth: int, look: Look) -> Figure:
    """Nodes one after another; equal blocks in a row are drawn once, on a panel that says how many they are."""
    figures: list[Figure] = []
    for group in runs(rows) if look.fold else ([row] for row in rows):
        figure = figure_of(group[0], depth, look)
        figures.append(repeated(figure, [], len(group), look) if len(group) > 1 else figure)
    return column(figures)


def runs(rows: Sequence[MeasuredNode]) -> Iterator[list[MeasuredNode]]:
    """Rows in groups of equal blocks that follow one another on maps of one shape; other rows stand alone."""
    for _, group in groupby(enumerate(rows), key=lambda entry: _same(*entry)):
        yield [row for _, row in group]


def _same(i: int, row: MeasuredNode) -> tuple[object, ...]:
    block = isinstance(row.node, Residual | Branches)
    return (row.node, row.input, row.output, row.params) if block else (i,)


def repeated(figure: Figure, names: Sequence[str], times: int, look: Look) -> Figure:
    """A figure on a panel that says how often it stands in a row."""
    ground = panel(figure, [*names, f"×{times}"], "", look)
    return Figure(ground.length, ground.breadth, ground.axis, ground.parts, times)


def box_of(row: MeasuredNode, look: Look, name: str = "") -> Figure:
    """A node as one box: its name, what it is, the shape that it gives, and its parameters where they are wanted."""
    lines: list[tuple[Style, str]] = []
    if name:
        lines.append(("name", cut(name, LONGEST)))
    lines.extend(("what", cut(line, LONGEST + 8)) for line in _few(list(what_lines(row.node))))
    lines.append(("note", shape_text(row)))
    if look.params and row.params:
        lines.append(("note", params_text(row.params)))
    return boxed(kind_of(row.node), lines, look, row)


def boxed(kind: Kind, lines: Sequence[tuple[Style, str]], look: Look, row: MeasuredNode | None = None,
          params: int | None = None) -> Figure:  # fmt: skip
    """A box that fits its lines; it stands for `row`, or for `params` of it."""
    width = max(LEAST, max(text_width(text, SIZES[style]) for style, text in lines) + PADDING)
    height = LINE * len(lines) + (8 if len(lines) < 2 else 11)
    along, across = look.along(width, height)
    path, own, tip = ("", 0, "") if row is None else (row.path, row.params if params is None else params, repr(row))
    return Figure(along, across, across / 2, ((0, 0, Box(along, across, kind, tuple(lines), path, own, tip)),))


def what_lines(node: Node) -> Iterator[str]:
    """What a node is, in lines: a branch stands in its own."""
    match node:
        case Residual(body=body, shortcut=shortcut):
            yield "residual" if node.scale == 1 else f"residual, scale {node.scale:g}"
            yield from what_lines(body)
            if shortcut is not None and shortcut != "auto":
                yield f"+ shortcut: {describe(shortcut)}"
        case Seq(children=children) if children:
            yield from wrapped([describe(child).replace(" conv ", " ") for _, child in children], " → ", LONGEST)
        case Concat() | Sum() if len(node.children) > 1:
            for _, child in node.children:
                yield from wrapped(describe(child).replace(" conv ", " ").split(" → "), " → ", LONGEST)
        case _:
            yield describe(node)


def _few(lines: list[str]) -> list[str]:
    return lines if len(lines) <= MOST else [*lines[: MOST - 1], f"… {len(lines) - MOST + 1} more lines"]


def shape_text(row: MeasuredNode) -> str:
    """The shape that a node gives."""
    return "×".join(str(side) for side in row.output)


def params_text(count: int) -> str:
    """Parameters, in words."""
    return f"{count:,} parameters"


def kind_of(node: Node) -> Kind:
    """What a box is coloured by."""
    match node:
        case Pool():
            return "pool"
        case Depthwise():
            return "depthwise"
        case Attention() | Act() | Norm() | LRN():
            return "gate"
        case Dropout() | Linear():
            return "head"
        case Seq() | Concat() | Sum() | Product() | Split() | Residual():
            return "block"
        case Conv() | Ghost():
            return "conv"
        case Block():
            return "other"


def _fan(row: MeasuredNode, depth: int, look: Look) -> Figure:
    """Branches side by side, from an arrow that divides to a bar that fuses them."""
    labels = [_branch_label(row, child) for child in row.children]
    figures = [_branch(child, depth, look, label) for child, label in zip(row.children, labels, strict=True)]
    head = FAN if look.layout == "vertical" else FAN + max(text_width(label, SIZES["name"]) for label in labels)
    tall = max(figure.length for figure in figures)
    starts = _side_by_side(figures)
    axes = [start + figure.axis for start, figure in zip(starts, figures, strict=True)]
    axis, parts = (axes[0] + axes[-1]) / 2, list[tuple[float, float, Part | Figure]]()
    for start, place, figure, label in zip(starts, axes, figures, labels, strict=True):
        empty = figure.length == 0
        parts.append(
            (0, 0, Wire(((0, axis), (BUS, axis), (BUS, place), (head, place)), arrow=not (empty or figure.open)))
        )
        parts.append((head, start, figure))
        parts.append((head + figure.length, place, Wire(((0, 0), (tall - figure.length + GAP, 0)))))
        parts.append((BUS, place, _beside(label, look)))
    bar = _bar(row, axes[-1] - axes[0] + 2 * GAP, look)
    parts.append((head + tall + GAP, axis - bar.axis, bar))
    return _settled(head + tall + GAP + bar.length, axis, parts, figures, starts, bar)


def _side_by_side(figures: Sequence[Figure]) -> list[float]:
    starts = [0.0]
    for figure in figures[:-1]:
        starts.append(starts[-1] + figure.breadth + GAP * 0.7)
    return starts


def _settled(length: float, axis: float, parts: list[tuple[float, float, Part | Figure]], figures: Sequence[Figure],
             starts: Sequence[float], bar: Figure) -> Figure:  # fmt: skip
    """The figure of branches, moved so far that the bar has room beside them too."""
    before = max(0.0, bar.axis - axis)
    end = max(starts[-1] + figures[-1].breadth, axis + bar.breadth - bar.axis)
    return Figure(length, before + end, before + axis, tuple((u, v + before, part) for u, v, part in parts), open=True)


def _branch(child: MeasuredNode, depth: int, look: Look, label: str) -> Figure:
    """A branch with room for its label at the right of its arrow."""
    empty = isinstance(child.node, Seq) and not child.children
    figure = Figure(0.0, LEAST / 2, LEAST / 4) if empty else figure_of(child, depth - 1, look)
    if look.layout == "horizontal":
        return figure
    behind = max(figure.breadth - figure.axis, text_width(label, SIZES["name"]) + 8 if label else 0)
    return Figure(figure.length, figure.axis + behind, figure.axis, figure.parts, open=figure.open)


def _branch_label(row: MeasuredNode, child: MeasuredNode) -> str:
    """The name of a branch where it has one, and the channels that it is dealt."""
    name = child.path.rpartition(".")[2]
    dealt = f"{child.input[0]} channels" if isinstance(row.node, Split) else ""
    return ", ".join(part for part in ("" if name.isdigit() else cut(name, 24), dealt) if part)


def _beside(text: str, look: Look) -> Label:
    """A label beside an arrow: at its right where it goes down, above it where it goes to the right."""
    return Label(text, "name", (6.0, 15.0) if look.layout == "vertical" else (10.0, -5.0))


def _bar(row: MeasuredNode, wanted: float, look: Look) -> Figure:
    """What fuses branches, as wide as they stand apart."""
    node = row.node
    how = FUSED[node.how] if isinstance(node, Branches) else ""
    if isinstance(node, Concat | Sum) and node.stochastic_depth:
        how = f"{how}, stochastic depth {node.stochastic_depth:g}"
    bar = boxed("fuse", [("what", how), ("note", shape_text(row))], look, row, 0)
    if look.layout == "vertical" and wanted > text_width(f"{how} · {shape_text(row)}", SIZES["what"]) + PADDING:
        bar = boxed("fuse", [("what", f"{how} · {shape_text(row)}")], look, row, 0)
    across = max(bar.breadth, wanted)
    (_, _, box), *_ = bar.parts
    assert isinstance(box, Box)
    wide = Box(box.along, across, box.kind, box.lines, box.path, 0, box.tip)
    return Figure(bar.length, across, across / 2, ((0, 0, wide),))


def _arms(row: MeasuredNode, node: Residual, depth: int, look: Look) -> Figure:
    """A residual: the body with its factors on one arm, the shortcut on the other, and the sum where they meet."""
    body = column([figure_of(row.children[0], depth, look), *_factors(row, node, look)], GAP * 0.75)
    projection = figure_of(row.children[1], depth, look) if len(row.children) > 1 else None
    side = projection or Figure(0.0, 12.0, 6.0)
    length = max(body.length, side.length)
    note, radius = shape_text(row), 12.0
    before = max(body.axis, text_width(note, SIZES["note"]) + radius + 8 if look.layout == "vertical" else 34.0)
    axis, arm = before, before + body.breadth - body.axis + GAP * 0.7 + side.axis
    middle = FAN + length + GAP + radius
    start = FAN + (length - side.length) / 2
    dashed = projection is None
    parts: list[tuple[float, float, Part | Figure]] = [
        (0, axis, Wire(((0, 0), (FAN, 0)), arrow=not body.open)), (FAN, axis - body.axis, body),
        (FAN + body.length, axis, Wire(((0, 0), (middle - radius - FAN - body.length, 0)))),
        (0, 0, Wire(((0, axis), (BUS, axis), (BUS, arm), (start, arm)), not (dashed or side.open), dashed)),
        (start, arm - side.axis, side),
        (0, 0, Wire(((start + side.length, arm), (middle, arm), (middle, axis + radius)), dashed=dashed)),
        (middle, axis, Circle(radius)), (middle, axis, _sum_label(note, radius, look)),
    ]  # fmt: skip
    end = middle + radius
    if node.act:
        act = boxed("gate", [("what", str(node.act))], look)
        parts += [(end, axis, Wire(((0, 0), (GAP * 0.75, 0)))), (end + GAP * 0.75, axis - act.axis, act)]
        end += GAP * 0.75 + act.length
    return Figure(end, arm + side.breadth - side.axis, axis, tuple(parts), open=True)


def _sum_label(text: str, radius: float, look: Look) -> Label:
    """The shape of a sum, beside its circle and away from its shortcut."""
    if look.layout == "vertical":
        return Label(text, "note", (-radius - 6, 4), "end")
    return Label(text, "note", (0, -radius - 6), "middle")


def _factors(row: MeasuredNode, node: Residual, look: Look) -> list[Figure]:
    """What the body is multiplied by before it is added: a learned scale per channel, a scale; and what drops it."""
    found: list[Figure] = []
    if node.gamma is not None:
        params = row.output[0]
        lines: list[tuple[Style, str]] = [("what", f"× γ, from {node.gamma:g}")]
        if look.params:
            lines.append(("note", params_text(params)))
        found.append(boxed("gate", lines, look, row, params))
    if node.stochastic_depth:
        found.append(boxed("gate", [("what", f"stochastic depth {node.stochastic_depth:g}")], look))
    if node.scale != 1:
        found.append(boxed("gate", [("what", f"× {node.scale:g}")], look))
    return found
