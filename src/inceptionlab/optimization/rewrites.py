"""Exact rewrites of a trained module in evaluation: each takes a module, gives one with the same outputs to rounding.

They know containers (chains, branches, residuals), not networks. `rewritten` goes through a tree from the leaves up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from inceptionlab.nn.layers.branches import Chain, Concat
from inceptionlab.nn.layers.conv import ConvNormAct
from inceptionlab.nn.layers.residual import LayerScale, Residual, StochasticDepth

Rewrite = Callable[[nn.Module], nn.Module]


def rewritten(module: nn.Module, rewrite: Rewrite) -> nn.Module:
    """The module with `rewrite` applied to every part of it, in place, children before their parents."""
    for name, child in list(module.named_children()):
        setattr(module, name, rewritten(child, rewrite))
    return rewrite(module)


def without_idle(module: nn.Module) -> nn.Module:
    """What does nothing in evaluation (dropout, stochastic depth) becomes the identity; chains lose identities."""
    if isinstance(module, nn.Dropout | nn.Dropout2d | StochasticDepth):
        return nn.Identity()
    if isinstance(module, Chain):
        _renew(module, [child for child in module.children() if not isinstance(child, nn.Identity)])
    return module


def folded_norm(module: nn.Module) -> nn.Module:
    """Batch norm goes into the convolution before it: w' = w g / s, b' = (b - m) g / s + beta, s = sqrt(v + eps)."""
    if isinstance(module, ConvNormAct) and isinstance(module.conv, nn.Conv2d):
        scale_shift = affine_of(module.norm)
        if scale_shift is not None:
            module.conv = scaled(module.conv, *scale_shift)
            module.norm = nn.Identity()
    return module


def affine_of(norm: nn.Module) -> tuple[Tensor, Tensor] | None:
    """(scale, shift) per channel of a batch norm with stored statistics, in fp64; None for any other module."""
    if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or norm.running_var is None:
        return None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    weight, bias = cast(Tensor | None, norm.weight), cast(Tensor | None, norm.bias)  # a norm may learn its bias alone
    scale = scale if weight is None else scale * weight.double()
    shift = -norm.running_mean.double() * scale
    return scale, shift if bias is None else shift + bias.double()


@torch.no_grad()
def scaled(conv: nn.Conv2d, scale: Tensor, shift: Tensor) -> nn.Conv2d:
    """The convolution followed by scale and shift, as one with a bias."""
    weight = conv.weight.double() * scale[:, None, None, None]
    bias = shift if conv.bias is None else conv.bias.double() * scale + shift
    return like(conv, weight.to(conv.weight.dtype), bias.to(conv.weight.dtype))


def like(conv: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """A convolution of the geometry of another, with these values."""
    kernel, stride, dilation = (_pair(sizes) for sizes in (conv.kernel_size, conv.stride, conv.dilation))
    padding = conv.padding if isinstance(conv.padding, str) else _pair(conv.padding)
    new = nn.Conv2d(
        weight.shape[1] * conv.groups, weight.shape[0], kernel, stride, padding, dilation, conv.groups,
        bias is not None, device="meta",
    )  # fmt: skip
    new.weight = nn.Parameter(weight.detach(), requires_grad=False)
    new.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
    return new


def _pair(sizes: tuple[int, ...]) -> tuple[int, int]:
    height, width = sizes
    return height, width


def folded_chain(module: nn.Module) -> nn.Module:
    """In a chain, a batch norm goes into the linear convolution before it, or into a convolution after it that pads
    nothing; so does the scale per channel of `LayerScale` into the convolution before.
    """
    if isinstance(module, Chain):
        children = list(module.children())
        for i in range(len(children) - 1):
            children[i], children[i + 1] = _folded_pair(children[i], children[i + 1])
        _renew(module, [child for child in children if not isinstance(child, nn.Identity)])
    return module


def _folded_pair(first: nn.Module, second: nn.Module) -> tuple[nn.Module, nn.Module]:
    scale_shift = affine_of(second)
    if isinstance(second, LayerScale):
        scale_shift = second.gamma.detach().double(), torch.zeros_like(second.gamma).double()
    if scale_shift is not None and put_behind(first, *scale_shift):
        return first, nn.Identity()
    before = affine_of(first)
    if before is not None and put_before(second, *before):
        return nn.Identity(), second
    return first, second


def put_behind(module: nn.Module, scale: Tensor, shift: Tensor) -> bool:
    """Put a scale and a shift per channel into the last, linear convolution of a module; whether there was one."""
    if isinstance(module, Chain) and len(list(module.children())):
        return put_behind(list(module.children())[-1], scale, shift)
    conv = _linear(module)
    if conv is not None and isinstance(module, ConvNormAct):
        module.conv = scaled(conv, scale, shift)
    return conv is not None


def _linear(module: nn.Module) -> nn.Conv2d | None:
    """The convolution of a module that does nothing else."""
    if not isinstance(module, ConvNormAct) or not isinstance(module.conv, nn.Conv2d):
        return None
    return module.conv if isinstance(module.norm, nn.Identity) and isinstance(module.act, nn.Identity) else None


@torch.no_grad()
def put_before(module: nn.Module, scale: Tensor, shift: Tensor) -> bool:
    """Put a scale and a shift of the input into a convolution that opens a module; whether there was one."""
    if isinstance(module, Chain) and len(list(module.children())):
        return put_before(next(iter(module.children())), scale, shift)
    if not isinstance(module, ConvNormAct) or not isinstance(module.norm, nn.Identity):
        return False
    conv, padded = module.conv, not isinstance(module.pad, nn.Identity)
    if not isinstance(conv, nn.Conv2d) or padded or conv.groups > 1 or conv.padding != (0, 0):
        return False
    weight = conv.weight.double()
    bias = (weight.sum((2, 3)) * shift).sum(1)
    bias = bias if conv.bias is None else bias + conv.bias.double()
    dtype = conv.weight.dtype
    module.conv = like(conv, (weight * scale[None, :, None, None]).to(dtype), bias.to(dtype))
    return True


def folded_residual(module: nn.Module) -> nn.Module:
    """The scale of a residual goes into the last convolution of its body, where that is linear."""
    if isinstance(module, Residual) and module.scale != 1:
        last = _last(module.body)
        conv = _linear(last)
        if conv is not None:
            filters = conv.weight
            scale = torch.full((len(filters),), module.scale, dtype=torch.float64, device=filters.device)
            put_behind(last, scale, torch.zeros_like(scale))
            module.scale = 1.0
    return module


def _last(module: nn.Module) -> nn.Module:
    while isinstance(module, Chain) and len(list(module.children())):
        module = list(module.children())[-1]
    return module


def flat_concat(module: nn.Module) -> nn.Module:
    """A concatenation at the end of a branch is made by the outer one, which then copies its maps once."""
    if isinstance(module, Concat):
        for name, branch in list(module.named_children()):
            if isinstance(branch, Chain) and len(list(branch.children())) == 1:
                setattr(module, name, next(iter(branch.children())))
    return module


def _renew(chain: Chain, children: list[nn.Module]) -> None:
    """Give a chain other children, under their places."""
    for name, _ in list(chain.named_children()):
        delattr(chain, name)
    for i, child in enumerate(children):
        chain.add_module(str(i), child)
