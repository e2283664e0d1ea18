"""Rules that change convolutions: their shape, their kind, their norm, their activation, their width."""

from __future__ import annotations

from dataclasses import replace

from inceptionlab.errors import SpecError
from inceptionlab.rules.rule import Rule, everywhere, on_convs
from inceptionlab.spec.nodes import (
    Act,
    ActKind,
    Conv,
    Depthwise,
    Ghost,
    Linear,
    Node,
    Norm,
    NormKind,
    Seq,
    as_norm,
    pair,
)  # fmt: skip


def factorize(kernel: int = 5) -> Rule:
    """A k x k convolution becomes a chain of 3 x 3 of the same width (Rethinking, section 3.1)."""
    if kernel < 5 or kernel % 2 == 0:
        raise SpecError(f"factorize({kernel}): give an odd kernel of 5 or more, which 3x3 convolutions can replace")

    def split(conv: Conv) -> Seq:
        small = replace(conv, kernel=3)
        return Seq(*[replace(small, stride=1)] * ((kernel - 1) // 2 - 1), small)

    return on_convs(f"factorize({kernel})", lambda conv: conv.kernel == kernel, split)


def asymmetric(kernel: int = 7) -> Rule:
    """An n x n convolution becomes 1 x n, n x 1 of the same width (Rethinking, section 3.2)."""

    def split(conv: Conv) -> Seq:
        down, across = pair(conv.stride)
        return Seq(
            replace(conv, kernel=(1, kernel), stride=(1, across)),
            replace(conv, kernel=(kernel, 1), stride=(down, 1)),
        )

    return on_convs(f"asymmetric({kernel})", lambda conv: conv.kernel == kernel > 1, split)


def dilate(rate: int = 2) -> Rule:
    """Every k x k convolution of stride 1 gets a dilation; its size and parameters stay, its field grows."""

    def step(_: str, node: Node) -> Node:
        spatial = isinstance(node, Conv | Depthwise) and max(pair(node.kernel)) > 1 and node.stride == 1
        return replace(node, dilation=rate) if spatial else node  # type: ignore[arg-type]

    return Rule(f"dilate({rate})", everywhere(step))


def ghost(ratio: int = 2) -> Rule:
    """Every ordinary convolution becomes a ghost convolution (GhostNet, figure 1)."""

    def swap(conv: Conv) -> Ghost:
        return Ghost(int(conv.out), conv.kernel, conv.stride, conv.pad, ratio, norm=conv.norm, act=conv.act)

    return on_convs(
        "ghost" if ratio == 2 else f"ghost({ratio})",
        lambda conv: conv.groups == 1 and conv.dilation == 1 and isinstance(conv.out, int), swap,
    )  # fmt: skip


def separable() -> Rule:
    """Every k x k convolution becomes depthwise, then pointwise, with nothing between (Xception, section 3)."""

    def swap(conv: Conv) -> Seq:
        depthwise = Depthwise(conv.kernel, conv.stride, conv.pad, conv.dilation, norm=None, act=None, bias=False)
        return Seq(depthwise=depthwise, pointwise=replace(conv, kernel=1, stride=1, pad="same", dilation=1))

    return on_convs("separable", lambda conv: max(pair(conv.kernel)) > 1 and conv.groups == 1, swap)


def norm(kind: NormKind | None, eps: float = 1e-5) -> Rule:
    """Another norm, or none, in the whole network (a convolution without a norm has a bias)."""
    new = None if kind is None else replace(as_norm(kind) or Norm(), eps=eps)

    def step(_: str, node: Node) -> Node:
        if isinstance(node, Norm):
            return new or Seq()
        bare = isinstance(node, Conv | Depthwise | Ghost) and (node.norm is not None or kind is not None)
        return replace(node, norm=new) if bare and getattr(node, "act", None) is not None else node  # type: ignore

    return Rule(f"norm({kind})", everywhere(step, whole=True))


def activation(kind: ActKind) -> Rule:
    """Another activation in the whole network."""

    def step(_: str, node: Node) -> Node:
        if isinstance(node, Act):
            return Act(kind)
        return replace(node, act=kind) if getattr(node, "act", None) else node  # type: ignore[arg-type]

    return Rule(f"activation({kind})", everywhere(step, whole=True))


def widen(factor: float) -> Rule:
    """Multiply every width that is written in the network, its stem and its heads by `factor`."""
    if factor <= 0:
        raise SpecError(f"widen({factor:g}): give a factor above 0")

    def step(_: str, node: Node) -> Node:
        if isinstance(node, Conv | Ghost | Linear) and isinstance(node.out, int):
            unit = getattr(node, "groups", 1)
            return replace(node, out=max(1, round(node.out * factor / unit)) * unit)
        return node

    return Rule(f"widen({factor:g})", everywhere(step, whole=True))
