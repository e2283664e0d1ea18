"""Shapes in signatures are checked while tests run: pyproject.toml hands `checked` to jaxtyping's import hook."""

from __future__ import annotations

from beartype import beartype
from jaxtyping import AbstractArray

CHECKED = ("Float", "Int64", "UInt8", "Bool", "Shaped")


def checked(function):
    """beartype on annotations that name shapes; other types are pyright's to check, and tests hand over wrong ones."""
    hints = getattr(function, "__annotations__", {})
    shapes = {name: hint for name, hint in hints.items() if _names_a_shape(hint)}
    if not shapes or isinstance(function, type):
        return function
    function.__annotations__ = shapes
    made = beartype(function)
    function.__annotations__ = hints
    return made


def _names_a_shape(hint):
    if isinstance(hint, str):
        return hint.partition("[")[0] in CHECKED
    return isinstance(hint, type) and issubclass(hint, AbstractArray)
