"""The same output made another way, and what that costs: without 1 x 1 reductions, by smaller or separable
convolutions, or by the one convolution that a chain stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from inceptionlab.analysis.arithmetic import macs_text, parameters_text
from inceptionlab.analysis.geometry import measure_node
from inceptionlab.analysis.measured import MeasuredNode
from inceptionlab.errors import SpecError
from inceptionlab.spec.factors import in_bands, in_squares, separated
from inceptionlab.spec.nodes import Branches, Conv, Depthwise, Node, Seq, pair
from inceptionlab.spec.tree import with_children

MOST = 3
"""Convolutions of an alternative whose arithmetic is written out; of more the sums stand there."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way to the output of a node: `what` it is, and the node measured."""

    what: str
    row: MeasuredNode

    def against(self, row: MeasuredNode) -> str:
        """Its costs as arithmetic, and how many times those of the node `row` they are."""
        other = self.row
        parts = [leaf for leaf in other.walk() if not leaf.children and leaf.params] or [other]
        few = len(parts) <= MOST
        parameters = f"{' + '.join(parameters_text(one) for one in parts)} = " if few else ""
        macs = f"{' + '.join(macs_text(one) for one in parts)} = " if few else ""
        return (
            f"{self.what}: parameters = {parameters}{other.params:,} ({_times(other.params, row.params)}), "
            f"MACs = {macs}{other.macs:,} ({_times(other.macs, row.macs)})"
        )


def _times(other: int, own: int) -> str:
    return f"{other / own:.2f} times" if own else "no part of them"


def alternatives(row: MeasuredNode) -> list[Alternative]:
    """The ways that the family's papers compare a node with; none for a node that they do not."""
    found = [(what, _measured(node, row)) for what, node in _others(row.node)]
    return [Alternative(what, other) for what, other in found if other is not None and other.output == row.output]


def _measured(node: Node, row: MeasuredNode) -> MeasuredNode | None:
    try:
        return measure_node(node, row.input, path=row.path)
    except SpecError:  # a part of a residual that is as wide as its stream, or a size that does not come out
        return None


def _others(node: Node) -> Iterator[tuple[str, Node]]:
    match node:
        case Conv():
            yield from _smaller(node)
        case Seq():
            if (plain := _unreduced(node)) != node:
                yield "without the 1×1 reduction", plain
            if (whole := _whole(node)) != node:
                yield f"as {_words(whole)}", whole
        case _ if isinstance(node, Branches):
            plain = with_children(node, tuple((name, _unreduced(child)) for name, child in node.children))
            if plain != node:
                yield "without the 1×1 reductions", plain
        case _:
            return


def _smaller(conv: Conv) -> Iterator[tuple[str, Node]]:
    """What a dense convolution can be made of."""
    height, width = pair(conv.kernel)
    if conv.groups > 1 or not isinstance(conv.out, int) or max(height, width) == 1:
        return
    if height == width and height % 2 and conv.dilation == 1:
        if height >= 5:
            yield f"as {(height - 1) // 2} of 3×3", in_squares(conv)
        yield f"as 1×{width} and {height}×1", in_bands(conv)
    yield "as depthwise and 1×1", separated(conv)


def _unreduced(node: Node) -> Node:
    """A chain without the 1 x 1 convolution that stands before a larger one."""
    if not isinstance(node, Seq) or len(node.children) < 2:
        return node
    (_, first), (_, second), *_ = node.children
    reduces = isinstance(first, Conv) and pair(first.kernel) == pair(first.stride) == (1, 1)
    larger = isinstance(second, Conv | Depthwise) and max(pair(second.kernel)) > 1
    return Seq(*(child for _, child in node.children[1:])) if reduces and larger else node


def _whole(node: Seq) -> Seq:
    """A chain with each run of small convolutions as the one that sees as much."""
    found: list[Node] = []
    for _, child in node.children:
        last = found[-1] if found else None
        joined = _joined(last, child) if last is not None else None
        found = [*found[:-1], joined] if joined is not None else [*found, child]
    return Seq(*found)


def _joined(first: Node, second: Node) -> Conv | None:
    """The one convolution that two stand for: 1 x n and n x 1, n x n and 3 x 3, depthwise and 1 x 1."""
    if not isinstance(second, Conv) or second.groups > 1 or second.dilation != 1:
        return None
    if isinstance(first, Depthwise):
        fits = pair(second.kernel) == (1, 1) and second.stride == 1 and first.multiplier == 1
        one = replace(second, kernel=first.kernel, stride=first.stride, pad=first.pad, dilation=first.dilation)
        return one if fits else None
    if not isinstance(first, Conv) or first.groups > 1 or first.dilation != 1:
        return None
    (a, b), (c, d) = pair(first.kernel), pair(second.kernel)
    bands = ((a, d) == (1, 1) and b == c > 1) or ((b, c) == (1, 1) and a == d > 1)
    squares = a == b > 1 and (c, d) == (3, 3) and first.stride == 1
    if bands:
        strides = [max(sides) for sides in zip(pair(first.stride), pair(second.stride), strict=True)]
        return replace(second, kernel=max(a, b), stride=(strides[0], strides[1]))
    return replace(second, kernel=a + 2) if squares else None


def _words(chain: Seq) -> str:
    """The convolutions of a chain by their kernels."""
    kernels = [pair(node.kernel) for _, node in chain.children if isinstance(node, Conv | Depthwise)]
    return " → ".join(f"{height}×{width}" for height, width in kernels)
