"""The leaves of the algebra: convolutions, pooling, norms, activations, attention, and the way out.

Each is a frozen value that says everything its layer needs except the number of input channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from inceptionlab.decoding import Above0, From0, shown
from inceptionlab.errors import SpecError
from inceptionlab.spec.values import Outputs, Rim, Side, Width, converted, value

Size: TypeAlias = Side | tuple[Side, Side]
Padding: TypeAlias = Literal["same", "valid", "tf"] | Rim | tuple[Rim, Rim]
NormKind: TypeAlias = Literal["batch", "group", "layer"]
ActKind: TypeAlias = Literal["relu", "gelu", "silu", "leaky_relu", "hardswish", "elu", "tanh", "sigmoid"]
AttentionKind: TypeAlias = Literal["cbam", "se", "eca"]
ACTS: tuple[ActKind, ...] = ("relu", "gelu", "silu", "leaky_relu", "hardswish", "elu", "tanh", "sigmoid")

STREAM: Literal["stream"] = "stream"
"""`Conv(STREAM)` is as wide as the stream that enters the innermost `Residual`."""

CLASSES: Literal["classes"] = "classes"
"""`Linear(CLASSES)` has one output a class of the network, and disappears where the network has 0 classes."""


@dataclass(frozen=True, slots=True)
class Window:
    """What slides over a map, along (height, width). `pad` is as in `Conv`."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: Padding
    dilation: tuple[int, int]


@value
class Norm:
    """Normalisation over channels. `eps` and `momentum` differ between papers, so they are part of the value.

    `affine` says what is learned for each channel: a scale and a bias (True), nothing (False), or, of batch norms, the
    "bias" alone, which leaves all branches of a concatenation on one scale (Jordan 2024, arXiv 2404.00498).
    """

    kind: NormKind = "batch"
    eps: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1e-5
    momentum: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    affine: bool | Literal["bias"] = True
    groups: Width = 32

    def __post_init__(self) -> None:
        if self.affine == "bias" and self.kind != "batch":
            raise SpecError(f'Norm({self.kind!r}, affine="bias"): only a batch norm learns its bias alone')


@value
class Act:
    """An activation standing alone (pre-activation blocks); otherwise it is the `act` of a convolution."""

    kind: ActKind = "relu"


@value
class Dropout:
    """Dropout of single values with probability `p` (the probability of dropping, never of keeping)."""

    p: float = 0.5

    def __post_init__(self) -> None:
        probability("Dropout", p=self.p)


@value
class LRN:
    """Local response normalisation over `size` channels (AlexNet, section 3.3; GoogLeNet uses it twice)."""

    size: Width = 5
    alpha: From0 = 1e-4
    beta: From0 = 0.75
    k: Above0 = 1.0


def as_norm(norm: Norm | NormKind | None) -> Norm | None:
    """The norm as a node: "batch" is short for `Norm("batch")`."""
    return Norm(norm) if isinstance(norm, str) else norm


@value
class Conv:
    """Convolution, then norm, then activation. `bias=None` means a bias exactly when there is no norm.

    `pad`: "same" keeps the size at stride 1 (symmetric), "valid" is none, "tf" is TensorFlow's SAME (asymmetric
    where the size is even), or a number of pixels. `out` may be `STREAM`. `norm` may be given by its kind.
    """

    out: Width | Literal["stream"]
    kernel: Size = 1
    stride: Size = 1
    pad: Padding = "same"
    groups: Width = 1
    dilation: Size = 1
    norm: Norm | None = converted(default=Norm(), converter=as_norm)
    act: ActKind | None = "relu"
    bias: bool | None = None

    def __post_init__(self) -> None:
        _settle(self)

    @property
    def window(self) -> Window:
        """What slides over the map."""
        return _window(self)


@value
class Depthwise:
    """Depthwise convolution: `multiplier` filters for each input channel."""

    kernel: Size
    stride: Size = 1
    pad: Padding = "same"
    dilation: Size = 1
    norm: Norm | None = converted(default=Norm(), converter=as_norm)
    act: ActKind | None = "relu"
    bias: bool | None = None
    multiplier: Width = 1

    def __post_init__(self) -> None:
        _settle(self)

    @property
    def window(self) -> Window:
        """What slides over the map."""
        return _window(self)


@value
class Ghost:
    """Ghost convolution (GhostNet, figure 1b): `1/ratio` of the maps by a convolution, the rest by cheap depthwise
    filters of size `cheap` (odd) on those. `dilation` is the convolution's, `cheap_dilation` that of the cheap filters,
    which see its map behind its stride.
    """

    out: Width
    kernel: Size = 1
    stride: Size = 1
    pad: Padding = "same"
    ratio: Annotated[int, msgspec.Meta(ge=2, le=2**16)] = 2
    cheap: Side = 3
    norm: Norm | None = converted(default=Norm(), converter=as_norm)
    act: ActKind | None = "relu"
    dilation: Size = 1
    cheap_dilation: Size = 1

    def __post_init__(self) -> None:
        _settle(self)
        _odd("Ghost", cheap=self.cheap)

    @property
    def window(self) -> Window:
        """What the convolution slides over its input."""
        return _window(self)

    @property
    def cheap_window(self) -> Window:
        """What the cheap filters slide over the convolution's map."""
        return Window((self.cheap, self.cheap), (1, 1), "same", pair(self.cheap_dilation))


@value
class Pool:
    """Pooling. `to=n` pools to n x n whatever the input (1: global). What is counted at the border is said here.

    `dilation` puts the pixels of a window so far apart (`output_stride` needs it).
    """

    kind: Literal["max", "avg"]
    kernel: Size = 3
    stride: Size = 1
    pad: Padding = "same"
    ceil: bool = False
    count_pad: bool = False
    to: Side | None = None
    dilation: Size = 1

    def __post_init__(self) -> None:
        _settle(self)
        if not isinstance(self.pad, str):
            sides = zip(pair(self.pad), pair(self.kernel), pair(self.dilation), strict=True)
            if any(2 * pad > dilation * (kernel - 1) + 1 for pad, kernel, dilation in sides):
                raise SpecError(f"{self}: the padding is more than half of the kernel")

    @property
    def window(self) -> Window:
        """What slides over the map; of no meaning where `to` is given."""
        return _window(self)


@value
class Attention:
    """A gate on its input: squeeze-and-excitation ("se"), efficient channel attention ("eca") or "cbam".

    `reduction` divides the width of the hidden layer of SE and CBAM; `kernel` (odd) is CBAM's spatial filter.
    """

    kind: AttentionKind = "cbam"
    reduction: Width = 16
    kernel: Side = 7

    def __post_init__(self) -> None:
        _odd("Attention", kernel=self.kernel)


@value
class Linear:
    """Fully connected layer on the flattened input. `out` may be `CLASSES`."""

    out: Outputs | Literal["classes"] = "classes"
    act: ActKind | None = None
    bias: bool = True


@value
class Block:
    """The way out of the algebra: `factory(channels)` returns any module of the user's own.

    `out` is its number of output channels (None: unchanged), `stride` divides its size, `kernel` is its receptive
    field on its input. `params` and `macs` are what geometry is told; build refuses a wrong `params`.
    """

    factory: Callable[[int], Any]
    out: Width | None = None
    kernel: Side = 1
    stride: Side = 1
    params: Annotated[int, msgspec.Meta(ge=0)] = 0
    macs: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        if not callable(self.factory):
            raise SpecError(
                f"Block({shown(self.factory)}): give a function that makes a module for a number of channels"
            )


Convolution: TypeAlias = Conv | Depthwise | Ghost
Sliding: TypeAlias = Conv | Depthwise | Ghost | Pool


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a size given as one number or as two."""
    return (size, size) if isinstance(size, int) else size


def probability(kind: str, **given: float) -> None:
    """Refuse what is no probability of dropping something."""
    for name, p in given.items():
        if not 0 <= p < 1:
            raise SpecError(f"{kind}({name}={p}): {name} is the probability of dropping, 0 <= p < 1")


def _odd(kind: str, **sizes: int) -> None:
    for name, size in sizes.items():
        if size % 2 == 0:
            raise SpecError(f"{kind}({name}={size}): give an odd size, which has a middle")


def _window(node: Sliding) -> Window:
    return Window(pair(node.kernel), pair(node.stride), node.pad, pair(node.dilation))


def _settle(node: Sliding) -> None:
    """Write a size as one number where both sides agree, so that equal things compare equal."""
    names = ("kernel", "stride", "pad", "dilation", "cheap_dilation")
    for name in names if isinstance(node, Ghost) else names[:4]:
        size = getattr(node, name)
        if isinstance(size, tuple) and size[0] == size[1]:
            object.__setattr__(node, name, size[0])
