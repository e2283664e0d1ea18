"""The rule that keeps the grid fine: strides give way to dilation (DeepLab, Chen et al. 2018, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from inceptionlab.errors import SpecError
from inceptionlab.rules.rule import Change, on_networks, rule
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import (
    Block,
    Concat,
    Conv,
    Depthwise,
    Ghost,
    Node,
    Pool,
    Product,
    Residual,
    Seq,
    Sliding,
    Split,
    Sum,
    pair,
)  # fmt: skip
from inceptionlab.spec.tree import children_of, join, sequence, with_children
from inceptionlab.spec.values import Side


@dataclass(frozen=True, slots=True)
class _State:
    """Along each axis: the stride so far, and the dilation that the strides left out ask of what follows."""

    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)


@rule
def output_stride(limit: Side) -> Change:
    """The network's map is `limit` times finer than its input at most: 8 or 16, as dense prediction wants it.

    Where a stride would go beyond, it becomes 1 and every later window is dilated by it, pools too, so that the values
    at every other pixel are those of the network as it was, and so are its weights; only a pool that rounds its size
    up, or pads one side only ("tf" on an even size), moves by a pixel. Auxiliary heads, which are made for their grid,
    are left out.

    Example: inception_v3 | output_stride(8)
    """

    def change(network: Network) -> Network:
        stem, state = _finer(network.stem, _State(), limit, "")
        body, _ = _finer(network.body, state, limit, "")
        return replace(network, stem=stem, body=body, aux=())

    return on_networks("output_stride", change)


def _finer(node: Node, state: _State, limit: int, path: str) -> tuple[Node, _State]:
    """The node with its strides limited, and the state behind it."""
    match node:
        case Seq():
            children: list[tuple[str, Node]] = []
            for name, child in node.children:
                new, state = _finer(child, state, limit, join(path, name))
                children.append((name, new))
            return sequence(tuple(children)), state
        case Concat() | Sum() | Product() | Split() | Residual():
            pairs = [(name, *_finer(child, state, limit, join(path, name))) for name, child in children_of(node)]
            return with_children(node, tuple((name, new) for name, new, _ in pairs)), pairs[0][2]
        case Conv() | Depthwise() | Ghost() | Pool(to=None):
            return _window(node, state, limit)
        case Block() if node.stride > 1 or state.dilation != (1, 1):
            raise SpecError(f"{path}: Block cannot be dilated, so output_stride({limit}) stops there")
        case _:
            return node, state


def _window(node: Sliding, state: _State, limit: int) -> tuple[Node, _State]:
    """A window: where the limit is reached its stride goes, and the dilation before it spreads it."""
    strides, given = node.window.stride, node.window.dilation
    kept = [s if at * s <= limit else 1 for at, s in zip(state.stride, strides, strict=True)]
    behind = _State(
        (state.stride[0] * kept[0], state.stride[1] * kept[1]),
        (state.dilation[0] * strides[0] // kept[0], state.dilation[1] * strides[1] // kept[1]),
    )
    stride, spread = (kept[0], kept[1]), _spread(node.window.kernel, given, state)
    if isinstance(node, Pool) and node.ceil and stride != strides:
        return replace(node, stride=stride, dilation=spread, pad="same", ceil=False), behind
    pad = node.pad
    if not isinstance(pad, str):
        rims = [p * s // d for p, s, d in zip(pair(pad), spread, given, strict=True)]
        pad = (rims[0], rims[1])
    if isinstance(node, Ghost):  # its cheap filters see the map behind its stride
        cheap = _spread(node.cheap_window.kernel, node.cheap_window.dilation, behind)
        node = replace(node, cheap_dilation=cheap)
    return replace(node, stride=stride, dilation=spread, pad=pad), behind


def _spread(kernel: tuple[int, int], dilation: tuple[int, int], state: _State) -> tuple[int, int]:
    """The dilation of a window behind a state; one of a single pixel needs none."""
    rows, columns = (d * (r if k > 1 else 1) for d, r, k in zip(dilation, state.dilation, kernel, strict=True))
    return rows, columns
