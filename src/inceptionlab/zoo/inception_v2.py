"""Inception-v2: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016 (1512.00567),
section 6 and table 1. The paper gives no channel numbers inside of its modules; those of Inception-v3 are taken where
the shapes agree, and sum to the 288, 768, 1280 and 2048 that it prints.
"""

from __future__ import annotations

from functools import partial

from inceptionlab.spec.network import Aux, Input, Network
from inceptionlab.spec.nodes import CLASSES, Branches, Concat, Conv, Linear, Pool, Seq
from inceptionlab.zoo.inception_v3 import auxiliary, average, block_c, conv, halve, valid


def _a() -> Branches:
    """Figure 5: the 5x5 of figure 4 as two 3x3; the second branch is a single 3x3."""
    return Concat(
        one=conv(64),
        three=Seq(conv(64), conv(64, 3)),
        double3x3=Seq(conv(64), conv(96, 3), conv(96, 3)),
        pool=Seq(average, conv(64)),
    )


def _b(n: int) -> Branches:
    """Figure 6: n x n convolutions as 1 x n and n x 1."""
    wide, tall = conv(192, (1, n)), conv(192, (n, 1))
    return Concat(
        one=conv(192),
        once=Seq(conv(192), wide, tall),
        twice=Seq(conv(192), wide, tall, wide, tall),
        pool=Seq(average, conv(192)),
    )


def _reduction(entry: int, three: int, double: int) -> Branches:
    """Figure 10."""
    return Concat(
        three=Seq(conv(entry), valid(three, 3, 2)),
        double3x3=Seq(conv(entry), conv(double, 3), valid(double, 3, 2)),
        pool=halve,
    )


def table1(n: int = 7, name: str = "inception_v2") -> Network:
    """Table 1 with the grid reductions as modules of their own: 2 A, reduction, 4 B, reduction, 2 C; the auxiliary
    head hangs after the last 17x17 module (figure 8).
    """
    return Network(
        name,
        stem=Seq(
            conv1=valid(32, 3, 2), conv2=valid(32, 3), conv3=conv(64, 3), pool=halve,
            conv4=valid(80, 3), conv5=valid(192, 3, 2), conv6=conv(288, 3),
        ),
        body=Seq(
            a1=_a(), a2=_a(), reduction1=_reduction(64, 384, 96),
            **{f"b{i}": _b(n) for i in range(1, 5)}, reduction2=_reduction(192, 320, 192),
            c1=block_c(), c2=block_c(),
        ),
        head=Seq(avgpool=Pool("avg", to=1), fc=Linear(CLASSES)),
        input=Input(3, 299, 299),
        aux=(Aux("aux", "b4", auxiliary(), 0.4),),
    )  # fmt: skip


def n3() -> Network:
    """The same with n = 3 in the modules of figure 6, as a tutorial reads it."""
    return table1(3, "inception_v2.n3")


# 1x1, then the chains of the two other branches, then the pool projection; for 224 pixels.
COMPACT_A = {"a1": (64, (64, 64), (64, 96, 96), 32), "a2": (64, (64, 96), (64, 96, 96), 64)}
COMPACT_B = {
    "b1": (224, (64, 64, 96), (96, 96, 96, 96, 128), 128),
    "b2": (192, (96, 96, 128), (96, 96, 96, 96, 128), 128),
    "b3": (160, (128, 128, 160), (128, 128, 128, 128, 128), 128),
    "b4": (96, (128, 128, 192), (160, 160, 160, 160, 160), 128),
}
COMPACT_C = {"c1": (352, (192, 160), (160, 112, 112), 128), "c2": (352, (192, 160), (192, 112, 112), 128)}
biased = partial(Conv, bias=True)


def _compact_a(one: int, three: tuple[int, ...], double: tuple[int, ...], pool: int) -> Branches:
    return Concat(
        one=biased(one),
        three=Seq(biased(three[0]), biased(three[1], 3)),
        double3x3=Seq(biased(double[0]), biased(double[1], 3), biased(double[2], 3)),
        pool=Seq(average, biased(pool)),
    )


def _compact_b(one: int, single: tuple[int, ...], double: tuple[int, ...], pool: int) -> Branches:
    kernels = ((1, 3), (3, 1), (1, 3), (3, 1))
    return Concat(
        one=biased(one),
        once=Seq(biased(single[0]), *map(biased, single[1:], kernels)),
        twice=Seq(biased(double[0]), *map(biased, double[1:], kernels)),
        pool=Seq(average, biased(pool)),
    )


def _compact_c(one: int, fan: tuple[int, ...], long: tuple[int, ...], pool: int) -> Branches:
    return Concat(
        one=biased(one),
        three=Seq(biased(fan[0]), Concat(wide=biased(fan[1], (1, 3)), tall=biased(fan[1], (3, 1)))),
        double3x3=Seq(
            biased(long[0]), biased(long[1], 3), Concat(tall=biased(long[2], (3, 1)), wide=biased(long[2], (1, 3)))
        ),
        pool=Seq(average, biased(pool)),
    )


def _compact_reduction(three: tuple[int, int], double: tuple[int, int]) -> Branches:
    return Concat(
        three=Seq(biased(three[0]), biased(three[1], 3, 2)),
        double3x3=Seq(biased(double[0]), biased(double[1], 3), biased(double[1], 3, 2)),
        pool=Pool("max", 3, 2, pad=1),
    )


def compact() -> Network:
    """The reading of a widely copied implementation: BN-Inception's widths and 7x7 stem for 224 pixels, with modules B
    of n = 3 at 14x14 and modules C at 7x7; biased convolutions before batch norm.
    """
    pool = Pool("max", 3, 2, pad=1)
    return Network(
        "inception_v2.compact",
        stem=Seq(conv1=biased(64, 7, 2), pool1=pool, conv2=biased(192, 3), pool2=pool),
        body=Seq(
            **{name: _compact_a(*row) for name, row in COMPACT_A.items()},
            reduction1=_compact_reduction((128, 160), (64, 96)),
            **{name: _compact_b(*row) for name, row in COMPACT_B.items()},
            reduction2=_compact_reduction((128, 192), (192, 256)),
            **{name: _compact_c(*row) for name, row in COMPACT_C.items()},
        ),
        head=Seq(avgpool=Pool("avg", to=1), fc=Linear(CLASSES)),
        input=Input(3, 224, 224),
    )
