"""Initial weights, drawn in torch, by named schemes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import sqrt
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import CheckpointWrapper

from inceptionlab import rng
from inceptionlab.nn.layers.attention import CBAM, EfficientChannelAttention, SqueezeExcite
from inceptionlab.nn.layers.branches import Chain
from inceptionlab.nn.layers.residual import LayerScale, Residual, StochasticDepth
from inceptionlab.spec.leaves import CLASSES
from inceptionlab.spec.leaves import Linear as LinearNode
from inceptionlab.spec.network import Network

InitScheme = Literal["kaiming", "kaiming_out", "xavier", "inception_v3", "inception_next", "torch", "dirac"]
Weighted = nn.Conv1d | nn.Conv2d | nn.Linear
Draw = Callable[[Tensor, torch.Generator | None], Any]
"""What fills a tensor in place from a generator; None is torch's own."""

Address = tuple[str | int, ...]
"""The names from the network to a layer, joined by dots; for an addition of a wrapper the wrapper's, the addition's
name, how many wrappers within have such an addition too, and the names from there on.
"""

_AUX_V3 = {"aux.conv1": 0.01, "aux.fc": 0.001}
_ADDED = (CBAM, SqueezeExcite, EfficientChannelAttention, LayerScale, StochasticDepth)
"""What rules put behind a node, in a chain with it."""


def initialise(module: nn.Module, scheme: InitScheme = "kaiming", seed: int | None = None) -> None:
    """Draw the weights of every convolution and linear layer; norms start as the identity, biases at 0.

    Without a `seed` they are drawn from torch's generator. With one, the values of a layer follow from it and from the
    layer's address, in which what rules wrap around a node does not count; so networks that share layers begin with
    the same values in them, whatever else they have.

    - "kaiming": He's normal by fan-in for convolutions, which keeps the variance through branches of any width also
      without batch norm, and N(0, 0.01) for linear layers;
    - "kaiming_out": the same by fan-out (the tutorial of `googlenet.gray`);
    - "xavier": the uniform of BVLC's GoogLeNet, with its bias of 0.2;
    - "inception_v3": N(0, 0.1) cut off at two deviations, 0.01 and 0.001 in the auxiliary head (TF-slim, torchvision);
    - "inception_next": N(0, 0.02) cut off at two deviations (its authors');
    - "torch": the defaults of torch's layers;
    - "dirac": those too, but every convolution of an odd window above 1x1 begins as the identity on its first input
      channels, group by group, as far as it has filters, and classifiers are divided by their own deviation (Jordan
      2024, arXiv 2404.00498, section 3.3).

    The modules of a `Block` keep the weights their factory gave them.
    """
    last = {id(layer) for layer in classifiers(module)} if scheme == "dirac" else set[int]()
    for layer, address in _layers(module, ("",)):
        generator = None if seed is None else rng.stream(seed, "init", *address)
        _fill(layer.weight, _draw_of(layer, scheme, str(address[0])), generator)
        if layer.bias is not None:
            _fill(layer.bias, _bias_of(layer, scheme), generator)
        if scheme == "dirac":
            _begin_as_identity(layer)
        if id(layer) in last:
            _scale(layer.weight, 1 / layer.weight.std().item())


def classifiers(module: nn.Module) -> list[nn.Linear]:
    """The linear layers that give the logits of a network and of its auxiliary heads; none of another module."""
    spec: Network | None = getattr(module, "spec", None)
    if spec is None:
        return []
    heads = [(spec.head, [name for name, _ in spec.head.children]), *((aux.head, [aux.name]) for aux in spec.aux)]
    found: list[nn.Linear] = []
    for head, names in heads:
        layers = [layer for name in names for layer in module.get_submodule(name).modules()]
        linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
        gives = any(isinstance(node, LinearNode) and node.out == CLASSES for _, node in head.children)
        found += linear[-1:] if gives else []
    return found


def scale_logits(module: nn.Module, factor: float) -> None:
    """Multiply, in place, the logits of a network and of its auxiliary heads, by the weights of its classifiers."""
    for layer in classifiers(module):
        for parameter in layer.parameters():
            _scale(parameter, factor)


@torch.no_grad()
def _scale(tensor: Tensor, factor: float) -> None:
    tensor.mul_(factor)


@torch.no_grad()
def _begin_as_identity(layer: Weighted) -> None:
    """The first filters of each group of a convolution become the identity on its input channels."""
    if not isinstance(layer, nn.Conv2d) or max(layer.kernel_size) == 1 or any(k % 2 == 0 for k in layer.kernel_size):
        return
    for filters in layer.weight.chunk(layer.groups):
        nn.init.dirac_(filters[: filters.shape[1]])


def _layers(module: nn.Module, address: Address) -> Iterator[tuple[Weighted, Address]]:
    """Every layer with its address, in order. A wrapper has one child that it is wrapped around, which keeps the
    wrapper's address; its others are additions. So no two layers share an address, whatever nodes are called.
    """
    if getattr(module, "keeps_own_weights", False):
        return
    if isinstance(module, Weighted):
        yield module, address
    inner = _wrapped(module)
    for name, child in module.named_children():
        if name == inner:
            yield from _layers(child, address)
        elif inner is not None:
            yield from _layers(child, (*address, name, _times_within(module, name), ""))
        else:
            *start, last = address
            yield from _layers(child, (*start, f"{last}.{name}" if last else name))


def _times_within(module: nn.Module, addition: str) -> int:
    """How many wrappers inside this one have an addition of that name too."""
    count = -1
    while (inner := _wrapped(module)) is not None:
        count += inner != addition and any(name == addition for name, _ in module.named_children())
        module = module.get_submodule(inner)
    return count


def _wrapped(module: nn.Module) -> str | None:
    """The child that a module is wrapped around, None for a module that is no wrapper: the body of a residual, the one
    node of a chain that is no gate, a module whose activations are recomputed.
    """
    if isinstance(module, Residual):
        return "body"
    if isinstance(module, CheckpointWrapper):
        return "_checkpoint_wrapped_module"
    if isinstance(module, Chain):
        names = [name for name, child in module.named_children() if not isinstance(child, _ADDED)]
        return names[0] if len(names) == 1 else None
    return None


def _draw_of(layer: Weighted, scheme: InitScheme, name: str) -> Draw:
    if scheme in ("torch", "dirac"):
        return lambda weight, generator: nn.init.kaiming_uniform_(weight, sqrt(5), generator=generator)
    if scheme == "xavier":
        return lambda weight, generator: nn.init.xavier_uniform_(weight, generator=generator)
    if scheme == "inception_v3":
        return _cut_normal(next((std for start, std in _AUX_V3.items() if name.startswith(start)), 0.1))
    if scheme == "inception_next":
        return _cut_normal(0.02)
    if isinstance(layer, nn.Linear):
        return _normal(0.01)
    inputs = layer.weight[0].numel()
    fan = inputs if scheme == "kaiming" else layer.weight.numel() / layer.weight.shape[1] / layer.groups
    return _normal(sqrt(2 / fan))


def _bias_of(layer: Weighted, scheme: InitScheme) -> Draw:
    if scheme in ("torch", "dirac"):
        bound = 1 / sqrt(layer.weight[0].numel())
        return lambda bias, generator: nn.init.uniform_(bias, -bound, bound, generator=generator)
    return lambda bias, _: nn.init.constant_(bias, 0.2 if scheme == "xavier" else 0.0)


def _normal(std: float) -> Draw:
    return lambda weight, generator: nn.init.normal_(weight, 0.0, std, generator=generator)


def _cut_normal(std: float) -> Draw:
    """Draw again what lies beyond two deviations; torch inverts the distribution, which takes ten times as long."""

    def draw(weight: Tensor, generator: torch.Generator | None) -> None:
        values = weight.normal_(0.0, std, generator=generator).view(-1)
        beyond = torch.nonzero(values.abs() > 2 * std)[:, 0]
        while len(beyond):
            values[beyond] = torch.empty(len(beyond), device=weight.device).normal_(0.0, std, generator=generator)
            beyond = beyond[values[beyond].abs() > 2 * std]

    return draw


@torch.no_grad()
def _fill(tensor: Tensor, draw: Draw, generator: torch.Generator | None) -> None:
    """Fill a tensor in place. A stream is on the CPU, so the values are the same on every device."""
    if generator is None or tensor.device.type == "cpu":
        draw(tensor, generator)
    else:
        tensor.copy_(draw(torch.empty(tensor.shape), generator))
