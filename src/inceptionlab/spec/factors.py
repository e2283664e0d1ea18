"""A convolution as several smaller ones of the same width, and back."""

from __future__ import annotations

from dataclasses import replace

from inceptionlab.spec.nodes import Conv, Depthwise, Seq, pair


def in_squares(conv: Conv) -> Seq:
    """A square convolution of an odd kernel as a chain of 3 x 3 (Rethinking, section 3.1)."""
    small = replace(conv, kernel=3)
    return Seq(*[replace(small, stride=1)] * ((pair(conv.kernel)[0] - 1) // 2 - 1), small)


def in_bands(conv: Conv) -> Seq:
    """An n x n convolution as 1 x n, n x 1 (Rethinking, section 3.2)."""
    (kernel, _), (down, across) = pair(conv.kernel), pair(conv.stride)
    return Seq(
        replace(conv, kernel=(1, kernel), stride=(1, across)),
        replace(conv, kernel=(kernel, 1), stride=(down, 1)),
    )


def separated(conv: Conv) -> Seq:
    """A convolution as depthwise, then pointwise, with nothing between (Xception, section 3)."""
    depthwise = Depthwise(conv.kernel, conv.stride, conv.pad, conv.dilation, norm=None, act=None, bias=False)
    return Seq(depthwise=depthwise, pointwise=replace(conv, kernel=1, stride=1, pad="same", dilation=1))
