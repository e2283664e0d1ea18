"""Where a node of a spec stands in the network that was built from it, and what its module gives."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import MeasuredNode
from inceptionlab.errors import SpecError, nearest
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.spec.nodes import Residual
from inceptionlab.spec.tree import join


def modules_of(network: InceptionNetwork) -> dict[str, nn.Module]:
    """The module of every node by its address; a residual's identity is called "shortcut", as a node there would be.

    The module of a residual's body includes its layer scale and stochastic depth.
    """
    measured = measure(network.spec)
    tops = (*measured.children, *measured.aux)
    return {path: module for row in tops for path, module in _modules(row, network.get_submodule(row.path))}


def _modules(row: MeasuredNode, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    yield row.path, module
    for child in row.children:
        inner = module.get_submodule(child.path.rpartition(".")[2])
        if _is_scaled_body(row, child):
            yield child.path, inner
            yield from islice(_modules(child, inner.get_submodule("0")), 1, None)
        else:
            yield from _modules(child, inner)
    if isinstance(row.node, Residual) and len(row.children) == 1:
        yield join(row.path, "shortcut"), module.get_submodule("shortcut")


def _is_scaled_body(row: MeasuredNode, child: MeasuredNode) -> bool:
    """Whether a residual's body was built as a chain, with a layer scale or stochastic depth behind it."""
    node = row.node
    scaled = isinstance(node, Residual) and (node.gamma is not None or node.stochastic_depth > 0)
    return scaled and child is row.children[0]


def module_at(network: InceptionNetwork, path: str) -> nn.Module:
    """The module of the node at an address. Raises `SpecError` with the nearest addresses for an unknown one."""
    modules = modules_of(network)
    if path not in modules:
        raise SpecError(f"{network.spec.title} has no node {path!r}; {nearest(path, modules)}")
    return modules[path]


def outputs_at(
    network: InceptionNetwork, x: Float[Tensor, "b c h w"], nodes: Sequence[str]
) -> tuple[Float[Tensor, "b classes"], dict[str, Tensor]]:
    """The logits of images, and what the node at each address gives on the way; its gradient is that at this place.

    Raises `SpecError` for an unknown address, and for one that images do not come through.
    """
    modules, found = {node: module_at(network, node) for node in nodes}, dict[str, Tensor]()

    def keeping(node: str) -> Any:
        def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            found[node] = output.clone()  # an identity gives its input, whose gradient would be that of all paths
            return found[node].clone()  # what comes next may write into its input

        return keep

    with ExitStack() as stack:
        for node, module in modules.items():
            stack.callback(module.register_forward_hook(keeping(node)).remove)
        logits = network(x)
    if missing := [node for node in nodes if node not in found]:
        raise SpecError(f"images do not come through {missing[0]!r} on their way to the logits; name another node")
    return logits, found


@contextmanager
def replaced(module: nn.Module, values: Tensor) -> Generator[None]:
    """Within the block `values` stand in the place of what a module gives."""
    hook = module.register_forward_hook(lambda _module, _inputs, _output: values.clone())
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def evaluating(network: nn.Module) -> Generator[None]:
    """Within the block the network is in evaluation mode; afterwards as it was."""
    before = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(before)
