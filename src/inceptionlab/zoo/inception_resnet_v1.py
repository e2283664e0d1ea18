"""Inception-ResNet-v1: Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning", AAAI 2017 (arXiv 1602.07261), figures 10 to 14 and table 1.
"""

from __future__ import annotations

from dataclasses import replace

from inceptionlab.spec.network import Input, Network
from inceptionlab.spec.nodes import (
    CLASSES,
    STREAM,
    Branches,
    Concat,
    Conv,
    Dropout,
    Linear,
    Node,
    Pool,
    Residual,
    Seq,
)  # fmt: skip
from inceptionlab.zoo.inception_v3 import conv, halve, valid


def linear_residual(block: Node, scale: float) -> Residual:
    """The sum x + scale * linear(block(x)), then ReLU; linear is 1x1 with bias and without norm (section 3.2)."""
    return Residual(Seq(block=block, linear=Conv(STREAM, norm=None, act=None)), scale)


def block_a(scale: float = 0.17) -> Residual:
    """Figure 10."""
    return linear_residual(
        Concat(one=conv(32), three=Seq(conv(32), conv(32, 3)), double3x3=Seq(conv(32), conv(32, 3), conv(32, 3))), scale
    )


def reduction_a(k: int, l: int, m: int, n: int) -> Branches:  # noqa: E741  (the letters of table 1)
    """Figure 7: 35x35 to 17x17, with the widths of table 1."""
    return Concat(three=valid(n, 3, 2), double3x3=Seq(conv(k), conv(l, 3), valid(m, 3, 2)), pool=halve)


def block_b(scale: float = 0.1) -> Residual:
    """Figure 11."""
    return linear_residual(Concat(one=conv(128), seven=Seq(conv(128), conv(128, (1, 7)), conv(128, (7, 1)))), scale)


def reduction_b() -> Branches:
    """Figure 12: 17x17 to 8x8."""
    return Concat(
        three=Seq(conv(256), valid(384, 3, 2)),
        second3x3=Seq(conv(256), valid(256, 3, 2)),
        double3x3=Seq(conv(256), conv(256, 3), valid(256, 3, 2)),
        pool=halve,
    )


def block_c(scale: float = 0.2) -> Residual:
    """Figure 13."""
    return linear_residual(Concat(one=conv(192), three=Seq(conv(192), conv(192, (1, 3)), conv(192, (3, 1)))), scale)


def stem() -> Seq:
    """Figure 14."""
    return Seq(
        conv1=valid(32, 3, 2), conv2=valid(32, 3), conv3=conv(64, 3), pool=halve,
        conv4=conv(80), conv5=valid(192, 3), conv6=valid(256, 3, 2),
    )  # fmt: skip


def _body(**more: Node) -> Seq:
    return Seq(
        **{f"a{i}": block_a() for i in range(1, 6)},
        reduction_a=reduction_a(192, 192, 256, 384),
        **{f"b{i}": block_b() for i in range(1, 11)},
        reduction_b=reduction_b(),
        **{f"c{i}": block_c() for i in range(1, 6)},
        **more,
    )


def paper() -> Network:
    """The figures of the paper: 5, 10 and 5 residual blocks."""
    head = Seq(avgpool=Pool("avg", to=1), dropout=Dropout(0.2), fc=Linear(CLASSES))
    return Network("inception_resnet_v1.paper", stem(), _body(), head, Input(3, 299, 299))


def facenet() -> Network:
    """Facenet's network for faces: a sixth block C without scale and ReLU, then an embedding of 512 with batch norm.
    With 0 classes its features are the embedding before it is divided by its length.
    """
    return Network(
        "inception_resnet_v1.facenet",
        stem=stem(),
        body=_body(c6=replace(block_c(1.0), act=None)),
        head=Seq(
            avgpool=Pool("avg", to=1),
            dropout=Dropout(0.6),
            embedding=conv(512, act=None),
            logits=Linear(CLASSES),
        ),
        input=Input(3, 160, 160, mean=(127.5 / 255,), std=(128 / 255,), crop=1.0),
        classes=8631,
    )
