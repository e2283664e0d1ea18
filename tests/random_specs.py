"""Random specs of every kind for hypothesis, and a way to measure a receptive field by its gradient."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import strategies as st
from torch import nn

from inceptionlab.spec import (
    ACTS,
    LRN,
    STREAM,
    Act,
    Attention,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    Ghost,
    Norm,
    Pool,
    Product,
    Residual,
    Seq,
    Split,
    Sum,
)  # fmt: skip
from inceptionlab.spec.tree import rewrite

widths = st.integers(1, 6)
kernels = st.sampled_from([1, 2, 3, 5, (1, 3), (3, 1), (1, 7)])
norms = st.sampled_from([None, "batch", "layer"])
acts = st.sampled_from([None, *ACTS])
pads = st.sampled_from(["same", "valid", "tf"])


@st.composite
def keeping(draw, width=None):
    """A leaf that keeps height and width; `width` is its output channels where it can choose."""
    odd = draw(st.sampled_from([1, 3, 5, (1, 3), (5, 1)]))
    out = width or draw(widths)
    pad = draw(st.sampled_from(["same", "tf"]))
    conv = Conv(out, odd, pad=pad, dilation=draw(st.integers(1, 2)), norm=draw(norms), act=draw(acts))
    return draw(st.sampled_from([conv, Ghost(out, odd, pad=pad, norm=draw(norms), act=draw(acts))]))


@st.composite
def sliding(draw):
    """A leaf that may shrink the map."""
    kernel, stride, pad = draw(kernels), draw(st.integers(1, 2)), draw(pads)
    kind = draw(st.sampled_from(["conv", "depthwise", "ghost", "max", "avg"]))
    if kind == "conv":
        return Conv(
            draw(widths),
            kernel,
            stride,
            pad,
            norm=draw(norms),
            act=draw(acts),
            bias=draw(st.sampled_from([None, True])),
        )
    if kind == "depthwise":
        return Depthwise(kernel, stride, pad, norm=draw(norms), act=draw(acts), multiplier=draw(st.integers(1, 2)))
    if kind == "ghost":
        return Ghost(draw(widths), kernel, stride, pad, ratio=draw(st.integers(2, 3)), norm=draw(norms))
    return Pool(kind, kernel, stride, pad, ceil=draw(st.booleans()) and pad != "tf", count_pad=draw(st.booleans()))


others = st.sampled_from(
    [
        Norm(),
        Norm("layer"),
        Act("gelu"),
        Dropout(0.3),
        LRN(3),
        Attention("se", 2),
        Attention("eca"),
        Attention("cbam", 2, 3),
    ]
)


@st.composite
def branches(draw, depth):
    how = draw(st.sampled_from(["concat", "sum", "product"]))
    count = draw(st.integers(1, 3))
    if how == "concat":
        parts = [
            Seq(*draw(st.lists(keeping() | others, max_size=2)), *([draw(block(depth - 1))] if depth else []))
            for _ in range(count)
        ]
        return Concat(*parts)
    width = draw(widths)
    ends = [Seq(*draw(st.lists(others, max_size=1)), draw(keeping(width))) for _ in range(count)]
    return (Sum if how == "sum" else Product)(*ends)


@st.composite
def block(draw, depth=1):
    kind = draw(st.sampled_from(["leaf", "branches", "residual", "split"]))
    if kind == "branches":
        return draw(branches(depth))
    if kind == "residual":
        body = draw(keeping() | (branches(depth - 1) if depth else keeping()))
        if draw(st.booleans()):
            return Residual(Seq(body, Conv(STREAM, norm=None, act=None)), 0.3, gamma=draw(st.sampled_from([None, 0.5])))
        return Residual(body, shortcut="auto", act=draw(acts), drop_path=0.1)
    if kind == "split":
        return Seq(Conv(8), Split(Seq(), draw(keeping()), draw(keeping()), share=0.25))
    return draw(keeping())


specs = st.builds(lambda parts: Seq(*parts), st.lists(sliding() | block() | others, min_size=1, max_size=4))


def gradient_field(module: nn.Module, shape: tuple[int, int, int], place: tuple[int, int]) -> list[tuple[int, int]]:
    """[(first row, last row), (first column, last column)] of the input on which an output value depends.

    Weights are made positive and activations are taken away, so that no path is hidden by a zero or a cancellation.
    """
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.abs() + 0.1)
    x = torch.rand(1, *shape, dtype=torch.float64) + 0.5
    x.requires_grad_()
    module(x)[0, :, place[0], place[1]].sum().backward()
    touched = x.grad[0].abs().sum(0) > 0
    spans = []
    for axis in (1, 0):
        index = touched.any(axis).nonzero()[:, 0]
        spans.append((int(index.min()), int(index.max())))
    return spans


def smooth(node):
    """The spec with every path open to gradients: averages for maxima, no activation, nothing global by statistics."""

    def step(_, n):
        if isinstance(n, Pool) and n.to is None:
            return Pool("avg", n.kernel, n.stride, n.pad, n.ceil)
        if isinstance(n, Act | Dropout | LRN):
            return Seq()
        if isinstance(n, Conv | Depthwise | Ghost):
            return replace(n, act=None, norm=None if n.norm and n.norm.kind == "layer" else n.norm)
        if isinstance(n, Residual):
            return replace(n, act=None)
        if isinstance(n, Norm) and n.kind != "batch":
            return Seq()
        return n

    return rewrite(node, step)
