"""Nodes in a few words, as papers write them."""

from __future__ import annotations

from inceptionlab.spec.nodes import (
    LRN,
    Act,
    Attention,
    Block,
    Branches,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    Ghost,
    Linear,
    Node,
    Norm,
    Pool,
    Product,
    Residual,
    Seq,
    Size,
    Split,
    Sum,
    pair,
)  # fmt: skip


def describe(node: Node) -> str:
    """A node in a few words, as papers write it: "3×3/2 conv 64", "max 3×3/2", "1×1 96 → 3×3 128 | …"."""
    match node:
        case Conv(kernel=kernel, stride=stride, out=out):
            return f"{_kernel(kernel, stride)} conv {out}{_dilation(node.dilation)}"
        case Depthwise(kernel=kernel, stride=stride):
            return f"{_kernel(kernel, stride)} depthwise{_dilation(node.dilation)}"
        case Ghost(kernel=kernel, stride=stride, out=out):
            return f"{_kernel(kernel, stride)} ghost {out}{_dilation(node.dilation)}"
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
        case Concat() | Sum() | Product() | Split():
            sign = {"concat": " | ", "sum": " + ", "product": " × ", "split": " ¦ "}[node.how]
            return sign.join(_bracketed(child) for _, child in node.children)
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
