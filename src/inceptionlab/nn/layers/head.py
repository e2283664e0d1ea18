"""Fully connected layers on flattened maps."""

from __future__ import annotations

from math import prod

from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.nn.layers.bare import bare
from inceptionlab.nn.layers.conv import activation
from inceptionlab.spec.leaves import Linear


class Dense(nn.Module):
    """Flatten, linear, activation. `b ...` to `b out`."""

    def __init__(self, linear: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.linear = linear
        self.act = act

    def forward(self, x: Tensor) -> Float[Tensor, "b d"]:
        """Flatten all but the batch, then multiply."""
        return self.act(self.linear(x.flatten(1)))


def dense_layer(node: Linear, shape: tuple[int, int, int]) -> Dense:
    """The module of a `Linear` node that reads a map of `shape`."""
    linear = bare(nn.Linear, prod(shape), int(node.out), bias=node.bias)
    return Dense(linear, activation(node.act))
