"""The border at which foreign values become ours: JSON, TOML and options into dataclasses whose fields say their types
and ranges. Inside it, values are what their types say.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from math import isfinite
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from inceptionlab.errors import ConfigError, InceptionLabError, nearest

Kind = TypeVar("Kind")
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
"""A number from 0 to below 1."""
Count = Annotated[int, msgspec.Meta(ge=1, lt=2**31)]
"""A whole number of at least 1."""
Natural = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
"""A whole number of at least 0."""
Above0 = Annotated[float, msgspec.Meta(gt=0, le=1e12)]
"""A number above 0."""
From0 = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
"""A number of at least 0."""

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
DEEPEST = 64
"""Levels to which foreign values may be nested."""


def decode(kind: type[Kind], values: Any, where: str, error: type[InceptionLabError] = ConfigError) -> Kind:
    """The dataclass `kind` from a table of foreign values; fields that are dataclasses are tables of their own.

    Raises `error`, beginning with `where`, for a field that does not exist, is missing, or has a wrong type or range.
    """
    if not isinstance(values, Mapping):
        raise error(f"{where} is {shown(values)}; it must be a table of {', '.join(_hints(kind))}")
    hints = _hints(kind)
    given: dict[str, Any] = dict(cast(Mapping[str, Any], values))
    for name in given:
        if name not in hints:
            raise error(f"{where} has no field {shown(name)}; {nearest(str(name), hints)}")
    for name, value in given.items():
        inner = next((part for part in _parts(hints[name]) if is_dataclass(part)), None)
        if inner is not None and isinstance(value, Mapping):
            given[name] = decode(cast(Any, inner), value, f"{where}: {name}", error)
    try:
        made = kind(**given)
        validate(made, error)
        return made
    except TypeError as problem:
        raise error(f"{where} cannot be used: {problem}") from None
    except InceptionLabError as problem:
        raise error(f"{where}: {problem}") from None


def validate(value: object, error: type[InceptionLabError] = ConfigError) -> None:
    """Check, in place, the fields of a frozen dataclass against their types and ranges; for its `__post_init__`.

    Lists become tuples where a field is one. Raises `error` naming the field, what was given and what would work.
    """
    for name, hint in _hints(type(value)).items():
        given = getattr(value, name)
        fitted = fit(given, hint, name, error)
        if fitted is not given:
            object.__setattr__(value, name, fitted)


def refuse_unread(value: object, reasons: Mapping[str, str], error: type[InceptionLabError] = ConfigError) -> None:
    """Refuse fields of a dataclass that nothing reads, by the reasons why, where they differ from their defaults."""
    for entry in fields(cast(Any, value)):
        given = getattr(value, entry.name)
        if entry.name in reasons and given != entry.default:
            raise error(f"{entry.name} = {shown(given)} would not be read: {reasons[entry.name]}")


def fit(value: object, hint: Any, name: str, error: type[InceptionLabError] = ConfigError) -> Any:
    """A value as a type hint wants it. Raises `error` with a sentence that says what would work."""
    try:
        return as_hinted(value, hint)
    except Unfit as problem:
        raise error(f"{name} = {shown(value)}: {problem}") from None


class Unfit(ValueError):  # noqa: N818  (its text is read, it is no error to a user)
    """A value that is not what its type hint wants; its text is what would work."""


def as_hinted(value: object, hint: Any) -> Any:
    """A value as a type hint wants it. Raises `Unfit`.

    The members of a union are tried one by one: msgspec 0.22 crashes where a number with a range and a tuple meet.
    """
    for part in _members(hint):
        if is_dataclass(part):
            if isinstance(value, cast(type, part)):
                return value
            continue
        if (kind := _item(part)) is not None:
            if isinstance(value, list | tuple):
                return tuple(as_hinted(item, kind) for item in cast(tuple[object, ...], value))
            continue
        if part is Path and isinstance(value, str):
            return Path(value)
        try:
            fitted = msgspec.convert(_plain(value), part)
        except (msgspec.ValidationError, RecursionError):
            continue
        if not _finite(fitted):
            raise Unfit("give a finite number")
        return fitted
    raise Unfit(_wanted(hint, value))


def _plain(value: object) -> object:
    """NumPy's numbers as Python's."""
    if isinstance(value, bool | int | float):
        return value
    return int(value) if isinstance(value, Integral) else float(value) if isinstance(value, Real) else value


def shown(value: object) -> str:
    """A foreign value for a sentence, short and without what a terminal would act on."""
    try:
        text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    except (RecursionError, ValueError):  # nested without end; a whole number of thousands of digits
        text = f"a {type(value).__name__} that is too large to show"
    return text if len(text) <= 80 else f"{text[:77]}..."


def parse_setting(text: str) -> object:
    """What a `NAME=VALUE` setting gives: TOML, or true and false as people write them (yes, no, on, off, in any case),
    or else the text itself.
    """
    if text.strip().lower() in _WORDS:
        return _WORDS[text.strip().lower()]
    try:
        found = tomllib.loads(f"x = {text}")
    except (ValueError, RecursionError):  # ValueError: no TOML, or a number of more digits than Python reads
        return text
    return found["x"] if len(found) == 1 else text


def loads_toml(text: str, where: str) -> dict[str, Any]:
    """A TOML text. Raises `ConfigError`, beginning with `where`, where it is none."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as problem:  # ValueError: also a number of more digits than Python reads
        raise ConfigError(f"{where} is not TOML: {problem}{_unquoted(text, problem)}") from None


def _unquoted(text: str, problem: Exception) -> str:
    """What to do where a name of other scripts stands bare in the line of the problem: TOML wants it in quotes."""
    place = re.search(r"at line (\d+)", str(problem))
    if place is None:
        return ""
    key = text.split("\n")[int(place[1]) - 1].partition("#")[0].partition("=")[0]
    name = re.search(r"\w*[^\W\x00-\x7f]\w*", re.sub(r"\"[^\"]*\"|'[^']*'", "", key))
    return f'; a name of other letters than a to z stands in quotes: "{name[0]}"' if name else ""


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {entry.name: hints[entry.name] for entry in fields(cast(Any, kind))}


def _parts(hint: Any) -> tuple[Any, ...]:
    """The members of a union, or the one type that it is."""
    if get_origin(hint) is Annotated:
        return _parts(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return tuple(part for one in get_args(hint) for part in _parts(one))
    return (hint,)


def _members(hint: Any) -> tuple[Any, ...]:
    """The members of a union with their ranges, or the one type that it is."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(part for one in get_args(hint) for part in _members(one))
    return (hint,)


def _item(hint: Any) -> Any:
    """The dataclass of which a `tuple[..., ...]` holds any number; None for other hints."""
    arguments = get_args(hint)
    many = get_origin(hint) is tuple and len(arguments) == 2 and arguments[1] is Ellipsis
    return arguments[0] if many and is_dataclass(arguments[0]) else None


def _finite(value: object) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return all(_finite(item) for item in cast(tuple[object, ...], value)) if isinstance(value, tuple) else True


def in_words(hint: Any) -> str:
    """A type hint with its range for people: "a whole number of at least 1", or the words that may be given."""
    if get_origin(hint) is Annotated:
        return in_words(get_args(hint)[0]) + _range(get_args(hint)[1:])
    if get_origin(hint) is Literal:
        return ", ".join(map(str, get_args(hint)))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(dict.fromkeys(in_words(part) for part in _members(hint)))
    if get_origin(hint) in (tuple, list):
        return f"a list, each {in_words(get_args(hint)[0])}"
    words: dict[Any, str] = {**_NAMES, type(None): "none", Path: "a file or folder"}
    return words.get(hint, f"a {getattr(hint, '__name__', hint)}".lower())


def _wanted(hint: Any, value: object) -> str:
    """What would work, in words."""
    if get_origin(hint) is Annotated:
        return _wanted(get_args(hint)[0], value) + _range(get_args(hint)[1:])
    if get_origin(hint) is Literal:
        return nearest(str(value), map(str, get_args(hint)))
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in _members(hint) if part is not type(None)]
        literals = [part for part in parts if get_origin(part) is Literal]
        near = literals if isinstance(value, str) else [part for part in parts if part not in literals]
        return " or ".join(dict.fromkeys(_wanted(part, value) for part in near or parts))
    if hint in _NAMES:
        return f"give {_NAMES[hint]}"
    if get_origin(hint) in (tuple, list):
        return f"give a list, each {_wanted(get_args(hint)[0], value).removeprefix('give ')}"
    return "give a table"


def _range(metas: tuple[Any, ...]) -> str:
    words = {"ge": "of at least {}", "gt": "above {}", "le": "of at most {}", "lt": "below {}"}
    found = [(name, getattr(meta, name)) for meta in metas for name in words if getattr(meta, name, None) is not None]
    known = [words[name].format(limit) for name, limit in found if abs(limit) < 2**31 - 1]
    return f" {' and '.join(known)}" if known else ""
