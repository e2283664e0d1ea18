"""The rule that keeps the grid fine: strides give way to dilation (DeepLab, Chen et al. 2018, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from inceptionlab.errors import SpecError
from inceptionlab.rules.rule import Rule
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Block, Branches, Conv, Depthwise, Ghost, Node, Pool, Residual, Seq, pair
from inceptionlab.spec.tree import children_of, join, sequence, with_children


@dataclass(frozen=True, slots=True)
class _State:
    """Along each axis: the stride so far, and the dilation that the strides left out ask of what follows."""

    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)


def output_stride(limit: int) -> Rule:
    """The network's map is `limit` times finer than its input at most: 8 or 16, as dense prediction wants it.

    Where a stride would go beyond, it becomes 1 and every later window is dilated by it, pools too, so that the values
    at every other pixel are those of the network as it was, and so are its weights; only a pool that rounds its size
    up, or pads one side only ("tf" on an even size), moves by a pixel. Auxiliary heads, which are made for their grid,
    are left out.
    """
    if limit < 1:
        raise SpecError(f"output_stride({limit}): give a stride of at least 1; 8 and 16 are usual")

    def change(network: Network) -> Network:
        stem, state = _finer(network.stem, _State(), limit, "")
        body, _ = _finer(network.body, state, limit, "")
        return replace(network, stem=stem, body=body, aux=())

    return Rule(f"output_stride({limit})", change)


def _finer(node: Node, state: _State, limit: int, path: str) -> tuple[Node, _State]:
    """The node with its strides limited, and the state behind it."""
    match node:
        case Seq():
            children: list[tuple[str, Node]] = []
            for name, child in node.children:
                new, state = _finer(child, state, limit, join(path, name))
                children.append((name, new))
            return sequence(tuple(children)), state
        case Branches() | Residual():
            pairs = [(name, *_finer(child, state, limit, join(path, name))) for name, child in children_of(node)]
            return with_children(node, tuple((name, new) for name, new, _ in pairs)), pairs[0][2]
        case Conv() | Depthwise() | Pool(to=None):
            return _window(node, state, limit)
        case Ghost() | Block() if max(pair(node.stride)) > 1 or state.dilation != (1, 1):
            raise SpecError(f"{path}: {type(node).__name__} cannot be dilated, so output_stride({limit}) stops there")
        case _:
            return node, state


def _window(node: Conv | Depthwise | Pool, state: _State, limit: int) -> tuple[Node, _State]:
    """A window: where the limit is reached its stride goes, and the dilation before it spreads it."""
    kernel, strides, given = pair(node.kernel), pair(node.stride), pair(node.dilation)
    kept = [s if at * s <= limit else 1 for at, s in zip(state.stride, strides, strict=True)]
    behind = _State(
        (state.stride[0] * kept[0], state.stride[1] * kept[1]),
        (state.dilation[0] * strides[0] // kept[0], state.dilation[1] * strides[1] // kept[1]),
    )
    spread = tuple(d * (r if k > 1 else 1) for d, r, k in zip(given, state.dilation, kernel, strict=True))
    pad = node.pad
    if isinstance(node, Pool) and node.ceil and kept != list(strides):
        return replace(node, stride=(kept[0], kept[1]), dilation=(spread[0], spread[1]), pad="same", ceil=False), behind
    if not isinstance(pad, str):
        rims = [p * s // d for p, s, d in zip(pair(pad), spread, given, strict=True)]
        pad = rims[0] if rims[0] == rims[1] else (rims[0], rims[1])
    return replace(node, stride=(kept[0], kept[1]), dilation=(spread[0], spread[1]), pad=pad), behind
