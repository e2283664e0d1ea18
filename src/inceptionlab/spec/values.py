"""What all values of a spec have in common: they are frozen, their fields are checked against their types and ranges
when they are made, and they print as they are written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache
from typing import (
    Annotated,
    Any,
    NamedTuple,
    TypeAlias,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from inceptionlab.decoding import Unfit, as_hinted, shown
from inceptionlab.errors import SpecError

Width: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**16)]
"""A number of channels."""
Outputs: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**20)]
"""A number of outputs of a fully connected layer."""
Side: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**14)]
"""Pixels along one axis of an image, a window or a stride."""
Rim: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**14)]
"""Pixels of padding on one side."""
Number: TypeAlias = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
Probability: TypeAlias = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Share: TypeAlias = Annotated[float, msgspec.Meta(gt=0, lt=1)]

Kind = TypeVar("Kind")
Given = TypeVar("Given")
Kept = TypeVar("Kept")


def converted(default: Kept, converter: Callable[[Given], Kept]) -> Kept:
    """A field that is given in one way and kept in another: its type is what is kept, `converter` makes it so."""
    return field(default=default, metadata={"converter": converter})


@dataclass_transform(frozen_default=True, field_specifiers=(field, converted))
def value(kind: type[Kind]) -> type[Kind]:
    """Make a class a frozen dataclass with slots whose fields are checked before its own `__post_init__` runs.

    It says so to type checkers by `dataclass_transform`, which, other than `dataclass`, knows converters: so
    `Conv(8, norm="group").norm` is a `Norm | None` to them too, and nobody has to ask what it is.
    """
    more: Callable[[object], None] | None = kind.__dict__.get("__post_init__")

    def __post_init__(self: object) -> None:  # noqa: N807  (it becomes the class's)
        check(self)
        if more is not None:
            more(self)

    setattr(kind, "__post_init__", __post_init__)  # noqa: B010  (a checker knows no such attribute of every class)
    if "__repr__" not in kind.__dict__ and kind.__repr__ is object.__repr__:
        setattr(kind, "__repr__", brief)  # noqa: B010
    return dataclass(frozen=True, slots=True, repr=False)(kind)


class _Checked(NamedTuple):
    name: str
    hint: Any
    default: object
    converter: Callable[[Any], Any] | None


@cache
def _checked(kind: type) -> tuple[_Checked, ...]:
    """The fields whose types can be checked: all but functions, derived ones and children, which check themselves."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        _Checked(entry.name, hints[entry.name], entry.default, entry.metadata.get("converter"))
        for entry in fields_of(kind)
        if get_origin(hints[entry.name]) is not Callable and entry.name != "children"
    )


def check(made: object) -> None:
    """Check, in place, the fields of a value; those that are their default are known to be right.

    Raises `SpecError` that names the field, what was given and what would work.
    """
    for name, hint, default, converter in _checked(type(made)):
        given = getattr(made, name)
        if given is default:
            continue
        kept = given if converter is None else converter(given)
        kept = fitting(type(made).__name__, name, kept, hint)
        if kept is not given:
            object.__setattr__(made, name, kept)


def fitting(kind: str, name: str, given: object, hint: Any) -> Any:
    """An argument `name` of `kind` as its type hint wants it. Raises `SpecError`: "Conv(out=0): give a whole ..."."""
    try:
        return as_hinted(given, hint)
    except Unfit as problem:
        parts: tuple[Any, ...] = (hint, *get_args(hint))
        classes = [part for part in parts if _is_value(part)]
        words = f"give a {classes[0].__name__ if len(classes) == 1 else 'node'}" if classes else str(problem)
        raise SpecError(f"{kind}({name}={shown(given)}): {words}") from None


def _is_value(kind: object) -> bool:
    return is_dataclass(kind)


def fields_of(kind: type) -> tuple[Field[Any], ...]:
    """The fields that make a value what it is: all that are compared, so not those that follow from others."""
    known = fields(cast(Any, kind))  # a checker wants a dataclass, and `type` does not say that it is one
    return tuple(entry for entry in known if entry.compare)


def brief(made: object) -> str:
    """A value as one would write it: required fields bare, others by name where they differ from the default."""
    parts: list[str] = []
    for entry in fields_of(type(made)):
        given = getattr(made, entry.name)
        if entry.default is MISSING:
            parts.append(getattr(given, "__qualname__", None) or repr(given))
        elif given != entry.default:
            parts.append(f"{entry.name}={given!r}")
    return f"{type(made).__name__}({', '.join(parts)})"
