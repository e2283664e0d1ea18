"""GoogLeNet: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015 (arXiv 1409.4842), table 1 and figure 3.

Forms differ in the norm, in the kernel of the branch called `five`, in the pools of stride 2 and in the heads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from inceptionlab.spec.network import IMAGENET_STD, Aux, Input, Network
from inceptionlab.spec.nodes import CLASSES, LRN, Branches, Concat, Conv, Dropout, Linear, Node, Norm, Pool, Seq

# Table 1. Columns: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
TABLE = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
CAFFE_INPUT = Input(mean=(123 / 255, 117 / 255, 104 / 255), std=IMAGENET_STD)
"""Caffe's means. Its range of 0 to 255, in which a network without batch norm hardly trains from new weights, is
folded into the first convolution when its weights are imported.
"""
"""Caffe's mean subtraction on 0..255, written for RGB in 0..1."""

plain = partial(Conv, norm=None)


@dataclass(frozen=True, slots=True)
class _Style:
    """What the forms differ in: the convolution, that of the stem, and the pools of stride 2 (the last by itself)."""

    conv: Callable[..., Conv]
    stem: Callable[..., Conv]
    pool: Pool
    last_pool: Pool
    five: int = 5


def naive(one: int, three: int, five: int) -> Branches:
    """Figure 2a, the naive module: the branches read the raw input and the pool is passed through."""
    return Concat(one=plain(one), three=plain(three, 3), five=plain(five, 5), pool=Pool("max"))


def module(row: tuple[int, ...], conv: Callable[..., Conv] = plain, five: int = 5) -> Branches:
    """Figure 2b, the module with dimension reductions; `row` is a row of table 1."""
    one, three_in, three, five_in, five_out, pool = row
    return Concat(
        one=conv(one),
        three=Seq(conv(three_in), conv(three, 3)),
        five=Seq(conv(five_in), conv(five_out, five)),
        pool=Seq(Pool("max"), conv(pool)),
    )


def _body(style: _Style, table: dict[str, tuple[int, ...]] = TABLE) -> Seq:
    blocks: dict[str, Node] = {name: module(row, style.conv, style.five) for name, row in table.items()}
    return Seq(
        inception3a=blocks["inception3a"],
        inception3b=blocks["inception3b"],
        pool3=style.pool,
        **{name: block for name, block in blocks.items() if name.startswith("inception4")},
        pool4=style.last_pool,
        inception5a=blocks["inception5a"],
        inception5b=blocks["inception5b"],
    )


def _stem(style: _Style, norm: LRN | None = None) -> Seq:
    first = Seq(conv1=style.stem(64, 7, 2), pool1=style.pool, **({"norm1": norm} if norm else {}))
    second = Seq(conv2=style.stem(64), conv3=style.stem(192, 3), **({"norm2": norm} if norm else {}), pool2=style.pool)
    return Seq(**dict(first.children), **dict(second.children))


def _head(dropout: float) -> Seq:
    drop = {"dropout": Dropout(dropout)} if dropout else {}
    return Seq(avgpool=Pool("avg", to=1), **drop, classifier=Linear(CLASSES))


def _aux(pool: Pool, conv: Callable[..., Conv]) -> tuple[Aux, ...]:
    """The two auxiliary heads after 4a and 4d; their losses count 0.3 each (section 5)."""
    head = Seq(pool=pool, conv=conv(128), fc1=Linear(1024, "relu"), dropout=Dropout(0.7), fc2=Linear(CLASSES))
    return Aux("aux1", "inception4a", head, 0.3), Aux("aux2", "inception4d", head, 0.3)


def paper() -> Network:
    """The network of the paper and of BVLC's Caffe release: no batch norm, LRN twice, two auxiliary heads."""
    pool = Pool("max", 3, 2, pad="valid", ceil=True)
    style = _Style(plain, plain, pool, pool)
    aux = _aux(Pool("avg", 5, 3, "valid"), plain)
    return Network("googlenet.paper", _stem(style, LRN()), _body(style), _head(0.4), CAFFE_INPUT, aux=aux)


def bn() -> Network:
    """A tutorial's form: batch norm behind the biased convolutions of the modules only, padded pools, no LRN, no
    auxiliary heads. The paper has no batch norm.
    """
    pool = Pool("max", 3, 2, pad=1)
    style = _Style(partial(Conv, bias=True), plain, pool, pool)
    return Network("googlenet.bn", _stem(style), _body(style), _head(0.4))


def torchvision() -> Network:
    """Torchvision's port of TF-slim's: batch norm (eps 1e-3) everywhere, 3x3 where the paper has 5x5, a last pool of
    2x2, auxiliary heads on a 4x4 grid. Input is what `transform_input` makes of it.
    """
    conv = partial(Conv, norm=Norm(eps=1e-3))
    style = _Style(conv, conv, Pool("max", 3, 2, "valid", ceil=True), Pool("max", 2, 2, "valid", ceil=True), five=3)
    aux = _aux(Pool("avg", to=4), conv)
    return Network("googlenet.torchvision", _stem(style), _body(style), _head(0.2), aux=aux)


def tf_slim() -> Network:
    """TF-slim's `inception_v1`: the torchvision form with TensorFlow's asymmetric padding, without auxiliary heads."""
    conv = partial(Conv, norm=Norm(eps=1e-3), pad="tf")
    style = _Style(conv, conv, Pool("max", 3, 2, "tf"), Pool("max", 2, 2, "tf"), five=3)
    return Network("googlenet.tf_slim", _stem(style), _body(style), _head(0.2))


def bn5x5() -> Network:
    """The torchvision form with the paper's 5x5 convolutions and 3x3 pools: the base of `small_v1`."""
    conv = partial(Conv, norm=Norm(eps=1e-3))
    pool = Pool("max", 3, 2, "valid", ceil=True)
    style = _Style(conv, conv, pool, pool)
    return Network("googlenet.bn5x5", _stem(style), _body(style), _head(0.2))


def gray() -> Network:
    """A tutorial's form for Fashion-MNIST with the paper's 144 in 4d: one channel, 10 classes, no LRN, no dropout,
    padded pools.
    """
    return _gray("googlenet.gray", TABLE)


def gray_erratum() -> Network:
    """The same as that tutorial prints it: 128 instead of 144 filters reduce the input of the 3x3 convolution of 4d."""
    return _gray("googlenet.gray_erratum", {**TABLE, "inception4d": (112, 128, 288, 32, 64, 64)})


def _gray(name: str, table: dict[str, tuple[int, ...]]) -> Network:
    pool = Pool("max", 3, 2, pad=1)
    style = _Style(plain, plain, pool, pool)
    image = Input(1, mean=(0.0,), std=(1.0,))
    return Network(name, _stem(style), _body(style, table), _head(0.0), image, classes=10)
