"""Specs as JSON and back: every field is written, so a file means the same when a default changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, TypeAlias, TypeGuard

from inceptionlab.decoding import shown
from inceptionlab.errors import SpecError, nearest
from inceptionlab.spec.network import Aux, Input, Network
from inceptionlab.spec.nodes import DEEPEST, NODES, Container, Node
from inceptionlab.spec.tree import named
from inceptionlab.spec.values import fields_of, fitting

VERSION = 1
LONGEST = 32_000_000
"""Characters of a spec's JSON, at most."""
Factory: TypeAlias = Callable[[int], Any]
Blocks: TypeAlias = Mapping[str, Factory] | Callable[[str], Factory | None]
"""Factories of `Block` nodes by the import path that a spec says, or who is asked for them."""
_AT_HAND: ContextVar[Blocks | None] = ContextVar("blocks", default=None)
_KINDS: dict[str, type] = {**NODES, "Network": Network, "Input": Input, "Aux": Aux}


def to_json(value: Network | Node) -> dict[str, Any]:
    """A tree as JSON values: the version of the format, and of each node `{"node": its kind}` and all its fields; the
    factory of a `Block` is written as its import path.
    """
    return {"version": VERSION, **_plain(value)}


def dumps(value: Network | Node) -> str:
    """A tree as JSON text, the same for equal trees."""
    return json.dumps(to_json(value), ensure_ascii=False, indent=1)


def digest(value: Network | Node) -> str:
    """Sixteen hexadecimal digits that identify a tree: they follow from all fields of all its nodes."""
    return hashlib.sha256(json.dumps(_plain(value), sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    kind = _KINDS.get(type(value).__name__)
    if kind is not None and isinstance(value, kind):
        return {"node": kind.__name__} | {name: _plain(getattr(value, name)) for name in _names(kind)}
    if _is_list(value):
        return [_plain(item) for item in value]
    if not callable(value):
        return value
    if not hasattr(value, "__qualname__"):
        raise SpecError(
            f"the factory {shown(value)} of a Block has no name to be written by; give a function or a class"
        )
    return f"{value.__module__}:{value.__qualname__}"


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(entry.name for entry in fields_of(kind))


def loads(text: str, blocks: Blocks | None = None) -> Any:
    """The tree in a JSON text; see `from_json`. Raises `SpecError` where it is not one."""
    if len(text) > LONGEST:
        raise SpecError(f"the spec has {len(text):,} characters; a network has at most {LONGEST:,}")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"the spec is not JSON: {error}") from None
    return from_json(data, blocks)


def from_json(data: Any, blocks: Blocks | None = None) -> Any:
    """The tree that `to_json` wrote. No code is imported: the factory of a `Block` is looked up in `blocks`, or
    asked of it, by the import path that is written in its place.

    Raises `SpecError` for another version, and for what is not a tree with all its fields, each of its type.
    """
    if not _is_object(data):
        raise SpecError(f"the spec is not a tree of nodes but {shown(data)}")
    values = dict(data)
    version = values.pop("version", None)
    if version != VERSION:
        given = "has no version" if version is None else f"is of version {shown(version)}"
        raise SpecError(f"the spec {given}; this InceptionLab reads version {VERSION}")
    known = at_hand() if blocks is None else blocks
    return _node(values, {} if known is None else known, 1)


def at_hand() -> Blocks | None:
    """The factories that specs are read with here where none are handed over."""
    return _AT_HAND.get()


@contextmanager
def reading_with(blocks: Blocks) -> Generator[None]:
    """Within the block, specs are read with these factories where none are handed over."""
    token = _AT_HAND.set(blocks)
    try:
        yield
    finally:
        _AT_HAND.reset(token)


def _node(data: dict[str, Any], blocks: Blocks, level: int) -> Any:
    """The value of a JSON object, `level` levels down."""
    if level > 2 * DEEPEST:  # a network's own levels and norms come on top of its tree's
        raise SpecError("the spec is nested too deeply to be a network")
    kind = _kind(data)
    given = {name: _value(value, blocks, level + 1) for name, value in data.items() if name not in ("node", "children")}
    if kind.__name__ == "Block":
        given["factory"] = _factory(given["factory"], blocks)
    if issubclass(kind, Container):
        given |= named(_children(kind.__name__, data["children"], blocks, level + 1))
    return kind(**given)


def _value(data: Any, blocks: Blocks, level: int) -> Any:
    """A field: a node, some of them, or a plain value, which the node that it belongs to checks."""
    if _is_object(data):
        return _node(data, blocks, level)
    if _is_list(data):
        return tuple(_node(item, blocks, level + 1) if _is_object(item) else item for item in data)
    return data


def _kind(data: dict[str, Any]) -> type:
    """The class of a JSON object that has all its fields and no others."""
    name = data.get("node")
    if not isinstance(name, str):
        raise SpecError(f"the spec is not a tree of nodes: {shown(data)} says {shown(name)} for its node")
    if name not in _KINDS:
        raise SpecError(f"the spec holds a node of kind {shown(name)}; {nearest(name, _KINDS)}")
    wanted = _names(_KINDS[name])
    for field in data:
        if field != "node" and field not in wanted:
            raise SpecError(f"the spec gives {name} an unexpected keyword {shown(field)}; {nearest(field, wanted)}")
    lacking = [field for field in wanted if field not in data]
    if lacking:
        raise SpecError(f"the spec gives {name} no {', no '.join(lacking)}; every field is written")
    return _KINDS[name]


def _factory(path: object, blocks: Blocks) -> Factory:
    look: Callable[[str], Factory | None] = blocks if callable(blocks) else blocks.get
    found = look(path) if isinstance(path, str) else None
    if found is None:
        file = str(path).partition(":")[0]
        how = f"blocks={{{shown(path)}: the function}}"
        if file.endswith(".py"):
            how = f'--code {file}, or in Python blocks=blocks_of("{file}"); a run holds no code'
        raise SpecError(f"the spec holds a Block of {shown(path)}; hand its factory over: {how}")
    return found


def _children(kind: str, data: object, blocks: Blocks, level: int) -> tuple[tuple[str, Node], ...]:
    pairs: list[tuple[str, Any]] = fitting(kind, "children", data, list[tuple[str, Any]])
    return tuple((name, _value(child, blocks, level)) for name, child in pairs)


def _is_object(data: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(data, dict)


def _is_list(data: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    return isinstance(data, list | tuple)
