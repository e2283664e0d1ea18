"""Addresses in a tree of nodes: walking it, finding a node by its dotted path, rewriting it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from typing import TypeVar

from inceptionlab.errors import SpecError, nearest
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Children, Concat, Container, Node, Product, Residual, Seq, Split, Sum

Tree = TypeVar("Tree", Network, Node)
Step = Callable[[str, Node], Node]


def children_of(node: Node | Network) -> Children:
    """The named children of a node; none for a leaf."""
    match node:
        case Container() | Network():
            return node.children
        case Residual(body=body, shortcut=shortcut):
            own = () if shortcut is None or shortcut == "auto" else (("shortcut", shortcut),)
            return (("body", body), *own)
        case _:
            return ()


def with_children(node: Node, children: Children) -> Node:
    """The node with other children. A `Residual` keeps its scale, branches their way to fuse and its settings."""
    match node:
        case Seq():
            return sequence(children)
        case Concat() | Sum():
            return type(node)(**named(children), stochastic_depth=node.stochastic_depth)
        case Product():
            return Product(**named(children))
        case Split():
            return Split(**named(children), share=node.share)
        case Residual():
            given = named(children)
            return replace(node, body=given["body"], shortcut=given.get("shortcut", node.shortcut))
        case _:
            return node


def named(children: Children) -> dict[str, Node]:
    """Children by name. Raises `SpecError` where two have the same."""
    if len(by_name := dict(children)) < len(children):
        raise SpecError(f"two of the children {', '.join(name for name, _ in children)} have the same name")
    return by_name


def sequence(children: Children) -> Seq:
    """A `Seq` of children with names. Positions are counted anew, a chain in a chain becomes part of it."""
    if not all(name.isdigit() for name, _ in children):
        return Seq(**named(children))
    return Seq(*chain.from_iterable(_links(node) for _, node in children))


def _links(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Seq) and all(name.isdigit() for name, _ in node.children):
        return tuple(child for _, child in node.children)
    return (node,)


def join(prefix: str, name: str) -> str:
    """`prefix.name`, or `name` at the top."""
    return f"{prefix}.{name}" if prefix else name


def walk(tree: Node | Network, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Every node with its address, parents first; the auxiliary heads of a network last."""
    if not isinstance(tree, Network):
        yield prefix, tree
    for name, child in children_of(tree):
        yield from walk(child, join(prefix, name))
    if isinstance(tree, Network):
        for aux in tree.aux:
            yield from walk(aux.head, aux.name)


def find(tree: Node | Network, path: str) -> Node:
    """The node at an address such as "mixed5b.pool"; an unknown one is refused with the nearest that exist."""
    nodes = dict(walk(tree))
    if path not in nodes:
        raise SpecError(f"no node stands at {path!r}; {nearest(path, (p for p in nodes if p))}")
    return nodes[path]


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*\.|\.\*\*|\*\*|\*)", pattern)
    glob = {"**.": r"(?:.*\.)?", ".**": r"(?:\..*)?", "**": ".*", "*": r"[^.]*"}
    return re.compile("".join(glob.get(part, re.escape(part)) for part in parts))


def matches(pattern: str, path: str) -> bool:
    """Whether an address matches: "*" is any name, "**" any number of names ("**.pool", "mixed6*.**")."""
    return _pattern(pattern).fullmatch(path) is not None


def rewrite(node: Node, step: Step, prefix: str = "") -> Node:
    """Apply `step(path, node)` to every node, children first."""
    pairs = children_of(node)
    new = tuple((name, rewrite(child, step, join(prefix, name))) for name, child in pairs)
    return step(prefix, node if new == pairs else with_children(node, new))


def rewrite_outermost(node: Node, wanted: Callable[[Node], bool], step: Step, prefix: str = "") -> Node:
    """Apply `step` to the outermost nodes that are `wanted`, and to nothing inside of them."""
    if wanted(node):
        return step(prefix, node)
    pairs = children_of(node)
    new = tuple((name, rewrite_outermost(child, wanted, step, join(prefix, name))) for name, child in pairs)
    return node if new == pairs else with_children(node, new)


def rewrite_children(seq: Seq, change: Callable[[Node, str], Node]) -> Seq:
    """Apply `change(node, path)` to the top-level nodes of a section; a top-level node keeps its name."""
    return sequence(tuple((name, change(child, name)) for name, child in seq.children))
