"""Rules as text: `residual(0.1) | attend(cbam)`, read without evaluating any code."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from inceptionlab.errors import SpecError, nearest
from inceptionlab.rules import blocks, convolutions, networks, strides
from inceptionlab.rules.rule import Rule
from inceptionlab.spec import nodes as spec

RULES: dict[str, Callable[..., Rule]] = {
    "without_branch": blocks.without_branch,
    "residual": blocks.residual,
    "rescale": blocks.rescale,
    "unreduced": blocks.unreduced,
    "attend": blocks.attend,
    "fuse": blocks.fuse,
    "drop_path": blocks.drop_path,
    "factorize": convolutions.factorize,
    "asymmetric": convolutions.asymmetric,
    "dilate": convolutions.dilate,
    "ghost": convolutions.ghost,
    "separable": convolutions.separable,
    "norm": convolutions.norm,
    "activation": convolutions.activation,
    "widen": convolutions.widen,
    "dropout": networks.dropout,
    "aux_after": networks.aux_after,
    "output_stride": strides.output_stride,
    "small_stem": networks.small_stem,
    "replace": networks.swap,
}
_NODES: dict[str, Callable[..., Any]] = {
    **{name: kind for name, kind in spec.NODES.items() if name not in ("Block", "Branches")},
    "Concat": spec.Concat,
    "Sum": spec.Sum,
    "Product": spec.Product,
    "Split": spec.Split,
}


def parse_rule(text: str) -> Rule:
    """The rule that a text writes. Words without quotes are strings; nodes are written as in Python.

    Raises `SpecError` for anything that is not a chain of known rules.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise SpecError(f"{text!r} is not a rule: {error.msg}; an example is 'residual(0.1) | attend(cbam)'") from None
    return _chain(tree, text)


def _chain(tree: ast.expr, text: str) -> Rule:
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitOr):
        return _chain(tree.left, text) | _chain(tree.right, text)
    if isinstance(tree, ast.Name):
        return _call(tree.id, RULES, [], {}, text)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        return _call(tree.func.id, RULES, *_arguments(tree, text), text)
    raise SpecError(f"{text!r} is not a rule; an example is 'residual(0.1) | attend(cbam)'")


def _arguments(tree: ast.Call, text: str) -> tuple[list[Any], dict[str, Any]]:
    named = {str(keyword.arg): _value(keyword.value, text) for keyword in tree.keywords}
    return [_value(argument, text) for argument in tree.args], named


def _value(tree: ast.expr, text: str) -> Any:
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        return _call(tree.func.id, _NODES, *_arguments(tree, text), text)
    if isinstance(tree, ast.Tuple):
        return tuple(_value(item, text) for item in tree.elts)
    try:
        return ast.literal_eval(tree)
    except ValueError:
        raise SpecError(f"in the rule {text!r}, {ast.unparse(tree)!r} is not a number, a word or a node") from None


def _call(name: str, known: dict[str, Callable[..., Any]], args: list[Any], named: dict[str, Any], text: str) -> Any:
    if name not in known:
        raise SpecError(f"in {text!r}, {name!r} is unknown; {nearest(name, known)}")
    try:
        return known[name](*args, **named)
    except TypeError as error:
        raise SpecError(f"in {text!r}: {error}") from None
