"""Inception-ResNet-v2: Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning", AAAI 2017 (arXiv 1602.07261). The network that was released is not the one of the figures.
"""

from __future__ import annotations

from dataclasses import replace

from inceptionlab.spec.network import Aux, Input, Network
from inceptionlab.spec.nodes import (
    CLASSES,
    Branches,
    Concat,
    Dropout,
    Linear,
    Pool,
    Residual,
    Seq,
)  # fmt: skip
from inceptionlab.zoo import inception_v4
from inceptionlab.zoo.inception_resnet_v1 import linear_residual, reduction_a
from inceptionlab.zoo.inception_v3 import auxiliary, conv, halve, valid

HEAD = Seq(avgpool=Pool("avg", to=1), dropout=Dropout(0.2), fc=Linear(CLASSES))


def block_a() -> Residual:
    """Figure 16; scaled by 0.17 in the release."""
    block = Concat(one=conv(32), three=Seq(conv(32), conv(32, 3)), double3x3=Seq(conv(32), conv(48, 3), conv(64, 3)))
    return linear_residual(block, 0.17)


def block_b() -> Residual:
    """Figure 17; scaled by 0.1."""
    return linear_residual(Concat(one=conv(192), seven=Seq(conv(128), conv(160, (1, 7)), conv(192, (7, 1)))), 0.1)


def block_c(scale: float = 0.2) -> Residual:
    """Figure 19; the last one of the release has scale 1 and no ReLU."""
    block = Concat(one=conv(192), three=Seq(conv(192), conv(224, (1, 3)), conv(256, (3, 1))))
    residual = linear_residual(block, scale)
    return replace(residual, act=None) if scale == 1 else residual


def reduction_b(second: int, last: int) -> Branches:
    """Figure 18 ("wider Inception-ResNet-v2"); `second` and `last` are the widths of its second and third branch."""
    return Concat(
        three=Seq(conv(256), valid(384, 3, 2)),
        second3x3=Seq(conv(256), valid(second, 3, 2)),
        double3x3=Seq(conv(256), conv(second, 3), valid(last, 3, 2)),
        pool=halve,
    )


def mixed_5b() -> Branches:
    """The module before the residual blocks, which no figure has."""
    return Concat(
        one=conv(96),
        five=Seq(conv(48), conv(64, 5)),
        double3x3=Seq(conv(64), conv(96, 3), conv(96, 3)),
        pool=Seq(Pool("avg"), conv(64)),
    )


def released() -> Network:
    """TF-slim's network, which every public weight is for: Inception-v3's stem, `mixed5b`, 10, 20 and 10 residual
    blocks, the last of them without scale and ReLU, and a 1x1 convolution of 1536. The auxiliary head is TF-slim's.
    """
    return Network(
        "inception_resnet_v2.released",
        stem=Seq(
            conv1a=valid(32, 3, 2), conv2a=valid(32, 3), conv2b=conv(64, 3), pool3a=halve,
            conv3b=valid(80), conv4a=valid(192, 3), pool5a=halve,
        ),
        body=Seq(
            mixed5b=mixed_5b(),
            **{f"a{i}": block_a() for i in range(1, 11)},
            mixed6a=reduction_a(256, 256, 384, 384),
            **{f"b{i}": block_b() for i in range(1, 21)},
            mixed7a=reduction_b(288, 320),
            **{f"c{i}": block_c() for i in range(1, 10)},
            c10=block_c(1.0),
            conv7b=conv(1536),
        ),
        head=HEAD,
        input=Input(3, 299, 299, interpolation="bicubic", crop=0.8975),
        aux=(Aux("aux", "b20", auxiliary(), 0.4),),
    )  # fmt: skip


def paper() -> Network:
    """The figures: Inception-v4's stem, 5, 10 and 5 residual blocks. Figures 17 and 19 print 1154 and 2048 linear
    filters, which cannot be added to 1152 and 2144 channels.
    """
    return Network(
        "inception_resnet_v2.paper",
        stem=inception_v4.stem(),
        body=Seq(
            **{f"a{i}": block_a() for i in range(1, 6)},
            reduction_a=reduction_a(256, 256, 384, 384),
            **{f"b{i}": block_b() for i in range(1, 11)},
            reduction_b=reduction_b(288, 320),
            **{f"c{i}": block_c() for i in range(1, 6)},
        ),
        head=HEAD,
        input=Input(3, 299, 299),
    )
