"""A network layer by layer as it is built: convolution, norm and activation apart, as `torchsummary` lists them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn

from inceptionlab.errors import SpecError
from inceptionlab.nn.building import InceptionNetwork, build
from inceptionlab.nn.layers.branches import Chain
from inceptionlab.nn.layers.conv import ChannelNorm, ConvNormAct
from inceptionlab.nn.layers.head import Dense
from inceptionlab.spec.network import Network

PASSING = (Chain, ConvNormAct, ChannelNorm, Dense, nn.Sequential, nn.Identity)
"""What computes nothing of its own, and so is no layer."""
BYTES, MEGABYTE = 4, 1024**2


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that ran: its kind and number ("Conv2d-1"), its address, the shape of its output without the batch, the
    parameters that it holds itself and how many of them are trained.
    """

    name: str
    address: str
    output: tuple[int, ...]
    params: int
    trainable: int


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """The layers of a network in the order in which they end, and what they cost one image in 32 bits.

    The megabytes are those of `torchsummary`, 1024 x 1024 bytes: a pass keeps every output and its gradient.
    """

    title: str
    input: tuple[int, ...]
    layers: tuple[Layer, ...]

    @property
    def params(self) -> int:
        """Parameters in all, those of a layer that runs twice counted once."""
        return sum({layer.address: layer.params for layer in self.layers}.values())

    @property
    def trainable(self) -> int:
        """Parameters that are trained."""
        return sum({layer.address: layer.trainable for layer in self.layers}.values())

    @property
    def input_mb(self) -> float:
        """Megabytes of an image."""
        return prod(self.input) * BYTES / MEGABYTE

    @property
    def pass_mb(self) -> float:
        """Megabytes of all outputs, forward and backward."""
        return 2 * sum(prod(layer.output) for layer in self.layers) * BYTES / MEGABYTE

    @property
    def params_mb(self) -> float:
        """Megabytes of the parameters."""
        return self.params * BYTES / MEGABYTE

    @property
    def total_mb(self) -> float:
        """Megabytes of all these."""
        return self.input_mb + self.pass_mb + self.params_mb

    def __str__(self) -> str:
        return "\n".join(self._lines())

    __repr__ = __str__

    def _lines(self) -> Iterator[str]:
        rows = [("Layer (type)", "Output Shape", "Param #", "address")]
        for i, layer in enumerate(self.layers):
            again = ", once more" if any(layer.address == before.address for before in self.layers[:i]) else ""
            rows.append((layer.name, str([-1, *layer.output]), f"{layer.params:,}", layer.address + again))
        first, second, third, _ = (max(len(row[i]) for row in rows) for i in range(4))
        rule = "-" * (first + second + third + 6)
        yield from (self.title, rule)
        for i, (name, shape, count, address) in enumerate(rows):
            yield f"{name:>{first}}  {shape:>{second}}  {count:>{third}}  {address}"
            if i == 0:
                yield rule.replace("-", "=")
        yield rule.replace("-", "=")
        yield f"Total params: {self.params:,}"
        yield f"Trainable params: {self.trainable:,}"
        yield f"Non-trainable params: {self.params - self.trainable:,}"
        yield rule
        yield f"Input size (MB): {self.input_mb:.2f}"
        yield f"Forward/backward pass size (MB): {self.pass_mb:.2f}"
        yield f"Params size (MB): {self.params_mb:.2f}"
        yield f"Estimated Total Size (MB): {self.total_mb:.2f}"
        yield rule


def summary(network: Network | nn.Module, input_shape: tuple[int, ...] | None = None) -> Summary:
    """The layers of a network or of any module, for an image of `input_shape` (channels, height, width).

    A network and what was built from one know their shape, and their auxiliary heads are run too. Nothing is computed:
    a copy runs without numbers (on torch's meta device). Raises `SpecError` where no shape is known.
    """
    module = build(network, init=None) if isinstance(network, Network) else deepcopy(network)
    spec = module.spec if isinstance(module, InceptionNetwork) else None
    shape = input_shape or (spec.input.shape if spec else None)
    if shape is None:
        raise SpecError(f"a {type(network).__name__} does not say what it reads: give input_shape, as in (3, 224, 224)")
    title = spec.title if spec else type(network).__name__
    return Summary(title, tuple(shape), tuple(_layers(module.eval().to("meta"), shape)))


def _layers(module: nn.Module, shape: tuple[int, ...]) -> list[Layer]:
    layers: list[Layer] = []

    def note(address: str, layer: nn.Module) -> Any:
        kind, own = type(layer).__name__, list(layer.parameters(recurse=False))
        counts = sum(p.numel() for p in own), sum(p.numel() for p in own if p.requires_grad)

        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            layers.append(Layer(f"{kind}-{len(layers) + 1}", address, tuple(output.shape[1:]), *counts))

        return hook

    inner = cast(Any, module).named_modules()
    for address, layer in inner:
        if address and not isinstance(layer, PASSING):
            layer.register_forward_hook(note(address, layer))
    with torch.no_grad():
        run: Any = module.forward_with_aux if isinstance(module, InceptionNetwork) and module.heads else module
        run(torch.empty(1, *shape, device="meta"))
    return layers
