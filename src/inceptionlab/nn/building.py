"""From specs to plain PyTorch modules. The only place that threads channels is `geometry.measure`; this reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from traceback import extract_tb
from typing import Any

import torch
from torch import Tensor, nn

from inceptionlab.analysis.geometry import measure, measure_node, split_widths
from inceptionlab.analysis.measured import MeasuredNode
from inceptionlab.errors import SpecError
from inceptionlab.nn.checkpointing import checkpoint_modules, checkpointed
from inceptionlab.nn.initialise import InitScheme, initialise
from inceptionlab.nn.layers import branches
from inceptionlab.nn.layers.attention import attention_layer
from inceptionlab.nn.layers.conv import activation, conv_layer, ghost_layer, norm_layer
from inceptionlab.nn.layers.head import dense_layer
from inceptionlab.nn.layers.pool import pool_layer
from inceptionlab.nn.layers.residual import LayerScale, Residual, StochasticDepth
from inceptionlab.nn.outline import outline
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import (
    LRN,
    Act,
    Attention,
    Block,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    Ghost,
    Linear,
    Node,
    Norm,
    Pool,
    Product,
    Seq,
    Split,
    Sum,
)
from inceptionlab.spec.nodes import Residual as ResidualNode
from inceptionlab.zoo.modules import get_block


class InceptionNetwork(nn.Module):
    """A built network. `forward` gives one tensor of logits, always; `forward_with_aux` gives those of the
    auxiliary heads too. `spec` is the value it was built from.
    """

    def __init__(self, spec: Network, tops: Mapping[str, nn.Module], heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.spec = spec
        self.top_level = tuple(tops)
        self.heads = {aux.after: aux.name for aux in spec.aux}
        branches.register(self, tops)
        branches.register(self, heads)

    def __repr__(self) -> str:
        """Its modules, a line each; those that compute nothing are left out."""
        _, *lines = outline(self)
        spec, shape = self.spec, "x".join(map(str, self.spec.input.shape))
        return "\n".join([f"{type(self).__name__} {spec.title}: {shape} to {spec.classes} classes", *lines])

    def forward(self, x: Tensor) -> Tensor:
        """Images `b c h w`, normalised as `spec.input` says, to logits `b classes`."""
        for name in self.top_level:
            x = self.get_submodule(name)(x)
        return x.flatten(1)

    def forward_with_aux(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits `b classes`, and those of the auxiliary heads by name, for a training loss."""
        aux: dict[str, Tensor] = {}
        for name in self.top_level:
            x = self.get_submodule(name)(x)
            if name in self.heads:
                aux[self.heads[name]] = self.get_submodule(self.heads[name])(x)
        return x.flatten(1), aux

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """The last map at each stride, by the name of the node that gives it, finest first; the head is not run."""
        wanted = [row.path for row in measure(self.spec).stages().values()]
        maps: dict[str, Tensor] = {}
        for name in self.top_level[: self.top_level.index(wanted[-1]) + 1]:
            x = self.get_submodule(name)(x)
            if name in wanted:
                maps[name] = x
        return maps


def build(
    spec: Network,
    init: InitScheme | None = "kaiming",
    seed: int | None = None,
    *,
    grad_checkpoint: str | None = None,
) -> InceptionNetwork:
    """Build a network and draw its initial weights by the scheme `init`: from torch's generator, or from a `seed`.

    `init=None` allocates only: convolutions and linear layers hold whatever the memory held, for weights that are
    loaded next. `grad_checkpoint` is a pattern of modules whose activations are recomputed ("inception*"). Raises
    `SizeError` where the input is too small for a node, `SpecError` where the spec does not fit together.
    """
    measured = measure(spec)
    tops = {row.path: _module(row) for row in measured.children}
    heads = {row.path: _module(row) for row in measured.aux}
    network = InceptionNetwork(spec, tops, heads)
    if init is not None:
        initialise(network, init, seed)
    if grad_checkpoint is not None:
        checkpoint_modules(network, grad_checkpoint)
    return network


def build_node(node: Node, in_channels: int, size: int | tuple[int, int] = 32) -> nn.Module:
    """Build one node for inputs of `in_channels` channels; `size` matters only to nodes that flatten."""
    height, width = (size, size) if isinstance(size, int) else size
    module = _module(measure_node(node, (in_channels, height, width)))
    initialise(module, "kaiming")
    return module


def create_block(version: str, in_channels: int, *, grad_checkpoint: bool = False, **options: Any) -> nn.Module:
    """A tutorial's module by name: "v1", "v2", "asymmetric", "bn" or "resnet", for inputs `b in_channels h w`.

    Options: `form="literal"` (as printed there) or "complete", and `scale` for "resnet". `grad_checkpoint=True`
    recomputes its activations in the backward pass. An unknown version raises `SpecError` with the nearest names.
    """
    block = build_node(get_block(version, **options), in_channels)
    return checkpointed(block) if grad_checkpoint else block


def _module(row: MeasuredNode) -> nn.Module:
    node, channels = row.node, row.input[0]
    match node:
        case Conv() | Depthwise():
            return conv_layer(node, channels)
        case Ghost():
            return ghost_layer(node, channels)
        case Pool():
            return pool_layer(node)
        case Norm():
            return norm_layer(node, channels)
        case Act(kind=kind):
            return activation(kind)
        case Dropout(p=p):
            return nn.Dropout(p)
        case LRN(size=size, alpha=alpha, beta=beta, k=k):
            return nn.LocalResponseNorm(size, alpha, beta, k)
        case Attention():
            return attention_layer(node, channels)
        case Linear():
            return dense_layer(node, row.input)
        case Block():
            return _block(node, row)
        case _:
            return _container(row)


def _container(row: MeasuredNode) -> nn.Module:
    node = row.node
    children = {child.path.rpartition(".")[2]: _module(child) for child in row.children}
    match node:
        case Seq():
            return branches.Chain(children)
        case Concat():
            return branches.Concat(children, node.stochastic_depth)
        case Sum():
            return branches.Sum(children, node.stochastic_depth)
        case Product():
            return branches.Product(children)
        case Split():
            return branches.Split(children, split_widths(node, row.input[0]))
        case ResidualNode():
            return _residual(node, children, row.output[0])
        case _:
            raise SpecError(f"{row.path}: {node!r} is not a node that can be built")


def _residual(node: ResidualNode, children: dict[str, nn.Module], width: int) -> Residual:
    body = {"0": children["body"]}
    if node.gamma is not None:
        body["scale"] = LayerScale(width, node.gamma)
    if node.stochastic_depth:
        body["drop"] = StochasticDepth(node.stochastic_depth)
    whole = children["body"] if len(body) == 1 else branches.Chain(body)
    return Residual(whole, children.get("shortcut"), activation(node.act, inplace=True), node.scale)


def _block(node: Block, row: MeasuredNode) -> nn.Module:
    module = node.factory(row.input[0])
    if not isinstance(module, nn.Module):
        raise SpecError(f"{row.path}: the factory of the Block gave {type(module).__name__}, not an nn.Module")
    count = sum(p.numel() for p in module.parameters())
    if node.params and count != node.params:
        raise SpecError(f"{row.path}: the Block says {node.params:,} parameters, its module has {count:,}")
    given = _given_by(module, row)
    if given != row.output:
        raise SpecError(f"{row.path}: the Block says its output is {row.output}, its module gives {given}")
    module.keeps_own_weights = True  # type: ignore[assignment]
    return module.train()


def _given_by(module: nn.Module, row: MeasuredNode) -> tuple[int, ...]:
    """The shape that a module of the user's own makes of the input of its node; what it raises becomes a sentence."""
    try:
        with torch.no_grad():
            out: object = module.eval()(torch.zeros(1, *row.input))
    except Exception as error:
        words = f"{_line(error, module)}{type(error).__name__}: {error}".splitlines()[0]
        raise SpecError(f"{row.path}: the module of the Block fails on an input of {row.input}: {words}") from error
    if not isinstance(out, Tensor):
        raise SpecError(f"{row.path}: the module of the Block gives {type(out).__name__}, not a tensor")
    return tuple(out.shape[1:])


def _line(error: Exception, module: nn.Module) -> str:
    """The last line that an error came through in the file of a module's class, "" for none."""
    file = getattr(getattr(type(module).forward, "__code__", None), "co_filename", "")
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == file]
    return f"{Path(file).name}, line {lines[-1]}: " if lines else ""
