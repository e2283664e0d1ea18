"""Inception-v4: Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
AAAI 2017 (arXiv 1602.07261), figures 3 to 9.
"""

from __future__ import annotations

from inceptionlab.spec.network import Aux, Input, Network
from inceptionlab.spec.nodes import CLASSES, Branches, Concat, Dropout, Linear, Pool, Seq
from inceptionlab.zoo.inception_resnet_v1 import reduction_a
from inceptionlab.zoo.inception_v3 import auxiliary, conv, halve, valid

average = Pool("avg")


def stem() -> Seq:
    """Figure 3, with 1x7 before 7x1 as every released weight has it, and the stride of its last pair."""
    return Seq(
        conv1=valid(32, 3, 2),
        conv2=valid(32, 3),
        conv3=conv(64, 3),
        mixed3a=Concat(pool=halve, conv=valid(96, 3, 2)),
        mixed4a=Concat(
            short=Seq(conv(64), valid(96, 3)), long=Seq(conv(64), conv(64, (1, 7)), conv(64, (7, 1)), valid(96, 3))
        ),
        mixed5a=Concat(conv=valid(192, 3, 2), pool=halve),
    )


def block_a() -> Branches:
    """Figure 4."""
    return Concat(
        one=conv(96),
        three=Seq(conv(64), conv(96, 3)),
        double3x3=Seq(conv(64), conv(96, 3), conv(96, 3)),
        pool=Seq(average, conv(96)),
    )


def block_b() -> Branches:
    """Figure 5, the third branch 1x7 then 7x1 (the figure has 1x7 twice), the fourth in the order of the weights."""
    return Concat(
        one=conv(384),
        seven=Seq(conv(192), conv(224, (1, 7)), conv(256, (7, 1))),
        double7x7=Seq(conv(192), conv(192, (7, 1)), conv(224, (1, 7)), conv(224, (7, 1)), conv(256, (1, 7))),
        pool=Seq(average, conv(128)),
    )


def reduction_b() -> Branches:
    """Figure 8."""
    return Concat(
        three=Seq(conv(192), valid(192, 3, 2)),
        seven=Seq(conv(256), conv(256, (1, 7)), conv(320, (7, 1)), valid(320, 3, 2)),
        pool=halve,
    )


def block_c() -> Branches:
    """Figure 6, the third branch 3x1 then 1x3 as every released weight has it."""
    fan = Concat(wide=conv(256, (1, 3)), tall=conv(256, (3, 1)))
    return Concat(
        one=conv(256),
        three=Seq(conv(384), fan),
        double3x3=Seq(conv(384), conv(448, (3, 1)), conv(512, (1, 3)), fan),
        pool=Seq(average, conv(256)),
    )


def paper() -> Network:
    """Figure 9; the auxiliary head is TF-slim's, after the last block B. In the reduction of figure 7 k, l, m and n
    are those of table 1.
    """
    return Network(
        "inception_v4",
        stem=stem(),
        body=Seq(
            **{f"a{i}": block_a() for i in range(1, 5)},
            reduction_a=reduction_a(192, 224, 256, 384),
            **{f"b{i}": block_b() for i in range(1, 8)},
            reduction_b=reduction_b(),
            **{f"c{i}": block_c() for i in range(1, 4)},
        ),
        head=Seq(avgpool=Pool("avg", to=1), dropout=Dropout(0.2), fc=Linear(CLASSES)),
        input=Input(3, 299, 299, interpolation="bicubic"),
        aux=(Aux("aux", "b7", auxiliary(), 0.4),),
    )
