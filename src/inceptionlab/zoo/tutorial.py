"""The networks of a Chinese tutorial on Inception for CIFAR-10: `InceptionNet` and
`SimpleCNNWithDilation`, as written there (biased convolutions, ReLU, no norm; CIFAR-10's input).
"""

from __future__ import annotations

from inceptionlab.spec.network import Input, Network
from inceptionlab.spec.nodes import CLASSES, Conv, Linear, Pool, Seq
from inceptionlab.zoo.googlenet import module, plain

CIFAR = Input(3, 32, 32, crop=1.0)


def inception_net() -> Network:
    """A 7x7 stem of stride 2, a padded pool, and twice the module with the row of 3a."""
    row = (64, 96, 128, 16, 32, 32)
    return Network(
        "inception_net",
        stem=Seq(conv1=plain(64, 7, 2), pool1=Pool("max", 3, 2, pad=1)),
        body=Seq(inception1=module(row), inception2=module(row)),
        head=Seq(avgpool=Pool("avg", to=1), fc=Linear(CLASSES)),
        input=CIFAR,
        classes=10,
    )


def dilated_cnn() -> Network:
    """Three convolutions, the second with dilation 2, and two linear layers."""
    halve = Pool("max", 2, 2, "valid")
    return Network(
        "dilated_cnn",
        stem=Seq(),
        body=Seq(
            conv1=Conv(16, 3, norm=None), pool1=halve, conv2=Conv(32, 3, dilation=2, norm=None), pool2=halve,
            conv3=Conv(64, 3, norm=None),
        ),
        head=Seq(fc1=Linear(256, "relu"), fc2=Linear(CLASSES)),
        input=CIFAR,
        classes=10,
    )  # fmt: skip
