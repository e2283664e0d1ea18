"""Where a node of a spec stands in the network that was built from it, and what its module gives."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any

from torch import Tensor, nn

from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import MeasuredNode
from inceptionlab.errors import DataError, SpecError, counted, nearest
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.spec.nodes import Residual
from inceptionlab.spec.tree import join

BATCH, SIDE = 64, 96
"""Images of this side, or smaller ones, whose maps are kept at once; of larger ones as many as take as much memory."""
Seen = Callable[[Tensor], Tensor | None]
"""What looks at the output of a module; a tensor takes the output's place."""


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


@contextmanager
def watching(watched: Mapping[nn.Module, Seen]) -> Generator[None]:
    """Within the block, the output of each module is shown to its function, in evaluation mode or not."""

    def hook(see: Seen) -> Any:
        return lambda _module, _inputs, output: see(output)

    with ExitStack() as stack:
        for module, see in watched.items():
            stack.callback(module.register_forward_hook(hook(see)).remove)
        yield


@contextmanager
def evaluating(network: nn.Module) -> Generator[None]:
    """Within the block the network is in evaluation mode; afterwards as it was."""
    before = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(before)


def batch_for(size: tuple[int, int]) -> int:
    """How many images of (height, width) are worked on at once."""
    return max(1, min(BATCH, BATCH * SIDE * SIDE // (size[0] * size[1])))


def check_classes(network: InceptionNetwork, classes: tuple[str, ...]) -> None:
    """Raise `DataError` for images of other classes than the network's."""
    if len(classes) != network.spec.classes:
        raise DataError(
            f"the images are of {counted(len(classes), 'class', 'classes')} and {network.spec.title} tells "
            f"{network.spec.classes} apart; give images of the network's classes"
        )
