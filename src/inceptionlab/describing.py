"""What the fields of a dataclass and the arguments of a function mean, as their types and docstrings say it: the one
place where it stands.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Any, cast, get_type_hints

from inceptionlab.decoding import in_words


@dataclass(frozen=True, slots=True)
class Described:
    """A field or an argument: its name ("augment.flip" in a table within a table), what may be given, its default
    (`REQUIRED` where it has none), what it means, and an example.
    """

    name: str
    takes: str
    default: object
    meaning: str = ""
    example: str = ""


REQUIRED = "required"


def fields_of(kind: type[Any]) -> tuple[Described, ...]:
    """The fields of a dataclass in their order, those of dataclasses within it by dotted names."""
    hints, meanings = get_type_hints(kind, include_extras=True), _meanings(kind)
    found: list[Described] = []
    for entry in fields(cast(Any, kind)):
        hint = hints[entry.name]
        if is_dataclass(hint):
            inner = fields_of(cast(type, hint))
            found += [Described(f"{entry.name}.{one.name}", one.takes, one.default, one.meaning) for one in inner]
            continue
        default: object = REQUIRED if entry.default is MISSING else entry.default
        found.append(Described(entry.name, in_words(hint), default, meanings.get(entry.name, "")))
    return tuple(found)


def arguments_of(function: Callable[..., Any]) -> tuple[Described, ...]:
    """The arguments of a function in their order; what they mean stands in its docstring."""
    hints = get_type_hints(function, include_extras=True)
    return tuple(
        Described(name, in_words(hints[name]), REQUIRED if one.default is inspect.Parameter.empty else one.default)
        for name, one in inspect.signature(function).parameters.items()
    )


def paragraph(text: str | None) -> str:
    """A docstring, or its like, as one line."""
    return " ".join((text or "").split())


@cache
def _meanings(kind: type[Any]) -> dict[str, str]:
    """The docstrings beneath the fields of a class, by the fields' names: Python keeps them in the source alone."""
    body = cast(ast.ClassDef, ast.parse(dedent(inspect.getsource(kind))).body[0]).body
    found: dict[str, str] = {}
    for one, after in pairwise(body):
        text = after.value if isinstance(after, ast.Expr) else None
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and isinstance(text, ast.Constant):
            found[one.target.id] = paragraph(str(text.value))
    return found
