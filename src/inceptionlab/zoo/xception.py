"""Xception: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017 (arXiv 1610.02357),
figure 5; and the aligned networks of 41, 65 and 71 layers that DeepLab made of it (arXiv 1802.02611, figure 4).
"""

from __future__ import annotations

from functools import partial

from inceptionlab.spec.network import Input, Network
from inceptionlab.spec.nodes import (
    CLASSES,
    Act,
    Conv,
    Depthwise,
    Dropout,
    Linear,
    Node,
    Norm,
    Padding,
    Pool,
    Residual,
    Seq,
    Sum,
)  # fmt: skip

HEAD = Seq(avgpool=Pool("avg", to=1), fc=Linear(CLASSES))


def separable(out: int, norm: Norm) -> Seq:
    """Depthwise 3x3, then pointwise, with nothing between; batch norm behind."""
    return Seq(depthwise=Depthwise(3, norm=None, act=None, bias=False), pointwise=Conv(out, norm=norm, act=None))


def _block(widths: tuple[int, int], norm: Norm, pad: Padding, first: bool = False) -> Node:
    """ReLU, separable, ReLU, separable, max pool of stride 2, beside a 1x1 convolution of stride 2."""
    one, two = (separable(width, norm) for width in widths)
    start = () if first else (Act(),)
    skip = Conv(widths[1], 1, 2, norm=norm, act=None)
    return Sum(body=Seq(*start, one, Act(), two, Pool("max", 3, 2, pad)), skip=skip)


def _middle(norm: Norm) -> Residual:
    links = [node for _ in range(3) for node in (Act(), separable(728, norm))]
    return Residual(Seq(*links), act=None)


def _xception(name: str, norm: Norm, pad: Padding) -> Network:
    conv = partial(Conv, norm=norm, pad="valid")
    block = partial(_block, norm=norm, pad=pad)
    return Network(
        name,
        stem=Seq(conv1=conv(32, 3, 2), conv2=conv(64, 3)),
        body=Seq(
            block1=block((128, 128), first=True), block2=block((256, 256)), block3=block((728, 728)),
            **{f"block{i}": _middle(norm) for i in range(4, 12)},
            block12=block((728, 1024)),
            conv3=separable(1536, norm), act3=Act(), conv4=separable(2048, norm), act4=Act(),
        ),
        head=Seq(avgpool=Pool("avg", to=1), dropout=Dropout(0.5), fc=Linear(CLASSES)),
        input=Input(3, 299, 299, interpolation="bicubic", crop=0.8975),
    )  # fmt: skip


def keras() -> Network:
    """Chollet's own network: batch norm with eps 1e-3, pools padded as TensorFlow does."""
    return _xception("xception.keras", Norm(eps=1e-3, momentum=0.01), "tf")


def timm() -> Network:
    """The port that Cadene, timm and pytorchcv share: eps 1e-5 and symmetric padding."""
    return _xception("xception.timm", Norm(), "same")


def _links(widths: tuple[int, ...], stride: int, norm: Norm, relu_first: bool) -> Seq:
    """Three separable convolutions with batch norm after each half; the stride is in the last."""
    links: list[Node] = []
    for i, width in enumerate(widths):
        act = None if relu_first else "relu"
        step = stride if i == len(widths) - 1 else 1
        links += [Act()] if relu_first else []
        links += [Depthwise(3, step, norm=norm, act=act), Conv(width, norm=norm, act=act)]
    return Seq(*links)


def _aligned_block(widths: tuple[int, ...], stride: int, norm: Norm, project: bool) -> Node:
    body = _links(widths, stride, norm, relu_first=True)
    if not project:
        return Residual(body, act=None)
    return Sum(body=body, skip=Conv(widths[-1], 1, stride, norm=norm, act=None))


def _pre_links(widths: tuple[int, ...], stride: int, norm: Norm) -> Seq:
    links: list[Node] = []
    bare = partial(Conv, norm=None, act=None, bias=False)
    for i, width in enumerate(widths):
        links += [norm, Act()] if i else []
        step = stride if i == len(widths) - 1 else 1
        links += [Depthwise(3, step, norm=None, act=None, bias=False), bare(width)]
    return Seq(*links)


def _pre_block(widths: tuple[int, ...], stride: int, norm: Norm, project: bool) -> Node:
    """The block with its norm and ReLU before the fork, so that the shortcut reads what the body reads."""
    body = _pre_links(widths, stride, norm)
    skip = Conv(widths[-1], 1, stride, norm=None, act=None, bias=False)
    fork = Sum(body=body, skip=skip) if project else Residual(body, act=None)
    return Seq(norm=norm, act=Act(), fork=fork)


ENTRY = ((128, 2), (256, 2), (728, 2))
ENTRY_71 = ((128, 2), (256, 1), (256, 2), (728, 1), (728, 2))


def _aligned(name: str, entry: tuple[tuple[int, int], ...], middle: int, norm: Norm, pre: bool = False) -> Network:
    block = _pre_block if pre else _aligned_block
    wide = (1536, 1536, 2048)
    last = Seq(norm=norm, act=Act(), body=_pre_links(wide, 1, norm)) if pre else _links(wide, 1, norm, relu_first=False)
    names = [f"block{i}" for i in range(1, len(entry) + middle + 3)]
    blocks = [block((width,) * 3, stride, norm, True) for width, stride in entry]
    blocks += [block((728,) * 3, 1, norm, False)] * middle
    blocks += [block((728, 1024, 1024), 2, norm, True), last]
    second = Conv(64, 3, norm=None, act=None, bias=False) if pre else Conv(64, 3, norm=norm)
    return Network(
        name,
        stem=Seq(conv1=Conv(32, 3, 2, norm=norm), conv2=second),
        body=Seq(**dict(zip(names, blocks, strict=True)), **({"act": Act()} if pre else {})),
        head=HEAD,
        input=Input(3, 299, 299, interpolation="bicubic", crop=0.94 if pre else 0.903),
    )


def xception41() -> Network:
    """DeepLab's network of 41 layers: strided separable convolutions for pools, batch norm after each half."""
    return _aligned("xception41", ENTRY, 8, Norm(eps=1e-3))


def xception65() -> Network:
    """The same with 16 blocks in the middle."""
    return _aligned("xception65", ENTRY, 16, Norm(eps=1e-3))


def xception71() -> Network:
    """The same with two more blocks at the entry."""
    return _aligned("xception71", ENTRY_71, 16, Norm(eps=1e-3))


def xception41p() -> Network:
    """Timm's pre-activation form of the network of 41 layers."""
    return _aligned("xception41p", ENTRY, 8, Norm(), pre=True)


def xception65p() -> Network:
    """Timm's pre-activation form of the network of 65 layers."""
    return _aligned("xception65p", ENTRY, 16, Norm(eps=1e-3), pre=True)
