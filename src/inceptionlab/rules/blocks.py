"""Rules that change blocks: their branches, how these are fused, residuals around them, attention on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, TypeAlias

from inceptionlab.errors import SpecError, nearest
from inceptionlab.rules.rule import Change, everywhere, on_networks, outermost, rule, strided
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import (
    Attention,
    AttentionKind,
    Branches,
    Concat,
    Conv,
    Ghost,
    Node,
    Product,
    Residual,
    Seq,
    Sum,
)  # fmt: skip
from inceptionlab.spec.tree import children_of, join, matches, named, sequence, walk, with_children
from inceptionlab.spec.values import Number, Probability

Place: TypeAlias = Literal["branch", "fusion", "residual", "sum", "stage"]
PLACES: tuple[Place, ...] = ("branch", "fusion", "residual", "sum", "stage")


@rule
def without_branch(name: str) -> Change:
    """Remove the branch called `name` from every block, or the one at an address (`"mixed5b.pool"`, `"*.pool"`).

    Example: googlenet | without_branch(pool)
    """
    pattern = name if "." in name or "*" in name else f"**.{name}"

    def step(path: str, node: Node) -> Node:
        if not isinstance(node, Branches):
            return node
        left = tuple((n, c) for n, c in node.children if not matches(pattern, join(path, n)))
        if not left:
            raise SpecError(f"{path or 'the block'}: without_branch({name}) leaves no branch")
        return with_children(node, left)

    def change(tree: Any) -> Any:
        changed = everywhere(step)(tree)
        if changed == tree:
            raise SpecError(f"without_branch: no branch is called {name!r}; {nearest(name, _branch_names(tree))}")
        return changed

    return change


@rule
def residual(scale: Number = 1.0) -> Change:
    """Every block of branches that keeps its size becomes x + scale * block(x), projected where widths differ.

    Example: small_v1 | residual(0.1)
    """

    def step(path: str, node: Node) -> Node:
        return node if strided(node) else Residual(node, scale, shortcut="auto")

    return outermost(step)


@rule
def rescale(scale: Number) -> Change:
    """Another scale of every residual that is there already (Inception-v4 paper, section 3.3: 0.1 to 0.3).

    Example: inception_resnet_v2 | rescale(0.3)
    """

    def step(_: str, node: Node) -> Node:
        return replace(node, scale=scale) if isinstance(node, Residual) else node

    return everywhere(step)


@rule
def unreduced() -> Change:
    """The naive module: branches without the 1 x 1 convolutions that stand before their larger ones and after their
    pool (GoogLeNet paper, figure 2a).

    Example: googlenet | unreduced
    """

    def step(_: str, node: Node) -> Node:
        if not isinstance(node, Branches):
            return node
        return with_children(node, tuple((name, _without_pointwise(child)) for name, child in node.children))

    return everywhere(step)


def _without_pointwise(branch: Node) -> Node:
    if not isinstance(branch, Seq):
        return branch
    left = tuple((n, c) for n, c in branch.children if not (isinstance(c, Conv) and c.kernel == c.stride == 1))
    return sequence(left) if left else branch


@rule
def attend(kind: AttentionKind = "cbam", where: Place = "fusion") -> Change:
    """Attention after each "branch", after the "fusion" of branches, on the "residual" before it is scaled, after
    the "sum", or at the end of each "stage".

    Example: small_v1 | attend(se, branch)
    """
    gate = Attention(kind)

    def branches(_: str, node: Node) -> Node:
        return with_children(node, tuple((name, _then(child, gate)) for name, child in children_of(node)))

    def residuals(_: str, node: Node) -> Node:
        if not isinstance(node, Residual):
            return node
        return replace(node, body=_then(node.body, gate)) if where == "residual" else Seq(block=node, attention=gate)

    changes: dict[Place, Change] = {
        "branch": outermost(branches),
        "fusion": outermost(lambda _, node: Seq(block=node, attention=gate)),
        "residual": everywhere(residuals),
        "sum": everywhere(residuals),
        "stage": on_networks("attend", lambda network: replace(network, body=_stages(network.body, gate))),
    }
    return changes[where]


@rule
def fuse(how: Literal["concat", "sum", "product"]) -> Change:
    """Fuse branches another way. For "sum" and "product" each branch is made as wide as the block was, so that the
    width of the network stays; blocks with a branch that does not end in a convolution are left.

    Example: small_v1 | fuse(sum)
    """

    def step(_: str, node: Node) -> Node:
        if not isinstance(node, Concat | Sum | Product) or node.how == how:
            return node
        if how == "concat":
            return Concat(
                **named(node.children), stochastic_depth=node.stochastic_depth if isinstance(node, Sum) else 0.0
            )
        widths = [width for _, child in node.children if (width := _last_width(child))]
        if len(widths) < len(node.children):
            return node
        total = sum(widths) if isinstance(node, Concat) else widths[0]
        children = named(tuple((name, _with_last_width(child, total)) for name, child in node.children))
        return Sum(**children, stochastic_depth=0.0) if how == "sum" else Product(**children)

    return everywhere(step)


@rule
def stochastic_depth(rate: Probability) -> Change:
    """Stochastic depth: the probability of dropping a residual body grows linearly with depth up to `rate`.

    A network without residuals drops the branches of its blocks instead (FractalNet's local stochastic_depth).

    Example: inception_next_tiny | stochastic_depth(0.1)
    """

    def change(tree: Any) -> Any:
        residuals = [path for path, node in walk(tree) if isinstance(node, Residual)]
        depths = residuals or _blocks_of(tree)

        def step(path: str, node: Node) -> Node:
            if path not in depths:
                return node
            p = round(rate * (depths.index(path) + 1) / len(depths), 6)
            if isinstance(node, Concat | Sum):
                return type(node)(**named(node.children), stochastic_depth=p)
            return replace(node, stochastic_depth=p) if isinstance(node, Residual) else node

        return everywhere(step)(tree)

    return change


def _blocks_of(tree: Any) -> list[str]:
    """The addresses of the outermost blocks whose branches are concatenated or added."""
    found: list[str] = []

    def note(path: str, node: Node) -> Node:
        if isinstance(node, Concat | Sum):
            found.append(path)
        return node

    outermost(note)(tree)
    return found


def _then(node: Node, gate: Node) -> Seq:
    """`node`, then `gate`; a chain is made longer, so that its names stay."""
    if isinstance(node, Seq):
        return sequence((*node.children, (str(len(node.children)), gate)))
    return Seq(node, gate)


def _stages(body: Seq, gate: Node) -> Seq:
    """The body with `gate` before each top-level node that has a stride, and at its end."""
    children: list[tuple[str, Node]] = []
    for name, node in body.children:
        if children and strided(node):
            children.append((f"attention{sum(child is gate for _, child in children) + 1}", gate))
        children.append((name, node))
    children.append((f"attention{sum(child is gate for _, child in children) + 1}", gate))
    return sequence(tuple(children))


def _last_width(node: Node) -> int | None:
    """The width of the convolution that a branch ends in; None where it ends in something else."""
    if isinstance(node, Conv | Ghost):
        return node.out if isinstance(node.out, int) else None
    return _last_width(node.children[-1][1]) if isinstance(node, Seq) and node.children else None


def _with_last_width(node: Node, width: int) -> Node:
    if isinstance(node, Seq):
        *first, (name, last) = node.children
        return sequence((*first, (name, _with_last_width(last, width))))
    return replace(node, out=width) if isinstance(node, Conv | Ghost) else node


def _branch_names(tree: Network | Node) -> set[str]:
    return {name for _, node in walk(tree) if isinstance(node, Branches) for name, _ in node.children}
