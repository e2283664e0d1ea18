"""Initial weights, drawn in torch, by named schemes."""

from __future__ import annotations

from math import sqrt
from typing import Literal

from torch import nn

Scheme = Literal["kaiming", "xavier", "torch"]


def initialise(module: nn.Module, scheme: Scheme = "kaiming") -> None:
    """Draw the weights of every convolution and linear layer; norms start as the identity, biases at 0.

    "kaiming": He's normal by fan-out for convolutions and N(0, 0.01) for linear layers (as in the
    tutorial of `googlenet.gray`); "xavier": the
    uniform of BVLC's GoogLeNet, with its bias of 0.2; "torch": the defaults of torch's layers.
    The modules of a `Block` keep the weights their factory gave them.
    """
    if getattr(module, "keeps_own_weights", False):
        return
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
        _draw(module, scheme)
    for child in module.children():
        initialise(child, scheme)


def _draw(layer: nn.Conv1d | nn.Conv2d | nn.Linear, scheme: Scheme) -> None:
    if scheme == "torch":
        layer.reset_parameters()
        return
    if scheme == "xavier":
        nn.init.xavier_uniform_(layer.weight)
    elif isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, 0.0, 0.01)
    else:
        fan_out = layer.weight.numel() / layer.weight.shape[1] / layer.groups
        nn.init.normal_(layer.weight, 0.0, sqrt(2 / fan_out))
    if layer.bias is not None:
        nn.init.constant_(layer.bias, 0.2 if scheme == "xavier" else 0.0)
