"""What differs between two networks."""

from __future__ import annotations

from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import format_shape
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Node, Residual
from inceptionlab.spec.tree import children_of, walk


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
    lines.append(
        f"= input: {format_shape(a.input.shape)} → {format_shape(b.input.shape)}; classes: {a.classes} → {b.classes}"
    )
    return lines


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _alone(node: Node) -> str:
    """A node without its children."""
    if isinstance(node, Residual):
        depth = f"stochastic_depth={node.stochastic_depth:g}"
        return f"Residual(scale={node.scale:g}, act={node.act}, gamma={node.gamma}, {depth})"
    return type(node).__name__ if children_of(node) else repr(node)
