"""Constructors of single layers: the classes of convolutions and linear layers, norms, pools, gates."""

from __future__ import annotations

from dataclasses import dataclass

from inceptionlab.analysis.costs import groups_for, paddings
from inceptionlab.errors import SpecError
from inceptionlab.source.phrases import Argument, Call, Form
from inceptionlab.spec.nodes import LRN, Act, ActKind, Attention, Dropout, Node, Norm, Pool, Size, Window

ACTIVATIONS: dict[ActKind, str] = {
    "relu": "ReLU", "gelu": "GELU", "silu": "SiLU", "leaky_relu": "LeakyReLU", "hardswish": "Hardswish", "elu": "ELU",
    "tanh": "Tanh", "sigmoid": "Sigmoid",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ConvKind:
    """What convolutions of one class have in common; `multiplier` is a depthwise one's, 0 for an ordinary one."""

    norm: Norm | None
    act: ActKind | None
    bias: bool
    tf: bool = False
    multiplier: int = 0


@dataclass(frozen=True, slots=True)
class GhostKind:
    """What ghost convolutions of one class have in common: the classes of both their convolutions, of which the first
    makes one in `ratio` maps, and the kernel and the options of the cheap filters.
    """

    primary: str
    cheap: str
    ratio: int
    cheap_kernel: int
    cheap_options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DenseKind:
    """What linear layers of one class have in common."""

    act: ActKind | None
    bias: bool


LayerKind = ConvKind | GhostKind | DenseKind
"""What has a class of its own for many layers."""


def text_of(size: Size) -> str:
    """A size as an argument: one number where both sides agree."""
    return str(size if isinstance(size, int) or size[0] != size[1] else size[0])


def rim_of(window: Window) -> str:
    """Padding as torch takes it; none where `SamePad` does it."""
    if window.pad == "tf":
        return "0"
    (top, _), (left, _) = paddings(window, (0, 0))
    return text_of((top, left))


def conv_name(kind: ConvKind) -> str:
    """What a class of convolutions is called: ConvBNReLU."""
    norm = {"batch": "BN", "group": "GN", "layer": "LN"}[kind.norm.kind] if kind.norm else ""
    act = ACTIVATIONS[kind.act] if kind.act else ""
    return f"{'Depthwise' if kind.multiplier else ''}{'Same' if kind.tf else ''}Conv{norm}{act}"


def options_of(*pairs: tuple[str, object, object]) -> tuple[tuple[str, str], ...]:
    """Keyword arguments from (name, value, default): those that are not the default."""
    return tuple((name, repr(value)) for name, value, default in pairs if value != default)


def norm_call(norm: Norm, width: Argument, groups: str) -> Call:
    """The constructor of a norm for a width; `groups` is the text of a group norm's groups."""
    affine = ("affine", norm.affine, True)
    if norm.kind == "batch":
        more = options_of(("eps", norm.eps, 1e-5), ("momentum", norm.momentum, 0.1))
        if norm.affine == "bias":
            return Call("BiasBatchNorm", (("", width), *more))
        return Call("nn.BatchNorm2d", (("", width), *more, *options_of(affine)))
    more = options_of(("eps", norm.eps, 1e-5), affine)
    if norm.kind == "layer":
        return Call("ChannelNorm", (("", width), *more))
    return Call("nn.GroupNorm", (("", groups), ("", width), *more))


def leaf_call(node: Node, x: Form) -> Call:
    """The constructor of a node that keeps the channels `x` that it reads."""
    match node:
        case Pool():
            return _pool(node)
        case Norm():
            return norm_call(node, x, str(groups_for(node, int(x.value))))
        case Act(kind=kind):
            return Call(f"nn.{ACTIVATIONS[kind]}")
        case Dropout(p=p):
            return Call("nn.Dropout", (("", repr(p)),))
        case LRN(size=size, alpha=alpha, beta=beta, k=k):
            more = options_of(("alpha", alpha, 1e-4), ("beta", beta, 0.75), ("k", k, 1.0))
            return Call("nn.LocalResponseNorm", (("", str(size)), *more))
        case Attention(kind=kind, reduction=reduction, kernel=kernel):
            names = {"se": "SqueezeExcite", "eca": "EfficientChannelAttention", "cbam": "CBAM"}
            reduced = () if kind == "eca" else options_of(("reduction", reduction, 16))
            spatial = options_of(("kernel_size", kernel, 7)) if kind == "cbam" else ()
            return Call(names[kind], (("", x), *reduced, *spatial))
        case _:
            raise SpecError(f"{node!r} is not a node that can be written as code")


def _pool(node: Pool) -> Call:
    kind = {"max": "Max", "avg": "Avg"}[node.kind]
    if node.to is not None:
        return Call(f"nn.Adaptive{kind}Pool2d", (("", str(node.to)),))
    window, kernel = node.window, ("", text_of(node.kernel))
    stride, rim = ("stride", text_of(node.stride)), rim_of(window)
    dilation = ("dilation", text_of(node.dilation))
    dilated = node.window.dilation != (1, 1)
    if node.pad == "tf":
        name = f"{'Dilated' if dilated and kind == 'Avg' else ''}Same{kind}Pool"
        return Call(name, (kernel, stride, *((dilation,) if dilated else ())))
    padding = () if rim == "0" else (("padding", rim),)
    counted = () if kind == "Max" or node.count_pad else (("count_include_pad", "False"),)
    ceil = (("ceil_mode", "True"),) if node.ceil else ()
    if dilated:
        return Call(f"Dilated{kind}Pool", (kernel, stride, *padding, dilation, *ceil, *counted))
    counted = counted if padding or ceil else ()
    return Call(f"nn.{kind}Pool2d", (kernel, stride, *padding, *ceil, *counted))
