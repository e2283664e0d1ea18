"""What a rule is, and the ways it goes through a tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from inceptionlab.errors import SpecError
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Branches, Conv, Node, pair
from inceptionlab.spec.tree import Step, rewrite, rewrite_children, rewrite_outermost, walk

Tree = TypeVar("Tree", bound="Network | Node")


@dataclass(frozen=True, slots=True)
class Rule:
    """A named change of a tree. Call it on a node or a network; combine rules with `|`."""

    name: str
    change: Callable[[Any], Any]
    parts: tuple[Rule, ...] = ()

    def __call__(self, tree: Tree) -> Tree:
        """The changed tree. Raises `SpecError` where there is nothing to change."""
        if self.parts:
            for part in self.parts:
                tree = part(tree)
            return tree
        changed = self.change(tree)
        if changed == tree:
            where = tree.title if isinstance(tree, Network) else repr(tree)[:80]
            raise SpecError(f"the rule {self.name} changes nothing in {where}")
        if isinstance(changed, Network) and isinstance(tree, Network):
            rules = f"{tree.rules} | {self.name}" if tree.rules else self.name
            return cast(Tree, replace(changed, rules=rules))
        return cast(Tree, changed)

    def __or__(self, other: Rule) -> Rule:
        parts = (*(self.parts or (self,)), *(other.parts or (other,)))
        return Rule(f"{self.name} | {other.name}", self.change, parts)

    def __str__(self) -> str:
        return self.name


def on_convs(name: str, wanted: Callable[[Conv], bool], change: Callable[[Conv], Node]) -> Rule:
    """The rule that puts `change(conv)` in the place of every convolution that is `wanted`."""

    def step(_: str, node: Node) -> Node:
        return change(node) if isinstance(node, Conv) and wanted(node) else node

    return Rule(name, everywhere(step))


def everywhere(step: Step, whole: bool = False) -> Callable[[Any], Any]:
    """`step` on every node of a tree; of a network, on the body or (`whole`) on all of it."""
    return sections_of(lambda node, path: rewrite(node, step, path), whole)


def outermost(step: Step) -> Callable[[Any], Any]:
    """`step` on the outermost blocks of branches of a tree, or of a network's body."""
    return sections_of(lambda node, path: rewrite_outermost(node, lambda n: isinstance(n, Branches), step, path))


def sections_of(change: Callable[[Node, str], Node], whole: bool = False) -> Callable[[Any], Any]:
    """`change(node, path)` on a node, or on the top-level nodes of a network's body, or (`whole`) of all of it."""

    def apply(tree: Network | Node) -> Network | Node:
        if not isinstance(tree, Network):
            return change(tree, "")
        sections = ("stem", "body", "head") if whole else ("body",)
        new = {section: rewrite_children(getattr(tree, section), change) for section in sections}
        aux = tuple(replace(a, head=rewrite_children(a.head, change)) for a in tree.aux) if whole else tree.aux
        return replace(tree, **new, aux=aux)

    return apply


def strided(node: Node) -> bool:
    """Whether anything in the node makes the picture smaller."""
    return any(max(pair(getattr(child, "stride", 1))) > 1 for _, child in walk(node))
