"""BN-Inception: Ioffe and Szegedy, "Batch Normalization", ICML 2015 (arXiv 1502.03167), figure 5.

The figure contradicts itself: with its pool projections of 128, 4c and 4d have 608 channels where it prints 576.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import CLASSES, Branches, Concat, Conv, Depthwise, Dropout, Linear, Norm, Pool, Seq
from inceptionlab.zoo.googlenet import CAFFE_INPUT

Row: TypeAlias = tuple[int, int, int, int, int, str, int]

# Figure 5. Columns: 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, pool, projection.
TABLE: dict[str, Row] = {
    "inception3a": (64, 64, 64, 64, 96, "avg", 32),
    "inception3b": (64, 64, 96, 64, 96, "avg", 64),
    "inception3c": (0, 128, 160, 64, 96, "halve", 0),
    "inception4a": (224, 64, 96, 96, 128, "avg", 128),
    "inception4b": (192, 96, 128, 96, 128, "avg", 128),
    "inception4c": (160, 128, 160, 128, 160, "avg", 128),
    "inception4d": (96, 128, 192, 160, 192, "avg", 128),
    "inception4e": (0, 128, 192, 192, 256, "halve", 0),
    "inception5a": (352, 192, 320, 160, 224, "avg", 128),
    "inception5b": (352, 192, 320, 192, 224, "max", 128),
}


@dataclass(frozen=True, slots=True)
class _Style:
    """What the forms differ in: the convolution, and the pools by the name they have in the table."""

    conv: Callable[..., Conv]
    pools: dict[str, Pool]


def module(row: Row, style: _Style) -> Branches:
    """The module of a row; without a 1x1 branch it halves the grid and passes its pool through."""
    one, three_in, three, double_in, double, pool, projection = row
    conv, pooling = style.conv, style.pools[pool]
    if not one:
        return Concat(
            three=Seq(conv(three_in), conv(three, 3, 2)),
            double3x3=Seq(conv(double_in), conv(double, 3), conv(double, 3, 2)),
            pool=pooling,
        )
    return Concat(
        one=conv(one),
        three=Seq(conv(three_in), conv(three, 3)),
        double3x3=Seq(conv(double_in), conv(double, 3), conv(double, 3)),
        pool=Seq(pooling, conv(projection)),
    )


HEAD = Seq(avgpool=Pool("avg", to=1), classifier=Linear(CLASSES))


def caffe() -> Network:
    """The Caffe release (and Cadene's port): a plain 7x7 stem, biased convolutions before batch norm, pool
    projections of 128 in 4c and 4d.
    """
    conv, halve = partial(Conv, bias=True), Pool("max", 3, 2, "valid", ceil=True)
    style = _Style(conv, {"avg": Pool("avg", count_pad=True), "max": Pool("max"), "halve": halve})
    return Network(
        "bn_inception.caffe",
        stem=Seq(conv1=conv(64, 7, 2), pool1=halve, conv2=conv(64), conv3=conv(192, 3), pool2=halve),
        body=Seq(**{name: module(row, style) for name, row in TABLE.items()}),
        head=HEAD,
        input=CAFFE_INPUT,
    )


def tf_slim() -> Network:
    """TF-slim's `inception_v2`: a separable 7x7 stem with bias and ReLU but no norm, projections of 96 in 4c and 4d,
    TensorFlow's padding, averages that do not count it.
    """
    conv, halve = partial(Conv, norm=Norm(eps=1e-3), pad="tf"), Pool("max", 3, 2, "tf")
    style = _Style(conv, {"avg": Pool("avg"), "max": Pool("max"), "halve": halve})
    narrow = {name: (*TABLE[name][:6], 96) for name in ("inception4c", "inception4d")}
    first = Seq(
        depthwise=Depthwise(7, 2, "tf", norm=None, act=None, bias=False, multiplier=8), pointwise=Conv(64, norm=None)
    )
    return Network(
        "bn_inception.tf_slim",
        stem=Seq(conv1=first, pool1=halve, conv2=conv(64), conv3=conv(192, 3), pool2=halve),
        body=Seq(**{name: module(row, style) for name, row in {**TABLE, **narrow}.items()}),
        head=Seq(avgpool=Pool("avg", to=1), dropout=Dropout(0.2), classifier=Linear(CLASSES)),
    )
