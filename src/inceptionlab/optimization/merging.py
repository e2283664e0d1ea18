"""Branches with one convolution where several 1x1 ones read the same map, averages behind it instead of before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.nn.layers.branches import Chain, Concat, Product, Sum
from inceptionlab.nn.layers.conv import ConvNormAct, pointwise
from inceptionlab.optimization.rewrites import like


def exchanged(module: nn.Module) -> nn.Module:
    """In a chain, an average that keeps the size and the 1x1 convolution behind it change places, so that fewer maps
    are averaged. Both are linear, whatever the average counts at the border; the bias, which is not, stays behind it.
    """
    if not isinstance(module, Chain):
        return module
    parts: list[nn.Module] = []
    for part in module.children():
        one = opening(part)
        if parts and _averages(parts[-1]) and one is not None and part is one.module:
            pool, conv = parts.pop(), one.conv
            first = ConvNormAct(like(conv, conv.weight, None), nn.Identity(), nn.Identity())
            behind = [] if conv.bias is None else [Biased(conv.bias)]
            parts += [first, pool, *behind, one.module.act]
        else:
            parts.append(part)
    return Chain({str(i): part for i, part in enumerate(parts) if not isinstance(part, nn.Identity)})


def _averages(module: nn.Module) -> bool:
    """Whether a module is an average over windows of stride 1."""
    return isinstance(module, nn.AvgPool2d) and module.stride in (1, (1, 1)) and not module.ceil_mode


@dataclass(frozen=True, slots=True)
class Opening:
    """How a branch begins: `module` with a 1x1 convolution `conv` and no norm; `rest` is what follows."""

    module: ConvNormAct
    conv: nn.Conv2d
    rest: list[nn.Module]


def opening(branch: nn.Module) -> Opening | None:
    """How a branch whose norms are folded begins, None where it begins otherwise."""
    parts = list(branch.children()) if isinstance(branch, Chain) else [branch]
    first = parts[0] if parts else None
    if not isinstance(first, ConvNormAct) or not isinstance(first.conv, nn.Conv2d) or not pointwise(first):
        return None
    return Opening(first, first.conv, parts[1:]) if isinstance(first.norm, nn.Identity) else None


class Biased(nn.Module):
    """A bias per channel: what is left of a convolution whose filters were moved before an average."""

    def __init__(self, bias: Tensor) -> None:
        super().__init__()
        self.bias = nn.Parameter(bias.detach()[:, None, None], requires_grad=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Add it."""
        return x + self.bias


class Merged(nn.Module):
    """Branches of one input of which some open with the shared 1x1 convolution: `b c h w` to their outputs in order.

    `places` says for each branch how many channels of the shared map it takes, 0: it reads the input itself.
    """

    def __init__(self, shared: nn.Module, places: Sequence[int], branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.shared = shared
        self.places = list(places)
        self.widths = [place for place in places if place]
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
        """Run the shared convolution and the branches."""
        maps = iter(self.shared(x).split(self.widths, 1))
        return [branch(next(maps) if place else x) for branch, place in zip(self.branches, self.places, strict=True)]


class Fused(nn.Module):
    """Branches whose outputs are concatenated, added or multiplied."""

    def __init__(self, branches: Merged, how: str) -> None:
        super().__init__()
        self.branches = branches
        self.how = how

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Run the branches and put them together."""
        outputs = self.branches(x)
        if self.how == "concat":
            return torch.cat(outputs, 1)
        total = outputs[0]
        for y in outputs[1:]:
            total = total + y if self.how == "sum" else total * y
        return total


HOW: dict[type[nn.Module], str] = {Concat: "concat", Sum: "sum", Product: "product"}


def merged(module: nn.Module) -> nn.Module:
    """A node of branches with its 1x1 convolutions of the same input as one, where there are two or more."""
    how = HOW.get(type(module))
    branches = list(module.children())
    openings = [opening(branch) for branch in branches]
    found = [one for one in openings if one is not None]
    if how is None or len(found) < 2:
        return module
    convs = [one.conv for one in found]
    weight = torch.cat([conv.weight for conv in convs])
    zeros = [weight.new_zeros(conv.out_channels) for conv in convs]
    biases = [zero if conv.bias is None else conv.bias for conv, zero in zip(convs, zeros, strict=True)]
    shared = ConvNormAct(like(convs[0], weight, torch.cat(biases)), nn.Identity(), nn.Identity())
    places = [0 if one is None else one.conv.out_channels for one in openings]
    rests = [branch if one is None else _rest(one) for one, branch in zip(openings, branches, strict=True)]
    return Fused(Merged(shared, places, rests), how)


def _rest(one: Opening) -> nn.Module:
    """What a branch still does with its part of the shared map."""
    parts = [part for part in (one.module.act, *one.rest) if not isinstance(part, nn.Identity)]
    return Chain({str(i): part for i, part in enumerate(parts)})
