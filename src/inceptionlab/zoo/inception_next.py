"""InceptionNeXt: Yu et al., "InceptionNeXt: When Inception Meets ConvNeXt", CVPR 2024 (arXiv 2303.16900), table 1."""

from __future__ import annotations

from functools import partial

from inceptionlab.spec.network import IMAGENET_MEAN, IMAGENET_STD, Input, Network
from inceptionlab.spec.nodes import CLASSES, Branches, Conv, Depthwise, Linear, Node, Norm, Pool, Residual, Seq, Split

bare = partial(Conv, norm=None, act=None)
depthwise = partial(Depthwise, norm=None, act=None)


def mixer(band: int, share: float) -> Branches:
    """Inception depthwise convolution (equation 2): most channels pass, three equal parts go through a square and two
    bands.
    """
    return Split(identity=Seq(), square=depthwise(3), wide=depthwise((1, band)), tall=depthwise((band, 1)), share=share)


def _block(width: int, ratio: int, band: int, share: float) -> Residual:
    mlp = (Conv(ratio * width, norm=None, act="gelu"), bare(width))
    return Residual(Seq(mixer(band, share), Norm(), *mlp), act=None, gamma=1e-6)


def _network(
    name: str,
    depths: tuple[int, ...],
    widths: tuple[int, ...],
    band: int = 11,
    share: float = 1 / 8,
    crop: float = 0.875,
) -> Network:
    stages: dict[str, Node] = {}
    for i, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        ratio = 3 if i == 3 else 4
        down = () if i == 0 else (Norm(), bare(width, 2, 2, "valid"))
        stages[f"stage{i + 1}"] = Seq(*down, *[_block(width, ratio, band, share)] * depth)
    head = Seq(
        avgpool=Pool("avg", to=1), fc1=Linear(3 * widths[-1], "gelu"), norm=Norm("layer", eps=1e-6), fc2=Linear(CLASSES)
    )
    image = Input(3, 224, 224, IMAGENET_MEAN, IMAGENET_STD, "bicubic", crop)
    stem = Seq(stem=Conv(widths[0], 4, 4, "valid", act=None, bias=True))
    return Network(name, stem, Seq(**stages), head, image)


def atto() -> Network:
    """The smallest: bands of 9, a quarter of the channels each."""
    return _network("inception_next_atto", (2, 2, 6, 2), (40, 80, 160, 320), band=9, share=1 / 4)


def tiny() -> Network:
    """InceptionNeXt-T."""
    return _network("inception_next_tiny", (3, 3, 9, 3), (96, 192, 384, 768))


def small() -> Network:
    """InceptionNeXt-S."""
    return _network("inception_next_small", (3, 3, 27, 3), (96, 192, 384, 768))


def base() -> Network:
    """InceptionNeXt-B."""
    return _network("inception_next_base", (3, 3, 27, 3), (128, 256, 512, 1024), crop=0.95)
