"""Convolutions on a CPU by oneDNN's own operators: filters in its layout once for all, activations and sums in the same
pass over the map.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.nn.layers.branches import Chain
from inceptionlab.nn.layers.conv import ConvNormAct
from inceptionlab.nn.layers.residual import Residual

_FUSED: dict[type[nn.Module], tuple[str, str]] = {
    nn.Identity: ("none", ""), nn.ReLU: ("relu", ""), nn.Hardswish: ("hardswish", ""), nn.SiLU: ("swish", ""),
    nn.GELU: ("gelu", "none"),
}  # fmt: skip
"""Activations that oneDNN applies while it writes: its name, and the kind of it."""
_operators: Any = torch.ops.mkldnn


def available(device: torch.device) -> bool:
    """Whether convolutions can be packed on a device."""
    return device.type == "cpu" and torch.backends.mkldnn.is_available()


class PackedConv(nn.Module):
    """A convolution with its activation; `b c h w` in channels-last memory to the same. For inference only.

    `forward(x, other)` adds `other` before the activation.
    """

    def __init__(self, conv: nn.Conv2d, act: nn.Module) -> None:
        super().__init__()
        self.geometry = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.kind, self.algorithm = _FUSED[type(act)]
        self.weight = conv.weight.detach()
        self.single: Tensor | None = None
        self.bias = None if conv.bias is None else conv.bias.detach()

    def __deepcopy__(self, memo: dict[int, Any]) -> PackedConv:
        """A copy shares the filters, which nobody changes: what is in oneDNN's layout cannot be copied by Python."""
        return copy.copy(self)

    def forward(self, x: Float[Tensor, "b c h w"], other: Tensor | None = None) -> Float[Tensor, "b d h2 w2"]:
        """Convolve, add and activate in one pass."""
        weight = self.single if self.single is not None and len(x) == 1 else self.weight
        if other is None:
            return _operators._convolution_pointwise(
                x, weight, self.bias, *self.geometry, self.kind, [], self.algorithm
            )
        kind = None if self.kind == "none" else self.kind
        return _operators._convolution_pointwise(
            x, other, weight, self.bias, *self.geometry, "add", 1.0, kind, [], self.algorithm
        )


@torch.inference_mode()
def prepack_weights(network: nn.Module, x: Float[Tensor, "b c h w"]) -> nn.Module:
    """Give a network's packed convolutions, in place, their filters in the layout that oneDNN wants for a lone image
    like `x` too, which else it makes in each pass anew. In batches that takes a small part of the time, and a layout
    made for another batch takes up to three times as long, so they keep the plain one.
    """

    def lay_out(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        if isinstance(module, PackedConv):
            shape = list(given[0].shape)
            module.single = _operators._reorder_convolution_weight(module.weight, *module.geometry, shape)

    hooks = [
        module.register_forward_pre_hook(lay_out) for module in network.modules() if isinstance(module, PackedConv)
    ]
    network(x)
    for hook in hooks:
        hook.remove()
    return network


def packed(module: nn.Module) -> nn.Module:
    """A convolution whose norm is folded, packed."""
    if not isinstance(module, ConvNormAct) or not isinstance(module.norm, nn.Identity):
        return module
    conv, fusable = module.conv, type(module.act) in _FUSED
    if isinstance(module.act, nn.GELU) and module.act.approximate != "none":
        fusable = False
    if not isinstance(conv, nn.Conv2d) or conv.padding_mode != "zeros":
        return module
    new: nn.Module = PackedConv(conv, module.act if fusable else nn.Identity())
    parts = [part for part in (module.pad, new, nn.Identity() if fusable else module.act)
             if not isinstance(part, nn.Identity)]  # fmt: skip
    return new if len(parts) == 1 else Chain({str(i): part for i, part in enumerate(parts)})


class PackedResidual(nn.Module):
    """act(shortcut(x) + last(head(x))), the sum and the activation in the pass of the last convolution."""

    def __init__(self, head: nn.Module, last: PackedConv, shortcut: nn.Module) -> None:
        super().__init__()
        self.head = head
        self.last = last
        self.shortcut = shortcut

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Run the body but for its last convolution, then that with the sum."""
        return self.last(self.head(x), self.shortcut(x))


def packed_residual(module: nn.Module) -> nn.Module:
    """A residual whose body ends in a linear, packed convolution."""
    if not isinstance(module, Residual) or module.scale != 1 or type(module.act) not in (nn.Identity, nn.ReLU):
        return module
    parts = flat(module.body)
    last = parts[-1] if parts else None
    if not isinstance(last, PackedConv) or last.kind != "none":
        return module
    last.kind = _FUSED[type(module.act)][0]
    head = Chain({str(i): part for i, part in enumerate(parts[:-1])})
    return PackedResidual(head, last, module.shortcut)


def flat(module: nn.Module) -> list[nn.Module]:
    """The links of a chain, those of chains in it one by one."""
    if not isinstance(module, Chain):
        return [module]
    return [link for child in module.children() for link in flat(child)]
