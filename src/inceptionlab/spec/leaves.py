"""The leaves of the algebra: convolutions, pooling, norms, activations, attention, and the way out.

Each is a frozen value that says everything its layer needs except the number of input channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, TypeAlias, cast

from inceptionlab.errors import SpecError, one_of, positive

Size: TypeAlias = int | tuple[int, int]
Padding: TypeAlias = Literal["same", "valid", "tf"] | int | tuple[int, int]
NormKind: TypeAlias = Literal["batch", "group", "layer"]
ActKind: TypeAlias = Literal["relu", "gelu", "silu", "leaky_relu", "hardswish", "elu", "tanh", "sigmoid"]

STREAM: Literal["stream"] = "stream"
"""`Conv(STREAM)` is as wide as the stream that enters the innermost `Residual`."""

CLASSES: Literal["classes"] = "classes"
"""`Linear(CLASSES)` has one output a class of the network, and disappears where the network has 0 classes."""


def brief(self: object) -> str:
    """A node as one would write it: required values bare, others by name where they differ from the default."""
    parts: list[str] = []
    for field in fields(cast(Any, self)):
        value = getattr(self, field.name)
        if field.default is MISSING:
            parts.append(getattr(value, "__qualname__", None) or repr(value))
        elif value != field.default and not (field.name == "norm" and value == Norm()):
            parts.append(f"{field.name}={value!r}")
    return f"{type(self).__name__}({', '.join(parts)})"


@dataclass(frozen=True, slots=True, repr=False)
class Norm:
    """Normalisation over channels. `eps` and `momentum` differ between papers, so they are part of the value."""

    __repr__ = brief

    kind: NormKind = "batch"
    eps: float = 1e-5
    momentum: float = 0.1
    affine: bool = True
    groups: int = 32

    def __post_init__(self) -> None:
        one_of("Norm", "kind", self.kind, ("batch", "group", "layer"))


@dataclass(frozen=True, slots=True, repr=False)
class Act:
    """An activation standing alone (pre-activation blocks); otherwise it is the `act` of a convolution."""

    __repr__ = brief

    kind: ActKind = "relu"

    def __post_init__(self) -> None:
        one_of("Act", "kind", self.kind, ACTS)


ACTS: tuple[ActKind, ...] = ("relu", "gelu", "silu", "leaky_relu", "hardswish", "elu", "tanh", "sigmoid")


@dataclass(frozen=True, slots=True, repr=False)
class Dropout:
    """Dropout of single values with probability `p` (the probability of dropping, never of keeping)."""

    __repr__ = brief

    p: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise SpecError(f"Dropout(p={self.p}): p is the probability of dropping, 0 <= p < 1")


@dataclass(frozen=True, slots=True, repr=False)
class LRN:
    """Local response normalisation over `size` channels (AlexNet, section 3.3; GoogLeNet uses it twice)."""

    __repr__ = brief

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0


@dataclass(frozen=True, slots=True, repr=False)
class Conv:
    """Convolution, then norm, then activation. `bias=None` means a bias exactly when there is no norm.

    `pad`: "same" keeps the size at stride 1 (symmetric), "valid" is none, "tf" is TensorFlow's SAME (asymmetric
    where the size is even), or a number of pixels. `out` may be `STREAM`.
    """

    __repr__ = brief

    out: int | Literal["stream"]
    kernel: Size = 1
    stride: Size = 1
    pad: Padding = "same"
    groups: int = 1
    dilation: Size = 1
    norm: Norm | NormKind | None = "batch"
    act: ActKind | None = "relu"
    bias: bool | None = None

    def __post_init__(self) -> None:
        if self.out != STREAM:
            positive("Conv", out=self.out, groups=self.groups)
        _settle(self)


@dataclass(frozen=True, slots=True, repr=False)
class Depthwise:
    """Depthwise convolution: `multiplier` filters for each input channel."""

    __repr__ = brief

    kernel: Size
    stride: Size = 1
    pad: Padding = "same"
    dilation: Size = 1
    norm: Norm | NormKind | None = "batch"
    act: ActKind | None = "relu"
    bias: bool | None = None
    multiplier: int = 1

    def __post_init__(self) -> None:
        positive("Depthwise", multiplier=self.multiplier)
        _settle(self)


@dataclass(frozen=True, slots=True, repr=False)
class Ghost:
    """Ghost convolution (GhostNet, figure 1b): `1/ratio` of the maps by a convolution, the rest by cheap depthwise
    filters of size `cheap` on those.
    """

    __repr__ = brief

    out: int
    kernel: Size = 1
    stride: Size = 1
    pad: Padding = "same"
    ratio: int = 2
    cheap: int = 3
    norm: Norm | NormKind | None = "batch"
    act: ActKind | None = "relu"

    def __post_init__(self) -> None:
        positive("Ghost", out=self.out, ratio=self.ratio - 1, cheap=self.cheap)
        _settle(self)


@dataclass(frozen=True, slots=True, repr=False)
class Pool:
    """Pooling. `to=n` pools to n x n whatever the input (1: global). What is counted at the border is said here.

    `dilation` puts the pixels of a window so far apart (`output_stride` needs it).
    """

    __repr__ = brief

    kind: Literal["max", "avg"]
    kernel: Size = 3
    stride: Size = 1
    pad: Padding = "same"
    ceil: bool = False
    count_pad: bool = False
    to: int | None = None
    dilation: Size = 1

    def __post_init__(self) -> None:
        one_of("Pool", "kind", self.kind, ("max", "avg"))
        if self.pad not in ("same", "valid", "tf"):
            sides = zip(pair(self.pad), pair(self.kernel), pair(self.dilation), strict=True)  # type: ignore[arg-type]
            if any(2 * pad > dilation * (kernel - 1) + 1 for pad, kernel, dilation in sides):
                raise SpecError(f"{self}: the padding is more than half of the kernel")
        _settle(self)


@dataclass(frozen=True, slots=True, repr=False)
class Attention:
    """A gate on its input: squeeze-and-excitation ("se"), efficient channel attention ("eca") or "cbam".

    `reduction` divides the width of the hidden layer of SE and CBAM; `kernel` is CBAM's spatial filter.
    """

    __repr__ = brief

    kind: Literal["cbam", "se", "eca"] = "cbam"
    reduction: int = 16
    kernel: int = 7

    def __post_init__(self) -> None:
        one_of("Attention", "kind", self.kind, ("cbam", "se", "eca"))


@dataclass(frozen=True, slots=True, repr=False)
class Linear:
    """Fully connected layer on the flattened input. `out` may be `CLASSES`."""

    __repr__ = brief

    out: int | Literal["classes"] = "classes"
    act: ActKind | None = None
    bias: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Block:
    """The way out of the algebra: `factory(channels)` returns any module of the user's own.

    `out` is its number of output channels (None: unchanged), `stride` divides its size, `kernel` is its receptive
    field on its input. `params` and `macs` are what geometry is told; build refuses a wrong `params`.
    """

    __repr__ = brief

    factory: Callable[[int], Any]
    out: int | None = None
    kernel: int = 1
    stride: int = 1
    params: int = 0
    macs: int = 0


def pair(size: Size) -> tuple[int, int]:
    """(height, width) of a size given as one number or as two."""
    return (size, size) if isinstance(size, int) else size


def as_norm(norm: Norm | NormKind | None) -> Norm | None:
    """The norm as a node: "batch" is short for `Norm("batch")`."""
    return Norm(norm) if isinstance(norm, str) else norm


def _settle(node: Conv | Depthwise | Ghost | Pool) -> None:
    """Write a size as a number where both sides agree and a norm as a node, so that equal things compare equal."""
    for name in ("kernel", "stride", "dilation"):
        size = getattr(node, name, 1)
        height, width = pair(size)
        positive(type(node).__name__, **{name: min(height, width)})
        if isinstance(size, tuple) and height == width:
            object.__setattr__(node, name, height)
    if not isinstance(node, Pool):
        object.__setattr__(node, "norm", as_norm(node.norm))
        if node.act is not None:
            one_of(type(node).__name__, "act", node.act, ACTS)
    if isinstance(node.pad, str):
        one_of(type(node).__name__, "pad", node.pad, ("same", "valid", "tf"))
