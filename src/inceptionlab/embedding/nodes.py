"""What gives the features of one node of a network: what computes it, and nothing else, then the mean of its map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab.errors import SpecError
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.nn.layers.branches import Chain, Split
from inceptionlab.nn.layers.residual import Residual
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import CLASSES, Dropout, Linear, Node
from inceptionlab.spec.nodes import Residual as ResidualNode
from inceptionlab.spec.tree import children_of, find, walk
from inceptionlab.zoo.inception_resnet_v1 import facenet


class Pooled(nn.Module):
    """The mean of each map; a vector as it is.

    Not `AdaptiveAvgPool2d`, which OpenVINO computes wrongly where a network in 8 bits ends with it.
    """

    def forward(self, x: Float[Tensor, "b d *map"]) -> Float[Tensor, "b d"]:
        """Average over height and width where there are any."""
        return x.mean((2, 3)) if x.ndim == 4 else x.flatten(1)


class OnSphere(nn.Module):
    """Features divided by their length."""

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Divide; features that are all 0 stay."""
        return F.normalize(x)


class Share(nn.Module):
    """The channels that one branch of a `Split` gets."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__()
        self.start, self.end = start, end

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Cut them out."""
        return x[:, self.start : self.end]


def usual_node(spec: Network) -> str:
    """The node whose output the classifier reads: for most members the pooled last map, for facenet the embedding, for
    InceptionNeXt the hidden layer of its head. Raises `SpecError` for a network that has nothing before a classifier.
    """
    classifiers = [path for path, node in walk(spec.head) if isinstance(node, Linear) and node.out == CLASSES]
    path = classifiers[-1] if classifiers else ""
    while path:
        path, _, name = path.rpartition(".")
        before = _before(path, name, spec)
        if before:
            return before
    if not spec.body.children:
        raise SpecError(f"{spec.title} has nothing before a classifier that could give features; name a node")
    return spec.body.children[-1][0]


def _before(path: str, name: str, spec: Network) -> str:
    """The node before a child of the node at `path` that does something in evaluation; "" for none."""
    children = children_of(find(spec.head, path) if path else spec.head)
    earlier = children[: [one for one, _ in children].index(name)]
    working = [one for one, node in earlier if not isinstance(node, Dropout)]
    return ".".join(filter(None, (path, working[-1]))) if working else ""


def lies_on_sphere(spec: Network, path: str) -> bool:
    """Whether the features of a node are divided by their length: facenet's embedding (Schroff et al. 2015, 1503.03832,
    section 3).
    """
    return spec.name == facenet().name and path == usual_node(spec)


def at_node(network: InceptionNetwork, path: str) -> nn.Module:
    """A module of images `b c h w` to the features `b d` of the node at an address: the mean of its map, or a vector as
    it is; on the sphere where it lies there. It shares the modules of the network.

    Raises `SpecError` for an address without a node, naming the nearest.
    """
    spec = network.spec
    find(spec, path)
    top, *rest = path.split(".")
    before = {name: after for after, name in network.heads.items()}
    last = network.top_level.index(before.get(top, top)) + (top in before)  # an auxiliary head hangs behind its node
    node = next((cast(Node, aux.head) for aux in spec.aux if aux.name == top), dict(spec.children).get(top))
    steps = [network.get_submodule(name) for name in network.top_level[:last]]
    steps += _steps(network.get_submodule(top), cast(Node, node), rest)
    if isinstance(steps[-1], nn.AdaptiveAvgPool2d) and steps[-1].output_size == 1:
        steps.pop()  # the mean is the same; OpenVINO 2026.4 computes this pool wrongly at the end of 8 bits
    steps.append(Pooled())
    steps += [OnSphere()] if lies_on_sphere(spec, path) else []
    return Chain({str(i): step for i, step in enumerate(steps)})


def _steps(module: nn.Module, node: Node, names: Sequence[str]) -> Iterator[nn.Module]:
    """The modules, in order, from the input of a node to the output of the one below it that `names` lead to."""
    if not names:
        yield module
        return
    name, *rest = names
    child = dict(children_of(node))[name]
    inner: nn.Module = module.get_submodule(name)
    if isinstance(module, Chain):
        before = [one for one, _ in children_of(node)]
        yield from (module.get_submodule(one) for one in before[: before.index(name)])
    if isinstance(module, Split):
        ends = list(accumulate(module.widths))
        number = [one for one, _ in children_of(node)].index(name)
        yield Share(ends[number] - module.widths[number], ends[number])
    if isinstance(module, Residual) and name == "body" and _is_wrapped(node):
        inner = inner.get_submodule("0")  # its layer scale and what drops it stand behind the node's own body
    yield from _steps(inner, child, rest)


def _is_wrapped(node: Node) -> bool:
    return isinstance(node, ResidualNode) and (node.gamma is not None or bool(node.stochastic_depth))
