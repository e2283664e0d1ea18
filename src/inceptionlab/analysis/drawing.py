"""Diagrams of networks and modules, laid out from the spec: what is drawn is what is built.

A network is a tree of chains and branches, so its places follow from the sizes of its parts by addition; a library for
graphs in general would have to find again what the tree says.
"""

from __future__ import annotations

from collections.abc import Sequence

from inceptionlab.analysis.blocks import box_of, boxed, chain, figure_of, params_text, repeated, runs
from inceptionlab.analysis.figures import GAP, USUAL, Figure, Look, Part, Wire, column, panel
from inceptionlab.analysis.geometry import measure, measure_node
from inceptionlab.analysis.measured import MeasuredNetwork, MeasuredNode
from inceptionlab.analysis.scene import Scene, scene_of
from inceptionlab.analysis.svg import Drawing, to_svg
from inceptionlab.analysis.words import describe
from inceptionlab.errors import SpecError, nearest
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Branches, Node, Residual, Seq

AUX_GAP = 40.0


def draw(network: Network, path: str = "", depth: int = 8, look: Look = USUAL) -> Drawing:
    """An SVG document of a network, or of the node at `path`; blocks deeper than `depth` are one box each.

    `look` is the direction, whether parameters are written, and the colours. Hovering over a box shows its address,
    shapes and costs. Raises `SpecError` with the nearest addresses for one that does not exist.
    """
    return to_svg(scene(network, path, depth, look), look)


def draw_node(node: Node, shape: tuple[int, int, int], title: str = "", look: Look = USUAL) -> Drawing:
    """An SVG document of one node on an input of `shape` (channels, height, width)."""
    return to_svg(_node_scene(measure_node(node, shape), title or describe(node), 8, look), look)


def scene(network: Network, path: str = "", depth: int = 8, look: Look = USUAL) -> Scene:
    """The shapes of a drawing, for a writer of another format. Arguments and errors are those of `draw`."""
    measured = measure(network)
    if path:
        rows = {row.path: row for row in measured.walk()}
        if path not in rows:
            raise SpecError(f"{network.name} has no node {path!r}; {nearest(path, rows)}")
        return _node_scene(rows[path], f"{network.title}: {path}", depth, look)
    figure = _network_figure(measured, depth, look)
    about = f"{measured.params:,} parameters, {measured.macs:,} multiply-adds"
    with_aux = f"; with auxiliary heads {measured.params_with_aux:,} parameters" if measured.aux else ""
    return scene_of(figure, network.title, about + with_aux, look)


def describe_input(network: Network) -> str:
    """The input of a network in words."""
    return "input " + _sides(network.input.shape)


def _sides(shape: tuple[int, int, int]) -> str:
    return "×".join(str(side) for side in shape)


def _node_scene(row: MeasuredNode, title: str, depth: int, look: Look) -> Scene:
    figure = column([_input(f"input {_sides(row.input)}", look), figure_of(row, depth, look), _end()])
    return scene_of(figure, title, f"{row.params:,} parameters, {row.macs:,} multiply-adds", look)


def _input(text: str, look: Look) -> Figure:
    return boxed("input", [("note", text)], look)


def _end() -> Figure:
    return Figure(0.0, 2.0, 1.0)


def _network_figure(measured: MeasuredNetwork, depth: int, look: Look) -> Figure:
    """The chain of the top-level nodes, with the auxiliary heads beside it."""
    network = measured.network
    groups = _groups(measured.children, {aux.after for aux in network.aux}) if look.fold else [
        [row] for row in measured.children]  # fmt: skip
    figures = [_input(describe_input(network), look), *(_top(group, depth, look) for group in groups), _end()]
    main = column(figures)
    exits, along = dict[str, float](), figures[0].length + GAP
    for group, figure in zip(groups, figures[1:], strict=False):
        exits.update({row.path: along + figure.length for row in group})
        along += figure.length + GAP
    heads = [
        (exits[aux.after], _aux(row, aux.weight, depth, look))
        for aux, row in zip(network.aux, measured.aux, strict=True)
    ]
    return _with_heads(main, heads)


def _groups(rows: Sequence[MeasuredNode], cut_after: set[str]) -> list[list[MeasuredNode]]:
    """Equal blocks in a row; a group ends where an auxiliary head hangs."""
    groups: list[list[MeasuredNode]] = []
    for group in runs(rows):
        groups.append([])
        for row in group:
            groups[-1].append(row)
            if row.path in cut_after and row is not group[-1]:
                groups.append([])
    return groups


def _top(group: list[MeasuredNode], depth: int, look: Look) -> Figure:
    """A top-level node, or equal ones in a row: a box by its name, or its figure on a panel."""
    row, names = group[0], [row.path for row in group]
    if depth <= 1 or not isinstance(row.node, Seq | Branches | Residual):
        if len(group) == 1:
            return box_of(row, look, row.path)
        return repeated(box_of(row, look), names, len(group), look)
    figure = chain(row.children, depth, look) if isinstance(row.node, Seq) and row.children else figure_of(
        row, depth, look)  # fmt: skip
    if len(group) > 1:
        return repeated(figure, names, len(group), look)
    return panel(figure, names, params_text(row.params) if look.params and row.params else "", look)


def _aux(row: MeasuredNode, weight: float, depth: int, look: Look) -> Figure:
    note = f"auxiliary, loss × {weight:g}"
    return panel(figure_of(row, max(depth, 2), look), [row.path], note, look, closed=True)


def _with_heads(main: Figure, heads: Sequence[tuple[float, Figure]]) -> Figure:
    """The main chain with auxiliary heads beside it, each where it hangs. The last is nearest, so that no arrow to one
    crosses another.
    """
    parts: list[tuple[float, float, Part | Figure]] = [(0, 0, main)]
    lane, across, first = main.breadth, main.breadth, float("inf")
    length = main.length
    for place, figure in reversed(heads):
        start = place + GAP / 2 + 18
        if start + figure.length > first:
            lane = across
        side = lane + AUX_GAP
        way = ((place, main.axis), (place + GAP / 2, main.axis), (place + GAP / 2, side + figure.axis),
               (start, side + figure.axis))  # fmt: skip
        parts += [(0, 0, Wire(way)), (start, side, figure)]
        across, first = max(across, side + figure.breadth), start
        length = max(length, start + figure.length)
    return Figure(length, across, main.axis, tuple(parts))
