"""Rules that change convolutions: their shape, their kind, their norm, their activation, their width."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import msgspec

from inceptionlab.decoding import Above0
from inceptionlab.errors import SpecError
from inceptionlab.rules.rule import Change, everywhere, on_convs, rule
from inceptionlab.spec.nodes import (
    Act,
    ActKind,
    Conv,
    Convolution,
    Depthwise,
    Ghost,
    Linear,
    Node,
    Norm,
    NormKind,
    Residual,
    Seq,
    pair,
)  # fmt: skip
from inceptionlab.spec.values import Side


@rule
def factorize(kernel: Side = 5) -> Change:
    """A k x k convolution becomes a chain of 3 x 3 of the same width (Rethinking, section 3.1).

    Example: googlenet.paper | factorize(5)
    """
    if kernel < 5 or kernel % 2 == 0:
        raise SpecError(f"factorize({kernel}): give an odd kernel of 5 or more, which 3x3 convolutions can replace")

    def split(conv: Conv) -> Seq:
        small = replace(conv, kernel=3)
        return Seq(*[replace(small, stride=1)] * ((kernel - 1) // 2 - 1), small)

    return on_convs(lambda conv: conv.kernel == kernel, split)


@rule
def asymmetric(kernel: Side = 7) -> Change:
    """An n x n convolution becomes 1 x n, n x 1 of the same width (Rethinking, section 3.2).

    Example: inception_v3 | asymmetric(3)
    """

    def split(conv: Conv) -> Seq:
        down, across = pair(conv.stride)
        return Seq(
            replace(conv, kernel=(1, kernel), stride=(1, across)),
            replace(conv, kernel=(kernel, 1), stride=(down, 1)),
        )

    return on_convs(lambda conv: conv.kernel == kernel > 1, split)


@rule
def dilate(rate: Side = 2) -> Change:
    """Every k x k convolution of stride 1 gets a dilation, and so do the cheap filters of ghost convolutions; sizes and
    parameters stay, fields grow.

    Example: small_v1 | dilate(2)
    """

    def step(_: str, node: Node) -> Node:
        if isinstance(node, Ghost) and node.cheap > 1:
            node = replace(node, cheap_dilation=rate)
        spatial = isinstance(node, Convolution) and max(pair(node.kernel)) > 1 and node.stride == 1
        return replace(node, dilation=rate) if spatial else node

    return everywhere(step)


@rule
def ghost(ratio: Annotated[int, msgspec.Meta(ge=2, le=1024)] = 2) -> Change:
    """Every ordinary convolution becomes a ghost convolution (GhostNet, figure 1), whose filters are as dilated.

    Example: small_v1 | ghost(2)
    """

    def swap(conv: Conv) -> Ghost:
        return Ghost(
            int(conv.out), conv.kernel, conv.stride, conv.pad, ratio, norm=conv.norm, act=conv.act,
            dilation=conv.dilation, cheap_dilation=conv.dilation,
        )  # fmt: skip

    return on_convs(lambda conv: conv.groups == 1 and isinstance(conv.out, int), swap)


@rule
def separable() -> Change:
    """Every k x k convolution becomes depthwise, then pointwise, with nothing between (Xception, section 3).

    Example: small_v1 | separable
    """

    def swap(conv: Conv) -> Seq:
        depthwise = Depthwise(conv.kernel, conv.stride, conv.pad, conv.dilation, norm=None, act=None, bias=False)
        return Seq(depthwise=depthwise, pointwise=replace(conv, kernel=1, stride=1, pad="same", dilation=1))

    return on_convs(lambda conv: max(pair(conv.kernel)) > 1 and conv.groups == 1, swap)


@rule
def norm(kind: NormKind | None, eps: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1e-5) -> Change:
    """Another norm, or none, in the whole network (a convolution without a norm has a bias).

    Example: googlenet | norm(group)
    """
    new = None if kind is None else Norm(kind, eps)

    def step(_: str, node: Node) -> Node:
        if isinstance(node, Norm):
            return new or Seq()
        if not isinstance(node, Convolution) or node.act is None:
            return node
        return replace(node, norm=new)

    return everywhere(step, whole=True)


@rule
def batch_norm(
    learns: Literal["bias", "both"] = "bias",
    momentum: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.4,
    eps: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1e-12,
) -> Change:
    """Every batch norm learns its bias alone, or its scale too, and its statistics move by `momentum` a step (Jordan
    2024, arXiv 2404.00498); other norms stay.

    Example: small_v1 | batch_norm(bias)
    """
    new = Norm("batch", eps, momentum, "bias" if learns == "bias" else True)

    def step(_: str, node: Node) -> Node:
        if isinstance(node, Norm):
            return new if node.kind == "batch" else node
        has = isinstance(node, Convolution) and node.norm is not None and node.norm.kind == "batch"
        return replace(node, norm=new) if has else node

    return everywhere(step, whole=True)


@rule
def activation(kind: ActKind) -> Change:
    """Another activation in the whole network.

    Example: small_v1 | activation(silu)
    """

    def step(_: str, node: Node) -> Node:
        if isinstance(node, Act):
            return Act(kind)
        acts = isinstance(node, Convolution | Linear | Residual) and node.act is not None
        return replace(node, act=kind) if acts else node

    return everywhere(step, whole=True)


@rule
def widen(factor: Above0) -> Change:
    """Multiply every width that is written in the network, its stem and its heads by `factor`.

    Example: small_v1 | widen(0.25)
    """

    def step(_: str, node: Node) -> Node:
        if isinstance(node, Conv | Ghost | Linear) and isinstance(node.out, int):
            unit = node.groups if isinstance(node, Conv) else 1
            return replace(node, out=max(1, round(node.out * factor / unit)) * unit)
        return node

    return everywhere(step, whole=True)
