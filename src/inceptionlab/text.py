"""Specs as text: in words, as the table of a paper, as a difference, and as JSON and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, cast

from inceptionlab.errors import SpecError, nearest
from inceptionlab.geometry import Measured, measure, text
from inceptionlab.network import Aux, Input, Network
from inceptionlab.spec import (
    LRN,
    NODES,
    Act,
    Attention,
    Block,
    Branches,
    Conv,
    Depthwise,
    Dropout,
    Ghost,
    Linear,
    Node,
    Norm,
    Pool,
    Residual,
    Seq,
    Size,
    pair,
)  # fmt: skip
from inceptionlab.tree import children_of, walk

_VALUES: dict[str, type] = {"Network": Network, "Input": Input, "Aux": Aux}


def describe(node: Node) -> str:
    """A node in a few words, as papers write it: "3×3/2 conv 64", "max 3×3/2", "1×1 96 → 3×3 128 | …"."""
    match node:
        case Conv(kernel=kernel, stride=stride, out=out):
            return f"{_kernel(kernel, stride)} conv {out}{_dilation(node.dilation)}"
        case Depthwise(kernel=kernel, stride=stride):
            return f"{_kernel(kernel, stride)} depthwise{_dilation(node.dilation)}"
        case Ghost(kernel=kernel, stride=stride, out=out):
            return f"{_kernel(kernel, stride)} ghost {out}"
        case Pool(kind=kind, to=to, kernel=kernel, stride=stride):
            return (
                (f"global {kind}" if to == 1 else f"{kind} to {to}×{to}") if to else f"{kind} {_kernel(kernel, stride)}"
            )
        case Linear(out=out, act=act):
            return f"linear {out}" + (f", {act}" if act else "")
        case Dropout(p=p):
            return f"dropout {p:g}"
        case LRN(size=size):
            return f"LRN {size}"
        case Norm(kind=kind):
            return f"{kind} norm"
        case Act(kind=kind):
            return str(kind)
        case Attention(kind=kind):
            return {"se": "SE", "eca": "ECA", "cbam": "CBAM"}[kind]
        case Block(factory=factory):
            return getattr(factory, "__name__", "block")
        case _:
            return _describe_container(node)


def _describe_container(node: Seq | Branches | Residual) -> str:
    match node:
        case Seq(children=children):
            return " → ".join(_shorter(child) for _, child in children) or "identity"
        case Branches(how=how, children=children):
            sign = {"concat": " | ", "sum": " + ", "product": " × ", "split": " ¦ "}[how]
            return sign.join(_bracketed(child) for _, child in children)
        case Residual(body=body, scale=scale):
            return f"x + {scale:g}·({describe(body)})" if scale != 1 else f"x + ({describe(body)})"


def _shorter(node: Node) -> str:
    return _bracketed(node).replace(" conv ", " ")


def _bracketed(node: Node) -> str:
    return f"({describe(node)})" if isinstance(node, Branches) else describe(node).replace(" conv ", " ")


def _kernel(kernel: Size, stride: Size) -> str:
    (height, width), (down, across) = pair(kernel), pair(stride)
    step = "" if (down, across) == (1, 1) else f"/{down}" if down == across else f"/{down}×{across}"
    return f"{height}×{width}{step}"


def _dilation(dilation: Size) -> str:
    return "" if dilation == 1 else f", dilation {dilation}"


def rows(network: Network, depth: int = 1) -> list[Measured]:
    """The measured nodes of a network down to a depth (1: the top-level ones), auxiliary heads last."""
    return [row for row in measure(network).walk() if row.path.count(".") < depth]


def as_records(network: Network) -> list[dict[str, Any]]:
    """Every node as `{path, kind, describe, input, output, params, macs, receptive_field, jump, centre}`."""
    return [
        {
            "path": row.path,
            "kind": kind_of(row.node),
            "describe": describe(row.node),
            "input": list(row.input),
            "output": list(row.output),
            "params": row.params,
            "macs": row.macs,
            "receptive_field": row.field.sizes(network.input.shape),
            "jump": [row.field.height.jump, row.field.width.jump],
            "centre": [row.field.height.centre, row.field.width.centre],
        }
        for row in measure(network).walk()
    ]


def kind_of(node: Node) -> str:
    """The name of a node's kind; of branches, that of their constructor."""
    return node.how.capitalize() if isinstance(node, Branches) else type(node).__name__


def diff(a: Network, b: Network) -> list[str]:
    """What stands in `b` and not in `a` ("+"), the other way round ("-") or differently ("~"), then the totals."""
    old, new = dict(walk(a)), dict(walk(b))
    lines: list[str] = []
    for path in [*old, *(path for path in new if path not in old)]:
        if path not in new:
            lines += [] if _parent(path) in old and _parent(path) not in new else [f"- {path}: {old[path]!r}"]
        elif path not in old:
            lines += [] if _parent(path) in new and _parent(path) not in old else [f"+ {path}: {new[path]!r}"]
        elif _alone(old[path]) != _alone(new[path]):
            lines.append(f"~ {path}: {_alone(old[path])} became {_alone(new[path])}")
    first, second = measure(a), measure(b)
    for name, x, y in (("parameters", first.params, second.params), ("MACs", first.macs, second.macs)):
        lines.append(f"= {name}: {x:,} → {y:,} ({(y - x) / max(x, 1):+.1%})")
    lines.append(f"= input: {text(a.input.shape)} → {text(b.input.shape)}; classes: {a.classes} → {b.classes}")
    return lines


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _alone(node: Node) -> str:
    """A node without its children."""
    if isinstance(node, Residual):
        return f"Residual(scale={node.scale:g}, act={node.act}, gamma={node.gamma}, drop_path={node.drop_path:g})"
    return kind_of(node) if children_of(node) else repr(node)


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
