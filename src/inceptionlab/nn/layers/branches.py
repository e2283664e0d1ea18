"""Several nodes at once: chains, and branches fused by concatenation, sum, product or split."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.errors import SpecError


class Chain(nn.Module):
    """Named modules one after another; `nn.Sequential` with names that may be anything but reserved."""

    def __init__(self, children: Mapping[str, nn.Module]) -> None:
        super().__init__()
        register(self, children)

    def forward(self, x: Tensor) -> Tensor:
        """Run the children in order."""
        for child in self.children():
            x = child(x)
        return x


def one_by_one(node: nn.Module, x: Tensor, stochastic_depth: float = 0.0) -> list[Tensor]:
    """The outputs of the branches of a node, which all read `x`; in training each is dropped with a probability."""
    outputs = [branch(x) for branch in node.children()]
    if node.training and stochastic_depth:
        return [dropped(y, stochastic_depth) for y in outputs]
    return outputs


class Concat(nn.Module):
    """Branches of one input, concatenated along the channels. `b c h w` to `b sum(d) h2 w2`.

    In training each branch of an image is dropped with probability `stochastic_depth`.
    """

    def __init__(self, children: Mapping[str, nn.Module], stochastic_depth: float = 0.0) -> None:
        super().__init__()
        register(self, children)
        self.stochastic_depth = stochastic_depth

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Run every branch on the same input."""
        return torch.cat(one_by_one(self, x, self.stochastic_depth), dim=1)


class Sum(nn.Module):
    """Branches of one input, added. In training each branch of an image is dropped with `stochastic_depth`."""

    def __init__(self, children: Mapping[str, nn.Module], stochastic_depth: float = 0.0) -> None:
        super().__init__()
        register(self, children)
        self.stochastic_depth = stochastic_depth

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Add the outputs of the branches."""
        return reduce(torch.add, one_by_one(self, x, self.stochastic_depth))


class Product(nn.Module):
    """Branches of one input, multiplied element by element."""

    def __init__(self, children: Mapping[str, nn.Module]) -> None:
        super().__init__()
        register(self, children)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Multiply the outputs of the branches."""
        return reduce(torch.mul, one_by_one(self, x))


class Split(nn.Module):
    """The channels are dealt out to the branches in order (`widths`), then concatenated."""

    def __init__(self, children: Mapping[str, nn.Module], widths: list[int]) -> None:
        super().__init__()
        self.widths = widths
        register(self, children)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Run each branch on its share of the channels."""
        parts = torch.split(x, self.widths, dim=1)
        return torch.cat([child(part) for child, part in zip(self.children(), parts, strict=True)], dim=1)


def dropped(x: Float[Tensor, "b c h w"], p: float) -> Float[Tensor, "b c h w"]:
    """The maps with those of whole images zero with probability `p`, the others divided by 1 - p."""
    keep = torch.rand(x.shape[0], 1, 1, 1, device=x.device) >= p
    return x * (keep / (1 - p)).to(x.dtype)


def register(module: nn.Module, children: Mapping[str, nn.Module]) -> None:
    """Add named children to a module in order. Raises `SpecError` for a name that modules use themselves."""
    for name, child in children.items():
        if hasattr(module, name):
            raise SpecError(f"a node cannot be called {name!r}: every module has something of that name; rename it")
        module.add_module(name, child)
