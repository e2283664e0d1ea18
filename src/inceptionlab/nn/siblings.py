"""Sibling 1x1 convolutions, which read the same map, as one convolution: fewer and larger multiplications."""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab.nn.layers.branches import Chain, Concat, Product, Sum
from inceptionlab.nn.layers.conv import ConvNormAct, pointwise


def merge_siblings(model: nn.Module) -> nn.Module:
    """Run, in place, the 1x1 convolutions that open the branches of a node as one, in training and in evaluation.

    Weights stay where they are, so state-dict keys, gradients and optimisers are those of the plain network; norms and
    activations still run branch by branch. Hooks on the merged convolutions themselves are not called.
    """
    for module in model.modules():
        if isinstance(module, Concat | Sum | Product):
            mergeable = [branch for branch in module.children() if opening(branch) is not None]
            module.run_ = together if len(mergeable) > 1 else module.run_
    return model


def opening(branch: nn.Module) -> ConvNormAct | None:
    """The 1x1 convolution at stride 1 with which a branch opens, None where it opens otherwise."""
    first = next(iter(branch.children()), None) if isinstance(branch, Chain) else branch
    return first if isinstance(first, ConvNormAct) and pointwise(first) else None


def together(node: nn.Module, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
    """The outputs of the branches of a node, of which those that open with a 1x1 convolution share one."""
    branches = list(node.children())
    openings = [opening(branch) for branch in branches]
    convs = [cast(nn.Conv2d, first.conv) for first in openings if first is not None]
    weight = torch.cat([conv.weight for conv in convs])
    biases = [weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias for conv in convs]
    bias = torch.cat(biases) if any(conv.bias is not None for conv in convs) else None
    widths = [conv.out_channels for conv in convs]
    maps = iter(F.conv2d(x, weight, bias).unsafe_split_with_sizes(widths, 1))  # activations may work in place
    return [branch(x) if first is None else _rest(branch, first, next(maps))
            for branch, first in zip(branches, openings, strict=True)]  # fmt: skip


def _rest(branch: nn.Module, first: ConvNormAct, x: Tensor) -> Tensor:
    """What a branch does after its first convolution."""
    x = first.act(first.norm(x))
    for child in list(cast(Any, branch).children())[1:] if branch is not first else ():
        x = child(x)
    return x
