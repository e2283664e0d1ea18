"""Convolution with norm and activation, depthwise and ghost convolutions."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab.analysis.costs import ghost_width, groups_for, has_bias, paddings
from inceptionlab.nn.layers.bare import bare
from inceptionlab.spec.leaves import ActKind, Conv, Depthwise, Ghost, Norm, Window

ACTIVATIONS: dict[ActKind, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
    "hardswish": nn.Hardswish,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
_IN_PLACE = ("relu", "silu", "leaky_relu", "hardswish", "elu")


def activation(kind: ActKind | None, inplace: bool = False) -> nn.Module:
    """The module of an activation; the identity for None. `inplace` where the input is read by nobody else."""
    if kind is None:
        return nn.Identity()
    return ACTIVATIONS[kind](inplace=True) if inplace and kind in _IN_PLACE else ACTIVATIONS[kind]()


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel (ConvNeXt's). `b c` with any grid behind it to the same."""

    def __init__(self, channels: int, eps: float, affine: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps, elementwise_affine=affine)

    def forward(self, x: Float[Tensor, "b c *grid"]) -> Float[Tensor, "b c *grid"]:
        """Normalise over dimension 1."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """The module of a norm node for a width."""
    learns = bool(norm.affine)
    if norm.kind == "group":
        return nn.GroupNorm(groups_for(norm, channels), channels, norm.eps, learns)
    if norm.kind == "layer":
        return ChannelNorm(channels, norm.eps, learns)
    made = nn.BatchNorm2d(channels, norm.eps, norm.momentum, learns)
    if norm.affine == "bias":
        made.register_parameter("weight", None)
    return made


class SamePad(nn.Module):
    """TensorFlow's SAME padding: as much as the size asks for, the odd pixel behind. `value` fills it."""

    def __init__(self, window: Window, value: float) -> None:
        super().__init__()
        self.window, self.value = window, value

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        """Pad height and width so that a window of this stride gives ceil(size / stride)."""
        rows, columns = paddings(self.window, (x.shape[2], x.shape[3]))
        return F.pad(x, (*columns, *rows), value=self.value)


class ConvNormAct(nn.Module):
    """Convolution, norm, activation: what the papers call a convolution. `b c h w` to `b out h2 w2`.

    State: `conv.weight`, `conv.bias` where there is one, `norm.*`.
    """

    def __init__(self, conv: nn.Module, norm: nn.Module, act: nn.Module, pad: nn.Module | None = None) -> None:
        super().__init__()
        self.pad = pad or nn.Identity()
        self.conv = conv
        self.norm = norm
        self.act = act

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Run the four in order."""
        return self.act(self.norm(self.conv(self.pad(x))))


def pointwise(module: nn.Module) -> bool:
    """Whether a module is a 1x1 convolution of stride 1 and one group that pads nothing."""
    if not isinstance(module, ConvNormAct) or not isinstance(module.pad, nn.Identity):
        return False
    conv = module.conv
    plain = isinstance(conv, nn.Conv2d) and conv.kernel_size == conv.stride == (1, 1) and conv.groups == 1
    return plain and conv.padding == (0, 0)


def conv_layer(node: Conv | Depthwise, channels: int) -> ConvNormAct:
    """The module of a `Conv` or `Depthwise` node that reads `channels` channels."""
    window = node.window
    if isinstance(node, Depthwise):
        out, groups = channels * node.multiplier, channels
    else:
        out, groups = int(node.out), node.groups
    conv = bare(
        nn.Conv2d, channels, out, window.kernel, window.stride,
        padding=static_padding(window), dilation=window.dilation, groups=groups, bias=has_bias(node),
    )  # fmt: skip
    norm = nn.Identity() if node.norm is None else norm_layer(node.norm, out)
    pad = SamePad(window, 0.0) if window.pad == "tf" else None
    return ConvNormAct(conv, norm, activation(node.act, inplace=True), pad)


def static_padding(window: Window) -> tuple[int, int]:
    """Symmetric padding (top, left) as torch takes it; none where `SamePad` does it."""
    if window.pad == "tf":
        return 0, 0
    (top, _), (left, _) = paddings(window, (0, 0))  # no other padding depends on the size
    return top, left


class GhostConv(nn.Module):
    """Ghost convolution (GhostNet, figure 1b): `primary` makes the first maps, `cheap` the rest from those."""

    def __init__(self, primary: ConvNormAct, cheap: ConvNormAct, out: int) -> None:
        super().__init__()
        self.primary = primary
        self.cheap = cheap
        self.out = out

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Concatenate both kinds of maps and keep the first `out`."""
        first = self.primary(x)
        return torch.cat([first, self.cheap(first)], dim=1)[:, : self.out]


def ghost_layer(node: Ghost, channels: int) -> GhostConv:
    """The module of a `Ghost` node that reads `channels` channels."""
    width = ghost_width(node)
    primary = Conv(width, node.kernel, node.stride, node.pad, 1, node.dilation, node.norm, node.act)
    more = node.ratio - 1
    cheap = Depthwise(node.cheap, dilation=node.cheap_dilation, norm=node.norm, act=node.act, multiplier=more)
    return GhostConv(conv_layer(primary, channels), conv_layer(cheap, width), node.out)
