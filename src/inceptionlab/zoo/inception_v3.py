"""Inception-v3: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016 (1512.00567)."""

from __future__ import annotations

from functools import partial

from inceptionlab.spec.network import Aux, Input, Network
from inceptionlab.spec.nodes import CLASSES, Branches, Concat, Conv, Dropout, Linear, Norm, Pool, Seq

conv = partial(Conv, norm=Norm(eps=1e-3))
valid = partial(conv, pad="valid")
halve = Pool("max", 3, 2, "valid")
average = Pool("avg", count_pad=True)
exact = Pool("avg")
"""TensorFlow's average, which does not count its padding."""


def block_a(pool: int, pooling: Pool = average) -> Branches:
    """Figure 5, with a 5x5 branch left as the releases have it."""
    return Concat(
        one=conv(64),
        five=Seq(conv(48), conv(64, 5)),
        double3x3=Seq(conv(64), conv(96, 3), conv(96, 3)),
        pool=Seq(pooling, conv(pool)),
    )


def reduction_a() -> Branches:
    """Figure 10: 35x35 to 17x17."""
    return Concat(three=valid(384, 3, 2), double3x3=Seq(conv(64), conv(96, 3), valid(96, 3, 2)), pool=halve)


def block_b(width: int, pooling: Pool = average) -> Branches:
    """Figure 6 with n = 7."""
    return Concat(
        one=conv(192),
        seven=Seq(conv(width), conv(width, (1, 7)), conv(192, (7, 1))),
        double7x7=Seq(conv(width), conv(width, (7, 1)), conv(width, (1, 7)), conv(width, (7, 1)), conv(192, (1, 7))),
        pool=Seq(pooling, conv(192)),
    )


def reduction_b() -> Branches:
    """17x17 to 8x8."""
    return Concat(
        three=Seq(conv(192), valid(320, 3, 2)),
        seven=Seq(conv(192), conv(192, (1, 7)), conv(192, (7, 1)), valid(192, 3, 2)),
        pool=halve,
    )


def block_c(pooling: Pool = average) -> Branches:
    """Figure 7: the expanded filter bank at 8x8."""
    fan = Concat(wide=conv(384, (1, 3)), tall=conv(384, (3, 1)))
    return Concat(
        one=conv(320),
        three=Seq(conv(384), fan),
        double3x3=Seq(conv(448), conv(384, 3), fan),
        pool=Seq(pooling, conv(192)),
    )


def _network(name: str, pooling: Pool, last: Pool, dropout: float) -> Network:
    """Table 1 as it was released; `pooling` stands in the modules, `last` in the last one."""
    return Network(
        name,
        stem=Seq(
            conv1a=valid(32, 3, 2), conv2a=valid(32, 3), conv2b=conv(64, 3), pool3a=halve,
            conv3b=valid(80), conv4a=valid(192, 3), pool5a=halve,
        ),
        body=Seq(
            mixed5b=block_a(32, pooling), mixed5c=block_a(64, pooling), mixed5d=block_a(64, pooling),
            mixed6a=reduction_a(),
            mixed6b=block_b(128, pooling), mixed6c=block_b(160, pooling), mixed6d=block_b(160, pooling),
            mixed6e=block_b(192, pooling),
            mixed7a=reduction_b(),
            mixed7b=block_c(pooling), mixed7c=block_c(last),
        ),
        head=Seq(avgpool=Pool("avg", to=1), dropout=Dropout(dropout), fc=Linear(CLASSES)),
        input=Input(3, 299, 299),
        aux=(Aux("aux", "mixed6e", auxiliary(), 0.4),),
    )  # fmt: skip


def torchvision() -> Network:
    """The published network as torchvision and timm have it: average pools that count their padding, dropout 0.5."""
    return _network("inception_v3.torchvision", average, average, 0.5)


def tf_slim() -> Network:
    """The published network as TF-slim and Keras have it: averages do not count their padding, dropout 0.2."""
    return _network("inception_v3.tf_slim", exact, exact, 0.2)


def fid() -> Network:
    """The network of the Frechet Inception distance (Heusel et al. 2017): TensorFlow's averages, a max pool in the
    last module, 1008 classes, no auxiliary head.
    """
    return _network("inception_v3.fid", exact, Pool("max"), 0.2).with_classes(1008).without_aux()


def auxiliary() -> Seq:
    """The auxiliary head on the last 17x17 grid (figure 8), batch-normalised."""
    return Seq(
        pool=Pool("avg", 5, 3, "valid"), conv0=conv(128), conv1=valid(768, 5), avgpool=Pool("avg", to=1),
        fc=Linear(CLASSES),
    )  # fmt: skip
