"""Initial weights, drawn in torch, by named schemes."""

from __future__ import annotations

from hashlib import sha256
from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn

Scheme = Literal["kaiming", "kaiming_out", "xavier", "inception_v3", "inception_next", "torch"]

_AUX_V3 = {"aux.conv1": 0.01, "aux.fc": 0.001}


def initialise(module: nn.Module, scheme: Scheme = "kaiming", name: str = "", seed: int | None = None) -> None:
    """Draw the weights of every convolution and linear layer; norms start as the identity, biases at 0.

    With a `seed`, the values of a layer follow from it and from the layer's address, in which what rules wrap around a
    node does not count; so networks that share layers begin with the same values in them, whatever else they have.

    - "kaiming": He's normal by fan-in for convolutions, which keeps the variance through branches of any width also
      without batch norm, and N(0, 0.01) for linear layers;
    - "kaiming_out": the same by fan-out (the tutorial of `googlenet.gray`);
    - "xavier": the uniform of BVLC's GoogLeNet, with its bias of 0.2;
    - "inception_v3": N(0, 0.1) cut off at two deviations, 0.01 and 0.001 in the auxiliary head (TF-slim, torchvision);
    - "inception_next": N(0, 0.02) cut off at two deviations (its authors');
    - "torch": the defaults of torch's layers.

    The modules of a `Block` keep the weights their factory gave them.
    """
    if getattr(module, "keeps_own_weights", False):
        return
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
        if seed is not None:
            torch.manual_seed(_seed_of(seed, name))
        _draw(module, scheme, name)
    for child_name, child in module.named_children():
        initialise(child, scheme, f"{name}.{child_name}" if name else child_name, seed)


def _seed_of(seed: int, name: str) -> int:
    """A seed for a layer: wrapped nodes are called "block" and "body", which the same nodes without rules are not;
    those that are checkpointed stand in a wrapper too.
    """
    wrappers = ("block", "body", "_checkpoint_wrapped_module")
    plain = ".".join(part for part in name.split(".") if part not in wrappers)
    return int.from_bytes(sha256(f"{seed} {plain}".encode()).digest()[:7], "big")


def _draw(layer: nn.Conv1d | nn.Conv2d | nn.Linear, scheme: Scheme, name: str) -> None:
    if scheme == "torch":
        layer.reset_parameters()
        return
    if scheme == "xavier":
        nn.init.xavier_uniform_(layer.weight)
    elif scheme == "inception_v3":
        _cut_normal(layer.weight, next((std for start, std in _AUX_V3.items() if name.startswith(start)), 0.1))
    elif scheme == "inception_next":
        _cut_normal(layer.weight, 0.02)
    elif isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, 0.0, 0.01)
    else:
        inputs = layer.weight[0].numel()
        fan = inputs if scheme == "kaiming" else layer.weight.numel() / layer.weight.shape[1] / layer.groups
        nn.init.normal_(layer.weight, 0.0, sqrt(2 / fan))
    if layer.bias is not None:
        nn.init.constant_(layer.bias, 0.2 if scheme == "xavier" else 0.0)


@torch.no_grad()
def _cut_normal(weight: Tensor, std: float) -> None:
    """Draw again what lies beyond two deviations; torch inverts the distribution, which takes ten times as long."""
    values = weight.normal_(0.0, std).view(-1)
    beyond = torch.nonzero(values.abs() > 2 * std)[:, 0]
    while len(beyond):
        values[beyond] = torch.empty(len(beyond), device=weight.device).normal_(0.0, std)
        beyond = beyond[values[beyond].abs() > 2 * std]
