"""BN-Inception: Ioffe and Szegedy, "Batch Normalization", ICML 2015 (arXiv 1502.03167), figure 5.

The figure contradicts itself: with its pool projections of 128, 4c and 4d have 608 channels where it prints 576.
"""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

from inceptionlab.network import Network
from inceptionlab.spec import CLASSES, Branches, Concat, Conv, Linear, Pool, Seq
from inceptionlab.zoo.googlenet import CAFFE_INPUT

conv = partial(Conv, bias=True)
halve = Pool("max", 3, 2, "valid", ceil=True)
average = Pool("avg", count_pad=True)

Row: TypeAlias = tuple[int, int, int, int, int, Pool, int]

# Figure 5. Columns: 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, pool, projection.
TABLE: dict[str, Row] = {
    "inception3a": (64, 64, 64, 64, 96, average, 32),
    "inception3b": (64, 64, 96, 64, 96, average, 64),
    "inception3c": (0, 128, 160, 64, 96, halve, 0),
    "inception4a": (224, 64, 96, 96, 128, average, 128),
    "inception4b": (192, 96, 128, 96, 128, average, 128),
    "inception4c": (160, 128, 160, 128, 160, average, 128),
    "inception4d": (96, 128, 192, 160, 192, average, 128),
    "inception4e": (0, 128, 192, 192, 256, halve, 0),
    "inception5a": (352, 192, 320, 160, 224, average, 128),
    "inception5b": (352, 192, 320, 192, 224, Pool("max"), 128),
}


def module(row: Row) -> Branches:
    """The module of a row; without a 1x1 branch it halves the grid and passes its pool through."""
    one, three_in, three, double_in, double, pool, projection = row
    if not one:
        return Concat(
            three=Seq(conv(three_in), conv(three, 3, 2)),
            double3x3=Seq(conv(double_in), conv(double, 3), conv(double, 3, 2)),
            pool=pool,
        )
    return Concat(
        one=conv(one),
        three=Seq(conv(three_in), conv(three, 3)),
        double3x3=Seq(conv(double_in), conv(double, 3), conv(double, 3)),
        pool=Seq(pool, conv(projection)),
    )


def caffe() -> Network:
    """The Caffe release (and Cadene's port): a plain 7x7 stem, biased convolutions before batch norm, pool
    projections of 128 in 4c and 4d.
    """
    return Network(
        "bn_inception.caffe",
        stem=Seq(conv1=conv(64, 7, 2), pool1=halve, conv2=conv(64), conv3=conv(192, 3), pool2=halve),
        body=Seq(**{name: module(row) for name, row in TABLE.items()}),
        head=Seq(avgpool=Pool("avg", to=1), classifier=Linear(CLASSES)),
        input=CAFFE_INPUT,
    )
