"""The vocabulary: a network is one value, a tree of fourteen kinds of node written like the table in its paper.

Nodes are frozen, so they compare, hash, print and serialise. Channel counts are never written as inputs: they are
threaded by `analysis.geometry` and `nn.building`, which is why removing a branch is one line.
Nothing in this module imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from inceptionlab.errors import SpecError, one_of
from inceptionlab.spec.leaves import (
    ACTS,
    CLASSES,
    LRN,
    STREAM,
    Act,
    ActKind,
    Attention,
    Block,
    Conv,
    Depthwise,
    Dropout,
    Ghost,
    Linear,
    Norm,
    NormKind,
    Padding,
    Pool,
    Size,
    as_norm,
    brief,
    pair,
)  # fmt: skip

Children: TypeAlias = "tuple[tuple[str, Node], ...]"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Seq:
    """One after another. Children are named by keyword, or by their position: `Seq(a=Conv(8))`, `Seq(Conv(8))`."""

    children: Children

    def __init__(self, *nodes: Node, **named: Node) -> None:
        object.__setattr__(self, "children", _children("Seq", nodes, named))

    def __repr__(self) -> str:
        return f"Seq({_arguments(self.children)})"


@dataclass(frozen=True, slots=True, repr=False)
class Branches:
    """Branches fused by `how`; written through `Concat`, `Sum`, `Product` and `Split`.

    Each branch reads the same input, except under "split", where the input channels are dealt out: every branch
    but the first gets `int(share * channels)` of them and the first gets the rest (`share=None`: equal parts).
    `drop_path` is the probability of dropping each branch of a concatenation or a sum for a picture.
    """

    how: Literal["concat", "sum", "product", "split"]
    children: Children
    share: float | None = None
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        one_of("Branches", "how", self.how, ("concat", "sum", "product", "split"))
        if not self.children:
            raise SpecError(f"{self.how.capitalize()}() has no branch: give it at least one")
        if not 0 <= self.drop_path < 1 or (self.drop_path and self.how not in ("concat", "sum")):
            raise SpecError(
                f"{self.how.capitalize()}(drop_path={self.drop_path}): branches are dropped from a concatenation or a "
                "sum with a probability of 0 <= p < 1"
            )

    def __repr__(self) -> str:
        share = "" if self.share is None else f", share={self.share}"
        drop = f", drop_path={self.drop_path}" if self.drop_path else ""
        return f"{self.how.capitalize()}({_arguments(self.children)}{share}{drop})"


@dataclass(frozen=True, slots=True, repr=False)
class Residual:
    """x + scale * gamma * body(x), then `act` (Inception-v4 paper, section 3.3 for `scale`).

    `shortcut=None` is the identity; "auto" is the identity where the shapes agree and otherwise a 1x1 convolution
    with norm (ResNet's option B); a node is that node. `gamma` starts a learned scale a channel (layer scale);
    `drop_path` is the probability of dropping the body for a picture.
    """

    __repr__ = brief

    body: Node
    scale: float = 1.0
    shortcut: Node | Literal["auto"] | None = None
    act: ActKind | None = "relu"
    gamma: float | None = None
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.drop_path < 1:
            raise SpecError(f"Residual(drop_path={self.drop_path}): it is a probability of dropping, 0 <= p < 1")


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
    | Branches
    | Residual
)
NODES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        Conv, Depthwise, Ghost, Pool, Norm, Act, Dropout, LRN, Attention, Linear, Block, Seq, Branches, Residual,
    )
}  # fmt: skip


def Concat(*nodes: Node, **named: Node) -> Branches:
    """Branches of the same input, concatenated along the channels in the order written."""
    return Branches("concat", _children("Concat", nodes, named))


def Sum(*nodes: Node, **named: Node) -> Branches:
    """Branches of the same input, added; all must have the same shape."""
    return Branches("sum", _children("Sum", nodes, named))


def Product(*nodes: Node, **named: Node) -> Branches:
    """Branches of the same input, multiplied element by element; all must have the same shape."""
    return Branches("product", _children("Product", nodes, named))


def Split(*nodes: Node, share: float | None = None, **named: Node) -> Branches:
    """The input channels are dealt out to the branches, then concatenated (InceptionNeXt, section 3.2)."""
    return Branches("split", _children("Split", nodes, named), share)


def _children(kind: str, nodes: tuple[Node, ...], named: dict[str, Node]) -> Children:
    children = (*((str(i), node) for i, node in enumerate(nodes)), *named.items())
    for name, node in children:
        if not isinstance(node, tuple(NODES.values())):
            raise SpecError(f"{kind}: child {name!r} is {node!r}, which is not a node; known are {', '.join(NODES)}")
    return children


def _arguments(children: Children) -> str:
    return ", ".join(repr(node) if name.isdigit() else f"{name}={node!r}" for name, node in children)


__all__ = [
    "Conv", "Depthwise", "Ghost", "Pool", "Norm", "Act", "Dropout", "LRN", "Attention", "Linear", "Block", "Seq",
    "Branches", "Concat", "Sum", "Product", "Split", "Residual", "Node", "NODES", "Children", "STREAM", "CLASSES",
    "ACTS", "Size", "Padding", "NormKind", "ActKind", "pair", "as_norm",
]  # fmt: skip
