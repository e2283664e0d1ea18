"""Diagrams of modules and networks as SVG, laid out from the spec: what is drawn is what is built.

Every figure has its origin at its top left, its way in at the middle of its top and its way out at the middle of
its bottom.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from inceptionlab.analysis.geometry import measure, measure_node
from inceptionlab.analysis.measured import MeasuredNode
from inceptionlab.analysis.words import describe
from inceptionlab.errors import SpecError, nearest
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Act, Attention, Branches, Dropout, Linear, Node, Norm, Pool, Residual, Seq

BOX, TALL, GAP, FAN = 138.0, 40.0, 18.0, 30.0
STYLE = """
svg { font-family: system-ui, "Noto Sans", sans-serif; background: #fff }
.box { stroke: #33415522; stroke-width: 1 } .line { stroke: #64748b; stroke-width: 1.4; fill: none }
.conv { fill: #cfe3fb } .pool { fill: #fbdada } .fuse { fill: #d3f1dc }
.gate { fill: #fdecc4 } .other { fill: #e8eaee }
text { fill: #0f172a; text-anchor: middle; font-size: 12px } .small { fill: #64748b; font-size: 10px }
.name { fill: #64748b; font-size: 11px; text-anchor: start }
@media (prefers-color-scheme: dark) {
  svg { background: #0f172a } text { fill: #e2e8f0 } .small, .name { fill: #94a3b8 } .line { stroke: #94a3b8 }
  .conv { fill: #1e3a5f } .pool { fill: #5b2530 } .fuse { fill: #1d4a33 }
  .gate { fill: #57451a } .other { fill: #2a3447 }
}
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """A laid-out part of a drawing: its size and its SVG elements."""

    width: float
    height: float
    parts: tuple[str, ...]

    def at(self, x: float, y: float) -> str:
        """The elements moved to a place."""
        return f'<g transform="translate({x:g},{y:g})">{"".join(self.parts)}</g>'


def draw(network: Network, path: str = "", depth: int = 8) -> str:
    """An SVG document of a network, or of the node at `path`; blocks deeper than `depth` are one box each."""
    measured = measure(network)
    if not path:
        figure = _column([_labelled(row, depth) for row in measured.children])
        return _document(_with_input(figure, describe_input(network)), network.title)
    rows = {row.path: row for row in measured.walk()}
    if path not in rows:
        raise SpecError(f"{network.name} has no node {path!r}; {nearest(path, rows)}")
    row = rows[path]
    return _document(_with_input(_figure(row, depth), "×".join(map(str, row.input))), f"{network.title}: {path}")


def draw_node(node: Node, shape: tuple[int, int, int], title: str = "") -> str:
    """An SVG document of one node on an input of `shape` (channels, height, width)."""
    row = measure_node(node, shape)
    return _document(_with_input(_figure(row, 8), "×".join(map(str, shape))), title or describe(node))


def describe_input(network: Network) -> str:
    """The input of a network in words."""
    return "input " + "×".join(str(side) for side in network.input.shape)


def _figure(row: MeasuredNode, depth: int) -> Figure:
    if depth <= 1 or not isinstance(row.node, Seq | Branches | Residual):
        return _box(describe(row.node), _shape(row), _class(row.node))
    if isinstance(row.node, Branches):
        return _fan(row, depth)
    if isinstance(row.node, Residual):
        return _bypass(row, depth)
    return _column([_figure(child, depth) for child in row.children]) if row.children else _line(FAN)


def _box(label: str, note: str, kind: str) -> Figure:
    label = label if len(label) <= 24 else label[:23] + "…"
    parts = (
        f'<rect class="box {kind}" width="{BOX:g}" height="{TALL:g}" rx="7"/>',
        f'<text x="{BOX / 2:g}" y="17">{escape(label)}</text>',
        f'<text class="small" x="{BOX / 2:g}" y="32">{escape(note)}</text>',
    )
    return Figure(BOX, TALL, parts)


def _line(height: float) -> Figure:
    return Figure(0.0, height, (_path(0, 0, 0, height),))


def _path(x: float, y: float, x2: float, y2: float) -> str:
    middle = (y + y2) / 2
    bend = f"L{x2:g},{y2:g}" if x == x2 else f"C{x:g},{middle:g} {x2:g},{middle:g} {x2:g},{y2:g}"
    return f'<path class="line" d="M{x:g},{y:g}{bend}"/>'


def _column(figures: list[Figure]) -> Figure:
    width = max(figure.width for figure in figures)
    parts: list[str] = []
    y = 0.0
    for i, figure in enumerate(figures):
        if i:
            parts.append(_path(width / 2, y, width / 2, y + GAP))
            y += GAP
        parts.append(figure.at((width - figure.width) / 2, y))
        y += figure.height
    return Figure(width, y, tuple(parts))


def _fan(row: MeasuredNode, depth: int) -> Figure:
    figures = [_figure(child, depth - 1) for child in row.children]
    width = max(BOX, sum(f.width for f in figures) + GAP * (len(figures) - 1))
    tall, parts = max(f.height for f in figures), list[str]()
    x = (width - sum(f.width for f in figures) - GAP * (len(figures) - 1)) / 2
    for figure in figures:
        middle, bottom = x + figure.width / 2, FAN + figure.height
        parts += [figure.at(x, FAN), _path(width / 2, 0, middle, FAN)]
        parts += [_path(middle, bottom, middle, FAN + tall), _path(middle, FAN + tall, width / 2, 2 * FAN + tall)]
        x += figure.width + GAP
    how = row.node.how if isinstance(row.node, Branches) else ""
    how = {"split": "split, concat", "sum": "+", "product": "×"}.get(how, how)
    parts.append(_box(how, _shape(row), "fuse").at((width - BOX) / 2, 2 * FAN + tall))
    return Figure(width, 2 * FAN + tall + TALL, tuple(parts))


def _bypass(row: MeasuredNode, depth: int) -> Figure:
    body = _figure(row.children[0], depth)
    node = row.node
    scale = f"+ {node.scale:g} ·" if isinstance(node, Residual) and node.scale != 1 else "+"
    scale = f"{scale} γ ·" if isinstance(node, Residual) and node.gamma is not None else scale
    right = body.width + 2 * GAP
    height, middle = body.height + FAN + GAP, body.width / 2 + GAP
    foot = height + TALL / 2
    side = (
        f'<path class="line" stroke-dasharray="4 3" d="M{middle:g},0 C{right:g},0 {right:g},0 {right:g},{FAN:g}'
        f'L{right:g},{height - FAN:g} C{right:g},{foot:g} {right:g},{foot:g} {middle + BOX / 2:g},{foot:g}"/>'
    )
    parts = [side, _path(middle, 0, middle, FAN), body.at(GAP, FAN), _path(middle, height - GAP, middle, height)]
    parts.append(_box(scale, _shape(row), "fuse").at(middle - BOX / 2, height))
    return Figure(body.width + 2 * GAP, height + TALL, tuple(parts))


def _labelled(row: MeasuredNode, depth: int) -> Figure:
    figure = _figure(row, depth)
    name = f'<text class="name" x="{figure.width / 2 + 6:g}" y="-4">{escape(row.path)}</text>'
    return Figure(figure.width, figure.height, (*figure.parts, name))


def _with_input(figure: Figure, label: str) -> Figure:
    return _column(
        [Figure(BOX, 18.0, (f'<text x="{BOX / 2:g}" y="13">{escape(label)}</text>',)), figure, _line(FAN / 2)]
    )


def _shape(row: MeasuredNode) -> str:
    return "×".join(str(side) for side in row.output)


def _class(node: Node) -> str:
    if isinstance(node, Pool):
        return "pool"
    if isinstance(node, Attention | Act | Norm):
        return "gate"
    return "other" if isinstance(node, Dropout | Linear) else "conv"


def _document(figure: Figure, title: str) -> str:
    width, height = figure.width + 60, figure.height + 60
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img"><title>{escape(title)}</title><style>{STYLE}</style>'
        f'<text x="{width / 2:g}" y="18" font-weight="600">{escape(title)}</text>{figure.at(30, 32)}</svg>\n'
    )
