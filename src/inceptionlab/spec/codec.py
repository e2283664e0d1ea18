"""Specs as JSON and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, cast

from inceptionlab.errors import SpecError, nearest
from inceptionlab.spec.network import Aux, Input, Network
from inceptionlab.spec.nodes import NODES, Branches, Node, Seq
from inceptionlab.spec.tree import kind_of

_VALUES: dict[str, type] = {"Network": Network, "Input": Input, "Aux": Aux}


def to_json(value: Network | Node) -> dict[str, Any]:
    """A tree as JSON values: `{"node": its kind}` and the fields that differ from their default; a `Block` by its
    import path.
    """
    return _plain(value)


def dumps(value: Network | Node) -> str:
    """A tree as JSON text, the same for equal trees."""
    return json.dumps(to_json(value), ensure_ascii=False, indent=1)


def digest(value: Network | Node) -> str:
    """Sixteen hexadecimal digits that identify a tree."""
    return hashlib.sha256(json.dumps(to_json(value), sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, Seq | Branches):
        children = [[name, _plain(child)] for name, child in value.children]
        extra = {"share": value.share} if isinstance(value, Branches) and value.share is not None else {}
        if isinstance(value, Branches) and value.drop_path:
            extra["drop_path"] = value.drop_path
        return {"node": kind_of(value), "children": children, **extra}
    if hasattr(value, "__dataclass_fields__"):
        used = {f.name: getattr(value, f.name) for f in fields(value)}
        kept = [f.name for f in fields(value) if f.default is MISSING or used[f.name] != f.default]
        return {"node": type(value).__name__, **{name: _plain(used[name]) for name in kept}}
    if callable(value):
        return f"{value.__module__}:{value.__qualname__}"
    return [_plain(item) for item in cast(tuple[Any, ...], value)] if isinstance(value, tuple) else value


def from_json(data: Any, blocks: Mapping[str, Callable[[int], Any]] | None = None) -> Any:
    """The tree that `to_json` wrote. No code is imported: factories of a `Block` are looked up in `blocks`.

    Raises `SpecError` for anything that is not such a tree.
    """
    try:
        return _value(data, blocks or {})
    except RecursionError:
        raise SpecError("the spec is nested too deeply to be a network") from None
    except (TypeError, AttributeError, KeyError) as error:
        raise SpecError(f"the spec is not a tree of nodes: {error}") from None


def loads(text_: str, blocks: Mapping[str, Callable[[int], Any]] | None = None) -> Any:
    """The tree in a JSON text. Raises `SpecError` where it is not one."""
    try:
        data = json.loads(text_)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"the spec is not JSON: {error}") from None
    return from_json(data, blocks)


def _value(data: Any, blocks: Mapping[str, Callable[[int], Any]]) -> Any:
    if isinstance(data, list):
        return tuple(_value(item, blocks) for item in cast(list[Any], data))
    if not isinstance(data, dict):
        return data
    values: dict[str, Any] = dict(cast(dict[str, Any], data))
    kind: Any = values.pop("node", None)
    hows = ("concat", "sum", "product", "split")
    if kind == "Seq" or (isinstance(kind, str) and kind.lower() in hows):
        return _container(str(kind), values, blocks)
    known: dict[str, type] = {**NODES, **_VALUES}
    if kind not in known:
        raise SpecError(f"the spec holds a node of kind {kind!r}; {nearest(str(kind), known)}")
    if kind == "Block":
        if values.get("factory") not in blocks:
            raise SpecError(f"the spec holds a Block of {values.get('factory')!r}; hand its factory over in `blocks`")
        values["factory"] = blocks[values["factory"]]
    return known[str(kind)](**{name: _value(value, blocks) for name, value in values.items()})


def _container(kind: str, values: dict[str, Any], blocks: Mapping[str, Callable[[int], Any]]) -> Node:
    pairs: list[Any] = values.pop("children")
    children: dict[str, Node] = {str(name): _value(child, blocks) for name, child in pairs}
    positions = [str(i) for i in range(len(children))]
    node = Seq(*children.values()) if list(children) == positions else Seq(**children)
    if kind == "Seq":
        return node
    return Branches(kind.lower(), node.children, **values)  # type: ignore[arg-type]
