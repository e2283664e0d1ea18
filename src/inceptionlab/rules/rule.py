"""What a rule is, and the ways it goes through a tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, wraps
from inspect import Parameter, signature
from keyword import iskeyword
from typing import Any, ParamSpec, TypeAlias, TypeVar, get_type_hints

from inceptionlab.decoding import shown
from inceptionlab.errors import SpecError
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import NODES, Block, Branches, Conv, Node, Sliding
from inceptionlab.spec.tree import Step, rewrite, rewrite_children, rewrite_outermost, walk
from inceptionlab.spec.values import fitting

Tree = TypeVar("Tree", bound="Network | Node")
Given = ParamSpec("Given")
Argument: TypeAlias = Node | str | int | float | None
Change: TypeAlias = Callable[[Any], Any]
"""A function from a network to a network, and from a node to a node where it can be."""

LONGEST = 100
"""Calls in a chain, at most: each takes time for every node."""


@dataclass(frozen=True, slots=True)
class Call:
    """One link of a rule: the name of a function of `RULES` and its arguments, those that are their default left out
    but for the first. `change` follows from them.
    """

    function: str
    arguments: tuple[Argument, ...]
    keywords: tuple[tuple[str, Argument], ...]
    change: Change = field(compare=False, repr=False)

    def __str__(self) -> str:
        named = [f"{name}={_written(argument)}" for name, argument in self.keywords]
        inside = ", ".join([*map(_written, self.arguments), *named])
        return f"{self.function}({inside})" if inside else self.function

    def apply(self, tree: Tree) -> Tree:
        """The changed tree; a network notes the text. Raises `SpecError` where nothing is changed."""
        changed = self.change(tree)
        if changed == tree:
            where = tree.title if isinstance(tree, Network) else shown(tree)
            raise SpecError(f"the rule {self} changes nothing in {where}")
        return _noted(changed, str(self))


@dataclass(frozen=True, slots=True)
class Rule:
    """A named change of a tree, as data: calls that are done one after another.

    Call it on a node or a network; combine rules with `|`. `str(rule)` is its text, which `parse_rule` reads back as
    the same rule, unless a `Block` stands in it: a function of your own has no text.
    """

    calls: tuple[Call, ...]

    def __post_init__(self) -> None:
        if len(self.calls) > LONGEST:
            raise SpecError(f"a chain of {len(self.calls):,} rules is too long; give at most {LONGEST}")

    @property
    def name(self) -> str:
        """The text of the rule."""
        return str(self)

    def __call__(self, tree: Tree) -> Tree:
        """The changed tree. Raises `SpecError` where there is nothing to change."""
        if not isinstance(tree, (Network, *NODES.values())):
            raise SpecError(f"the rule {self} changes networks and nodes; it was given {shown(tree)}")
        for call in self.calls:
            tree = call.apply(tree)
        return tree

    def __or__(self, other: Rule) -> Rule:
        return Rule((*self.calls, *other.calls))

    def __str__(self) -> str:
        return " | ".join(map(str, self.calls))


def rule(function: Callable[Given, Change]) -> Callable[Given, Rule]:
    """Make a function from arguments to a change one from arguments to a rule.

    Arguments are checked against the annotations. Raises `SpecError` for a wrong type or range, `TypeError` for an
    argument that does not exist.
    """
    changing: Callable[..., Change] = function

    @wraps(function)
    def make(*args: Given.args, **kwargs: Given.kwargs) -> Rule:
        name = function.__name__
        try:
            bound = signature(function).bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
        bound.apply_defaults()
        hints, arguments, keywords = _hints(function), list[Argument](), dict[str, Argument]()
        for parameter, given in bound.arguments.items():
            fitted = fitting(name, parameter, given, hints[parameter])
            default = signature(function).parameters[parameter].default
            if not arguments or default is Parameter.empty:
                arguments.append(fitted)
            elif fitted != default:
                keywords[parameter] = fitted
        change = changing(*arguments, **keywords)
        return Rule((Call(name, tuple(arguments), tuple(keywords.items()), change),))

    return make


@cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(function, include_extras=True)


def _written(argument: Argument) -> str:
    """An argument as `parse_rule` reads it: plain words bare, whole numbers without a point."""
    if isinstance(argument, str):
        plain = argument.isidentifier() and argument.isascii() and not iskeyword(argument)
        return argument if plain else repr(argument)
    if isinstance(argument, float) and argument.is_integer() and abs(argument) < 1e15:
        return str(int(argument))
    return repr(argument)


def _noted(changed: Any, text: str) -> Any:
    if not isinstance(changed, Network):
        return changed
    return replace(changed, rules=f"{changed.rules} | {text}" if changed.rules else text)


def on_convs(wanted: Callable[[Conv], bool], change: Callable[[Conv], Node]) -> Change:
    """The change that puts `change(conv)` in the place of every convolution that is `wanted`."""

    def step(_: str, node: Node) -> Node:
        return change(node) if isinstance(node, Conv) and wanted(node) else node

    return everywhere(step)


def everywhere(step: Step, whole: bool = False) -> Change:
    """`step` on every node of a tree; of a network, on the body or (`whole`) on all of it."""
    return sections_of(lambda node, path: rewrite(node, step, path), whole)


def outermost(step: Step) -> Change:
    """`step` on the outermost blocks of branches of a tree, or of a network's body."""
    return sections_of(lambda node, path: rewrite_outermost(node, lambda n: isinstance(n, Branches), step, path))


def on_networks(name: str, change: Callable[[Network], Network]) -> Change:
    """A change of networks alone. Raises `SpecError` for a node on its own."""

    def apply(tree: Network | Node) -> Network:
        if not isinstance(tree, Network):
            raise SpecError(f"the rule {name} changes a whole network; it was given {shown(tree)}")
        return change(tree)

    return apply


def sections_of(change: Callable[[Node, str], Node], whole: bool = False) -> Change:
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
    """Whether anything in the node makes the image smaller."""
    return any(_stride(child) > 1 for _, child in walk(node))


def _stride(node: Node) -> int:
    if isinstance(node, Sliding):
        return max(node.window.stride)
    return node.stride if isinstance(node, Block) else 1
