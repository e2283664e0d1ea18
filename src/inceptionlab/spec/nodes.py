"""The vocabulary: a network is one value, a tree of seventeen kinds of node written like the table in its paper.

Nodes are frozen, so they compare, hash, print and serialise. Channel counts are never written as inputs: they are
threaded by `analysis.geometry` and `nn.building`, which is why removing a branch is one line.
Nothing in this module imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Literal, TypeAlias

from inceptionlab.decoding import shown
from inceptionlab.errors import SpecError
from inceptionlab.spec.leaves import (
    ACTS,
    CLASSES,
    LRN,
    STREAM,
    Act,
    ActKind,
    Attention,
    AttentionKind,
    Block,
    Conv,
    Convolution,
    Depthwise,
    Dropout,
    Ghost,
    Linear,
    Norm,
    NormKind,
    Padding,
    Pool,
    Size,
    Sliding,
    Window,
    pair,
    probability,
)  # fmt: skip
from inceptionlab.spec.values import Number, Share, check, fields_of, value

DEEPEST, MOST = 64, 50_000
"""Levels and nodes of a tree, at most: far beyond any network, and what recursion and memory bear."""

Children: TypeAlias = "tuple[tuple[str, Node], ...]"


@dataclass(frozen=True, slots=True)
class Extent:
    """How many levels and nodes a tree has."""

    levels: int = 1
    nodes: int = 1


_LEAF = Extent()


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Container:
    """Named children; what `Seq` and the ways to fuse branches share.

    Children are named by keyword, or by their position: `Seq(a=Conv(8))`, `Seq(Conv(8))`.
    """

    children: Children
    extent: Extent = field(compare=False)

    def __init__(self, /, *nodes: Node, **named: Node) -> None:
        _fill(self, nodes, named)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(_arguments(self))})"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Seq(Container):
    """One after another; `Seq()` is the identity."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Fused(Container):
    """Branches of the same input, fused: what `Concat`, `Sum`, `Product` and `Split` share."""

    @property
    def how(self) -> str:
        """The way to fuse in a word: "concat", "sum", "product" or "split"."""
        return type(self).__name__.lower()


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Dropping(Fused):
    """Branches each of which is dropped for an image with the probability `stochastic_depth`: `Concat` and `Sum`."""

    stochastic_depth: float = 0.0

    def __init__(self, /, *nodes: Node, stochastic_depth: float = 0.0, **named: Node) -> None:
        _fill(self, nodes, named, stochastic_depth=stochastic_depth)
        probability(type(self).__name__, stochastic_depth=self.stochastic_depth)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Concat(Dropping):
    """Branches of the same input, concatenated along the channels in the order written."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Sum(Dropping):
    """Branches of the same input, added; all must have the same shape."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Product(Fused):
    """Branches of the same input, multiplied element by element; all must have the same shape."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Split(Fused):
    """The input channels are dealt out to the branches, then concatenated (InceptionNeXt, section 3.2).

    Every branch but the first gets `int(share * channels)` of them and the first gets the rest (`share=None`: equal
    parts).
    """

    share: Share | None = None

    def __init__(self, /, *nodes: Node, share: float | None = None, **named: Node) -> None:
        _fill(self, nodes, named, share=share)


@value
class Residual:
    """x + scale * gamma * body(x), then `act` (Inception-v4 paper, section 3.3 for `scale`).

    `shortcut=None` is the identity; "auto" is the identity where the shapes agree and otherwise a 1x1 convolution
    with norm (ResNet's option B); a node is that node. `gamma` starts a learned scale per channel (layer scale);
    `stochastic_depth` is the probability of dropping the body for an image.
    """

    body: Node
    scale: Number = 1.0
    shortcut: Node | Literal["auto"] | None = None
    act: ActKind | None = "relu"
    gamma: Number | None = None
    stochastic_depth: float = 0.0
    extent: Extent = field(default=_LEAF, init=False, compare=False)

    def __post_init__(self) -> None:
        probability("Residual", stochastic_depth=self.stochastic_depth)
        both = (self.body,) if self.shortcut is None or self.shortcut == "auto" else (self.body, self.shortcut)
        object.__setattr__(self, "extent", _extent(both))


Branches: TypeAlias = Concat | Sum | Product | Split
Node: TypeAlias = (
    Conv
    | Depthwise
    | Ghost
    | Pool
    | Norm
    | Act
    | Dropout
    | LRN
    | Attention
    | Linear
    | Block
    | Seq
    | Concat
    | Sum
    | Product
    | Split
    | Residual
)
NODES: dict[str, type[Node]] = {
    kind.__name__: kind
    for kind in (
        Conv, Depthwise, Ghost, Pool, Norm, Act, Dropout, LRN, Attention, Linear, Block, Seq, Concat, Sum, Product,
        Split, Residual,
    )
}  # fmt: skip
_KINDS = tuple(NODES.values())
_RESERVED = {
    "stochastic_depth": "branches are dropped from a concatenation or a sum, by a number",
    "share": "channels are dealt out by Split, by a number",
}


def _fill(made: Container, nodes: tuple[Node, ...], named: dict[str, Node], **more: object) -> None:
    """Set the fields of a container. Raises `SpecError` for what is no child, no name or no value of a field."""
    kind = type(made).__name__
    children = (*((str(i), node) for i, node in enumerate(nodes)), *named.items())
    for name, node in children:
        _check_child(kind, name, node)
    if len({name for name, _ in children}) < len(children):
        raise SpecError(f"{kind}: a name stands twice among {', '.join(name for name, _ in children)}")
    if not children and isinstance(made, Fused):
        raise SpecError(f"{kind}() has no branch: give it at least one")
    for name, given in (("children", children), ("extent", _extent(node for _, node in children)), *more.items()):
        object.__setattr__(made, name, given)
    check(made)


def _check_child(kind: str, name: str, node: object) -> None:
    if name in _RESERVED:
        raise SpecError(f"{kind}({name}={shown(node)}): {_RESERVED[name]}")
    if not isinstance(node, _KINDS):
        raise SpecError(f"{kind}: child {name!r} is {shown(node)}, which is not a node; known are {', '.join(NODES)}")
    if not name or "." in name or not name.isprintable():
        raise SpecError(f"{kind}: a child is called {shown(name)}; names are parts of addresses: give one without dots")


def _extent(nodes: Iterator[Node] | tuple[Node, ...]) -> Extent:
    """The extent of what holds these nodes. Raises `SpecError` where that is more than a network can be."""
    inner = [node.extent if isinstance(node, Container | Residual) else _LEAF for node in nodes]
    levels = 1 + max((extent.levels for extent in inner), default=0)
    count = 1 + sum(extent.nodes for extent in inner)
    if levels > DEEPEST:
        raise SpecError(f"the tree is nested too deeply to be a network: it has more than {DEEPEST} levels")
    if count > MOST:
        raise SpecError(f"the tree is too large to be a network: it has more than {MOST:,} nodes")
    return Extent(levels, count)


def _arguments(made: Container) -> Iterator[str]:
    """A container's children and fields as Python writes them; `**{...}` for a name that can be no keyword."""
    leading = True
    for i, (name, node) in enumerate(made.children):
        leading = leading and name == str(i)
        word = name.isidentifier() and name.isascii() and not iskeyword(name)
        yield repr(node) if leading else f"{name}={node!r}" if word else f"**{{{name!r}: {node!r}}}"
    for entry in fields_of(type(made))[1:]:
        given = getattr(made, entry.name)
        if given != entry.default:
            yield f"{entry.name}={given!r}"


__all__ = [
    "Conv", "Depthwise", "Ghost", "Pool", "Norm", "Act", "Dropout", "LRN", "Attention", "Linear", "Block", "Seq",
    "Container", "Branches", "Concat", "Sum", "Product", "Split", "Residual", "Node", "NODES", "Children", "STREAM",
    "CLASSES", "ACTS", "Size", "Padding", "NormKind", "ActKind", "AttentionKind", "Window", "Convolution", "Sliding",
    "pair",
]  # fmt: skip
