"""Random specs of every kind for hypothesis, and a way to measure a receptive field by its gradient."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import strategies as st
from torch import nn

from inceptionlab.spec import (
    ACTS,
    CLASSES,
    LRN,
    STREAM,
    Act,
    Attention,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    Ghost,
    Linear,
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
BIASED = Norm("batch", 1e-12, 0.4, affine="bias")
norms = st.sampled_from([None, "batch", "layer", BIASED])
acts = st.sampled_from([None, *ACTS])
pads = st.sampled_from(["same", "valid", "tf"])


@st.composite
def keeping(draw, width=None):
    """A leaf that keeps height and width; `width` is its output channels where it can choose."""
    odd = draw(st.sampled_from([1, 3, 5, (1, 3), (5, 1)]))
    out = width or draw(widths)
    pad = draw(st.sampled_from(["same", "tf"]))
    conv = Conv(out, odd, pad=pad, dilation=draw(st.integers(1, 2)), norm=draw(norms), act=draw(acts))
    spread = {"dilation": draw(st.integers(1, 2)), "cheap_dilation": draw(st.integers(1, 2))}
    return draw(st.sampled_from([conv, Ghost(out, odd, pad=pad, norm=draw(norms), act=draw(acts), **spread)]))


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
        spread = {"dilation": draw(st.integers(1, 2)), "cheap_dilation": draw(st.integers(1, 3))}
        return Ghost(draw(widths), kernel, stride, pad, ratio=draw(st.integers(2, 3)), norm=draw(norms), **spread)
    return Pool(kind, kernel, stride, pad, ceil=draw(st.booleans()) and pad != "tf", count_pad=draw(st.booleans()))


others = st.sampled_from(
    [
        Norm(),
        Norm("layer"),
        BIASED,
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
        return Residual(body, shortcut="auto", act=draw(acts), stochastic_depth=0.1)
    if kind == "split":
        return Seq(Conv(8), Split(Seq(), draw(keeping()), draw(keeping()), share=0.25))
    return draw(keeping())


specs = st.builds(lambda parts: Seq(*parts), st.lists(sliding() | block() | others, min_size=1, max_size=4))


# Trees with any value in any field, which need not fit together: for reading and writing.
sides = st.integers(1, 99)
sizes = sides | st.tuples(sides, sides)
any_norm = st.one_of(
    st.none(),
    st.builds(
        Norm, st.sampled_from(["batch", "group", "layer"]), st.floats(1e-12, 1), st.floats(0, 1), st.booleans(), sides
    ),
    st.builds(Norm, st.just("batch"), st.floats(1e-12, 1), st.floats(0, 1), st.just("bias"), sides),
)
any_pad = pads | st.integers(0, 9) | st.tuples(st.integers(0, 9), st.integers(0, 9))
any_number = st.floats(-1e6, 1e6)
probabilities = st.floats(0, 0.99)
any_leaf = st.one_of(
    st.builds(
        Conv, st.integers(1, 2**16) | st.just(STREAM), sizes, sizes, any_pad, sides, sizes, any_norm, acts,
        st.none() | st.booleans(),
    ),
    st.builds(Depthwise, sizes, sizes, any_pad, sizes, any_norm, acts, st.none() | st.booleans(), sides),
    st.builds(
        Ghost, sides, sizes, sizes, any_pad, st.integers(2, 9), st.sampled_from([1, 3, 5]), any_norm, acts, sizes, sizes
    ),
    st.builds(Pool, st.sampled_from(["max", "avg"]), sizes, sizes, pads, st.booleans(), st.booleans()),
    st.builds(Pool, st.sampled_from(["max", "avg"]), to=sides),
    st.builds(Dropout, probabilities),
    st.builds(LRN, sides, st.floats(0, 9), st.floats(0, 9), st.floats(0.1, 9)),
    st.builds(Attention, st.sampled_from(["se", "eca", "cbam"]), sides, st.sampled_from([1, 3, 7])),
    st.builds(Linear, st.just(CLASSES) | sides, acts, st.booleans()),
    st.builds(Act, st.sampled_from(ACTS)),
    any_norm.filter(lambda norm: norm is not None),
)  # fmt: skip
names = st.text(st.characters(exclude_characters=".", exclude_categories=["C", "Z"]), min_size=1, max_size=6) | (
    st.sampled_from(["one", "class", "None", "self", "nodes", "a b", "0", "1", "ﬁ", "x'y", "|"])
)
named_or_not = [
    (lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda nodes: (nodes, {}))),
    (lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3).map(lambda named: ([], named))),
]


def containers(inner):
    """A node that holds others."""
    some = st.one_of(*(make(inner) for make in named_or_not))
    return st.one_of(
        some.map(lambda both: Seq(*both[0], **both[1])),
        st.builds(lambda both, p: Concat(*both[0], **both[1], stochastic_depth=p), some, probabilities),
        st.builds(lambda both, p: Sum(*both[0], **both[1], stochastic_depth=p), some, probabilities),
        some.map(lambda both: Product(*both[0], **both[1])),
        st.builds(lambda both, share: Split(*both[0], **both[1], share=share), some, st.none() | st.floats(0.01, 0.99)),
        st.builds(
            Residual, inner, any_number, st.none() | st.just("auto") | inner, acts, st.none() | any_number,
            probabilities,
        ),
    )  # fmt: skip


any_tree = st.recursive(any_leaf, containers, max_leaves=8)


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
