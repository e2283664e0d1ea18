"""Rules as text: `residual(0.1) | attend(cbam)`, read without evaluating any code."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from inceptionlab.decoding import shown
from inceptionlab.errors import SpecError, nearest
from inceptionlab.rules import blocks, convolutions, networks, strides
from inceptionlab.rules.rule import Rule
from inceptionlab.spec.nodes import NODES, Node

Made = TypeVar("Made")

RULES: dict[str, Callable[..., Rule]] = {
    "without_branch": blocks.without_branch,
    "residual": blocks.residual,
    "rescale": blocks.rescale,
    "unreduced": blocks.unreduced,
    "attend": blocks.attend,
    "fuse": blocks.fuse,
    "stochastic_depth": blocks.stochastic_depth,
    "factorize": convolutions.factorize,
    "asymmetric": convolutions.asymmetric,
    "dilate": convolutions.dilate,
    "ghost": convolutions.ghost,
    "separable": convolutions.separable,
    "norm": convolutions.norm,
    "batch_norm": convolutions.batch_norm,
    "activation": convolutions.activation,
    "widen": convolutions.widen,
    "dropout": networks.dropout,
    "aux_after": networks.aux_after,
    "output_stride": strides.output_stride,
    "small_stem": networks.small_stem,
    "whitened": networks.whitened,
    "replace": networks.replace,
}
_NODES: dict[str, Callable[..., Node]] = {name: kind for name, kind in NODES.items() if name != "Block"}
LONGEST_TEXT = 100_000
"""Characters of a rule, at most."""


def parse_rule(text: str) -> Rule:
    """The rule that a text writes. Words without quotes are strings; nodes are written as in Python.

    Raises `SpecError` for anything that is not a chain of known rules with arguments that they take.
    """
    text = text.strip()
    if len(text) > LONGEST_TEXT:
        raise SpecError(f"a rule of {len(text):,} characters is too long; give at most {LONGEST_TEXT:,}")
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise SpecError(f"{shown(text)} is not a rule: {error.msg}; {_EXAMPLE}") from None
    except (ValueError, RecursionError, MemoryError):  # a null byte; more levels than Python reads
        raise SpecError(f"{shown(text)} is not a rule: it is nested too deeply, or no text; {_EXAMPLE}") from None
    links: list[ast.expr] = []
    while isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitOr):
        links.append(tree.right)
        tree = tree.left
    rules = [_link(link, text) for link in (tree, *reversed(links))]
    return Rule(tuple(call for rule in rules for call in rule.calls))


_EXAMPLE = "an example is 'residual(0.1) | attend(cbam)'"


def _link(tree: ast.expr, text: str) -> Rule:
    if isinstance(tree, ast.Name):
        return _called(tree.id, RULES, ast.Call(tree, [], []), text)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        return _called(tree.func.id, RULES, tree, text)
    raise SpecError(f"{shown(text)} is not a rule; {_EXAMPLE}")


def _called(name: str, known: Mapping[str, Callable[..., Made]], tree: ast.Call, text: str) -> Made:
    """What the function or node of a name makes of its arguments."""
    if name not in known:
        raise SpecError(f"in {shown(text)}, {shown(name)} is unknown; {nearest(name, known)}")
    arguments = [_value(argument, text) for argument in tree.args]
    keywords: dict[str, Any] = {}
    for keyword, given in _keywords(tree, text):
        if keyword in keywords:
            raise SpecError(f"in {shown(text)}, {name} is given {shown(keyword)} twice")
        keywords[keyword] = _value(given, text)
    try:
        return known[name](*arguments, **keywords)
    except TypeError as error:
        raise SpecError(f"in {shown(text)}: {error}") from None


def _keywords(tree: ast.Call, text: str) -> Iterator[tuple[str, ast.expr]]:
    """Keywords by name, also those of `**{"a name": ...}`."""
    for keyword in tree.keywords:
        if keyword.arg is not None:
            yield keyword.arg, keyword.value
        elif isinstance(keyword.value, ast.Dict):
            for key, given in zip(keyword.value.keys, keyword.value.values, strict=True):
                if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                    raise SpecError(f"in {shown(text)}, the names in **{{...}} must be written as text")
                yield key.value, given
        else:
            raise SpecError(f"in {shown(text)}, only names in braces may follow **")


def _value(tree: ast.expr, text: str) -> Any:
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        return _called(tree.func.id, _NODES, tree, text)
    if isinstance(tree, ast.Tuple):
        return tuple(_value(item, text) for item in tree.elts)
    try:
        return ast.literal_eval(tree)
    except (ValueError, TypeError, RecursionError, MemoryError):
        source = shown(ast.get_source_segment(text.strip(), tree) or "")
        raise SpecError(f"in the rule {shown(text)}, {source} is not a number, a word or a node") from None
