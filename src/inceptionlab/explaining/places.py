"""The nodes of a built network as places: what stands at one, and the logits where something else stands there.

A place is an address as `inceptionlab show` prints it, or that of any module within; "" is the input.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.analysis.geometry import measure
from inceptionlab.errors import SpecError, nearest
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.nn.checkpointing import plain_name
from inceptionlab.nn.layers.residual import LayerScale, StochasticDepth
from inceptionlab.spec.tree import walk


def module_at(network: nn.Module, node: str) -> nn.Module:
    """The module at an address. Raises `SpecError` with the nearest addresses for one that does not exist."""
    module = network
    for name in node.split("."):
        found = _child(module, name)
        if found is None:
            raise SpecError(f"{_title(network)} has no node {node!r}; {nearest(node, _addresses(network))}")
        module = found
    return module


def _child(module: nn.Module, name: str) -> nn.Module | None:
    """The child of that name. The body of a residual with a layer scale or stochastic depth stands first in a chain
    with these, of which addresses of nodes say nothing.
    """
    first: object = getattr(module, "0", None)
    chained = any(isinstance(child, LayerScale | StochasticDepth) for child in module.children())
    for owner in (first, module) if chained else (module,):
        found: object = getattr(owner, name, None)
        if isinstance(found, nn.Module):
            return found
    return None


def _title(network: nn.Module) -> str:
    return network.spec.title if isinstance(network, InceptionNetwork) else type(network).__name__


def _addresses(network: nn.Module) -> list[str]:
    """The addresses that `show` prints; of a network of others, those of its modules."""
    if isinstance(network, InceptionNetwork):
        return [path for path, _ in walk(network.spec) if path]
    modules: dict[str, nn.Module] = dict(cast(Any, network).named_modules())
    return [plain_name(name) for name in modules if name]


def last_map(network: nn.Module) -> str:
    """The address of the last top-level node before the head whose map has more than one cell.

    Raises `SpecError` for a network that has no such map, or does not say where its head begins.
    """
    if not isinstance(network, InceptionNetwork):
        raise SpecError(
            f"{_title(network)} does not say where its head begins; name a node, "
            f"such as {nearest('', [name for name, _ in network.named_children()])}"
        )
    tops = measure(network.spec).children
    count = len(network.spec.stem.children) + len(network.spec.body.children)
    maps = [row.path for row in tops[:count] if len(row.output) == 3 and row.output[1] * row.output[2] > 1]
    if not maps:
        raise SpecError(f"{_title(network)} has no map of more than one cell before its head; give larger images")
    return maps[-1]


def outputs_at(
    network: nn.Module, x: Float[Tensor, "b c h w"], nodes: Sequence[str]
) -> tuple[Float[Tensor, "b classes"], dict[str, Tensor]]:
    """The logits of images, and what stands at each of the addresses on the way.

    Raises `SpecError` for an address that does not exist, or that the images do not come through.
    """
    found: dict[str, Tensor] = {"": x}
    hooks = [module_at(network, node).register_forward_hook(_keeping(found, node)) for node in nodes if node]
    try:
        logits = network(x)
    finally:
        for hook in hooks:
            hook.remove()
    if missing := [node for node in nodes if node not in found]:
        raise SpecError(f"images do not come through {missing[0]!r} on their way to the logits; name another node")
    return logits, {node: found[node] for node in nodes}


def _keeping(found: dict[str, Tensor], node: str) -> Callable[[nn.Module, object, Tensor], Tensor]:
    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        found[node] = output.clone()  # an identity gives its input, whose gradient is that of all ways from there
        return found[node].clone()  # what comes next may write into its input

    return keep


@contextmanager
def replaced(module: nn.Module, values: Tensor) -> Generator[None]:
    """Within it `values` stand in the place of what a module gives; their gradients are those at this place."""

    def give(_module: nn.Module, _inputs: object, _output: object) -> Tensor:
        return values.clone()

    hook = module.register_forward_hook(give)
    try:
        yield
    finally:
        hook.remove()
