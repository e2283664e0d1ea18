"""Branches that read the same map, with one convolution where several 1x1 ones read it, averages after it instead of
before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.layers.branches import Chain, Concat, Product, Sum
from inceptionlab.layers.conv import ConvNormAct
from inceptionlab.optimize.rewrites import like, pointwise


@dataclass(slots=True)
class Opening:
    """How a branch begins: a 1x1 convolution, or an average of the same size and then one; `rest` is what follows."""

    conv: ConvNormAct
    pool: nn.Module | None
    rest: list[nn.Module]


def opening(branch: nn.Module) -> Opening | None:
    """How a branch whose norms are folded begins, None where it begins otherwise."""
    parts = list(branch.children()) if isinstance(branch, Chain) else [branch]
    pool = parts[0] if parts and _averages(parts[0]) else None
    parts = parts[1:] if pool is not None else parts
    first = parts[0] if parts else None
    if not isinstance(first, ConvNormAct) or not pointwise(first) or not isinstance(first.norm, nn.Identity):
        return None
    return Opening(first, pool, parts[1:])


def _averages(module: nn.Module) -> bool:
    """Whether a module is an average over windows that keeps the size and its weights sum to one or less: it goes with
    a 1x1 convolution without bias in either order, whatever it counts at the border.
    """
    return isinstance(module, nn.AvgPool2d) and module.stride in (1, (1, 1)) and not module.ceil_mode


class Biased(nn.Module):
    """A bias a channel: what is left of a convolution whose filters were moved before an average."""

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
    convs = [cast(nn.Conv2d, one.conv.conv) for one in found]
    weight = torch.cat([conv.weight for conv in convs])
    zeros = [weight.new_zeros(conv.out_channels) for conv in convs]
    biases = [zero if conv.bias is None or one.pool is not None else conv.bias
              for one, conv, zero in zip(found, convs, zeros, strict=True)]  # fmt: skip
    shared = ConvNormAct(like(convs[0], weight, torch.cat(biases)), nn.Identity(), nn.Identity())
    places = [0 if one is None else cast(nn.Conv2d, one.conv.conv).out_channels for one in openings]
    rests = [branch if one is None else _rest(one) for one, branch in zip(openings, branches, strict=True)]
    return Fused(Merged(shared, places, rests), how)


def _rest(one: Opening) -> nn.Module:
    """What a branch still does with its part of the shared map."""
    parts: list[nn.Module] = []
    bias = cast(nn.Conv2d, one.conv.conv).bias
    if one.pool is not None:
        parts += [one.pool] if bias is None else [one.pool, Biased(bias)]
    parts += [part for part in (one.conv.act, *one.rest) if not isinstance(part, nn.Identity)]
    return Chain({str(i): part for i, part in enumerate(parts)})
