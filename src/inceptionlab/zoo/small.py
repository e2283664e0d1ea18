"""The comparison set of a tutorial for 32 x 32 images: four members of the family, made small by rules.

Each is the member of its name with a small stem and every width multiplied by one factor, chosen to give the
parameters that the tutorial's table states (5.2, 4.7, 5.1 and 6.2 million for 10 classes; it has no code for them).
Batch norm is in all four, so that their differences are those of the modules.
"""

from __future__ import annotations

from dataclasses import replace

from inceptionlab.rules import small_stem, widen
from inceptionlab.spec.network import Input, Network
from inceptionlab.spec.nodes import CLASSES, Act, Branches, Concat, Conv, Linear, Node, Norm, Pool, Seq
from inceptionlab.zoo import bn_inception, googlenet, inception_resnet_v1, inception_v3

BIASED = Norm("batch", momentum=0.4, affine="bias")
"""airbench's: no learned scale, statistics that follow quickly. Not its eps of 1e-12, with which a norm that has seen
nothing is the identity: OpenVINO drops it, and takes the GELU behind a max pool before it, which is something else.
"""


def _small(name: str, member: Network, factor: float) -> Network:
    """Two rules made it, and its name says so; further rules are written behind the name."""
    made = (small_stem(32) | widen(factor))(member.without_aux().with_classes(10))
    image = replace(made.input, mean=(0.5,), std=(0.5,), crop=1.0)
    return replace(made, name=name, rules="", input=image)


def small_v1() -> Network:
    """GoogLeNet's modules (5x5 branch) with batch norm."""
    return _small("small_v1", googlenet.bn5x5(), 0.94)


def _columns(one: int, narrow: int, three: int, pool: int) -> Branches:
    """A module of v1 without its most costly branch: 1x1, 1x1 and 3x3, pool and 1x1."""
    return Concat(one=Conv(one), three=Seq(Conv(narrow), Conv(three, 3)), pool=Seq(Pool("max"), Conv(pool)))


def small_fast() -> Network:
    """Five modules of v1 with batch norm at 16x16, 8x8 and 4x4, wide where arithmetic is cheap on a CPU: few values are
    written between convolutions, and a second of two cores trains some hundred images.
    """
    halve = Pool("max", 2, 2, pad="valid")
    return Network(
        "small_fast",
        stem=Seq(conv1=Conv(32, 3, 2)),
        body=Seq(
            module1=Concat(one=Conv(32), three=Conv(64, 3)), module2=_columns(32, 48, 64, 32), pool2=halve,
            module3=Concat(one=Conv(64), three=Seq(Conv(96), Conv(160, 3))), module4=_columns(64, 96, 160, 32),
            pool3=halve, module5=_columns(128, 128, 256, 64),
        ),
        head=Seq(avgpool=Pool("avg", to=1), fc=Linear(CLASSES)),
        input=Input(3, 32, 32, crop=1.0), classes=10,
    )  # fmt: skip


def small_fast2() -> Network:
    """Modules at 15x15, 7x7 and 3x3 behind a 2x2 convolution that the recipe `efficient` fixes from data.

    After airbench94 (Jordan 2024, arXiv 2404.00498), whose second convolution of each group is a module here: wide 3x3
    convolutions, pooled before their norms, which learn a bias alone and leave branches on one scale, and GELU.
    """

    def down(out: int) -> dict[str, Node]:
        conv = Conv(out, 3, norm=None, act=None, bias=False)
        return {"conv": conv, "pool": Pool("max", 2, 2, pad="valid"), "norm": BIASED, "act": Act("gelu")}

    return Network(
        "small_fast2",
        stem=Seq(whiten=Conv(24, 2, pad="valid", norm=None, act="gelu")),
        body=Seq(
            down1=Seq(**down(64)), module1=_biased(16, (48, 48), (16, 24, 24), 8),
            down2=Seq(**down(192)), module2=_biased(64, (96, 128), (32, 48, 64), 32),
            down3=Seq(**down(256)), module3=_biased(64, (128, 192), (48, 96, 96), 32),
        ),
        head=Seq(maxpool=Pool("max", to=1), fc=Linear(CLASSES, bias=False)),
        input=Input(3, 32, 32, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), crop=1.0), classes=10,
    )  # fmt: skip


def _biased(one: int, three: tuple[int, int], double: tuple[int, int, int], pool: int) -> Branches:
    """A module of v2 with GELU and norms that learn a bias alone: 1x1, 3x3, double 3x3, pool and 1x1."""

    def conv(out: int, kernel: int = 1) -> Conv:
        return Conv(out, kernel, norm=BIASED, act="gelu")

    return Concat(
        one=conv(one), three=Seq(conv(three[0]), conv(three[1], 3)),
        double3x3=Seq(conv(double[0]), conv(double[1], 3), conv(double[2], 3)), pool=Seq(Pool("max"), conv(pool)),
    )  # fmt: skip


def small_v2() -> Network:
    """BN-Inception's modules: two 3x3 convolutions where v1 has a 5x5."""
    return _small("small_v2", bn_inception.caffe(), 0.68)


def small_v3() -> Network:
    """Inception-v3's modules: asymmetric 1x7 and 7x1 convolutions, expanded filter banks."""
    return _small("small_v3", inception_v3.torchvision(), 0.484)


def small_resnet() -> Network:
    """Inception-ResNet-v1's modules: scaled residuals around narrow blocks."""
    return _small("small_resnet", inception_resnet_v1.paper(), 0.551)
