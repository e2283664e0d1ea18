"""What one asks of a network by its name or as a value: `inceptionlab.measure("googlenet")`."""

from __future__ import annotations

from inceptionlab.analysis import difference, drawing, formulas, geometry
from inceptionlab.analysis.difference import Difference
from inceptionlab.analysis.figures import USUAL, Look
from inceptionlab.analysis.measured import MeasuredNetwork
from inceptionlab.spec.network import Network
from inceptionlab.zoo.naming import as_network


def measure(network: Network | str) -> MeasuredNetwork:
    """Measure every node of a network (a value, or what `network_of` reads) at its input size.

    Raises `SizeError` where pixels run out, naming the node, its input and the smallest image that works, `SpecError`
    for what is no network.
    """
    return geometry.measure(as_network(network))


def smallest_input(network: Network | str, limit: int = 2048) -> int | None:
    """The side in pixels of the smallest square image on which every node of a network (a value, or what `network_of`
    reads) has an output and grids that meet are equal; None where pixels run out even on `limit`.

    Raises `SpecError` where grids differ whatever the size, and for what is no network.
    """
    return geometry.smallest_input(as_network(network), limit)


def explain(network: Network | str, path: str) -> list[str]:
    """The formulas of the output, the parameters, the MACs and the receptive field of the node at an address of a
    network (a value, or what `network_of` reads).

    A pattern gives those of every node that matches, each below its address: "*" is any name, so that "*" alone means
    the top-level nodes, and "**" any number of names ("**.pool", "inception3a.**"). Raises `SpecError` with the nearest
    addresses for one that does not exist.
    """
    return formulas.explain(as_network(network), path)


def diff(a: Network | str, b: Network | str) -> Difference:
    """What made `b` of `a` (values, or what `network_of` reads): printed, a line for each change however many nodes it
    concerns, and the totals last.

    `diff(a, b).lines` has every node, `.groups` and `.changes` are typed records, `.equal` says whether there is none.
    Raises `SizeError` where one of them cannot be measured.
    """
    return difference.diff(as_network(a), as_network(b))


def draw(network: Network | str, path: str = "", depth: int = 8, look: Look = USUAL) -> str:
    """An SVG document of a network (a value, or what `network_of` reads), or of the node at `path`; blocks deeper than
    `depth` are one box each.

    `look` is the direction, whether parameters are written, and the colours. Hovering over a box shows its address,
    shapes and costs. Raises `SpecError` with the nearest addresses for one that does not exist.
    """
    return drawing.draw(as_network(network), path, depth, look)
