"""Which branch of each module does the work of a trained network: what it costs, what it says, what is lost without it.

A branch is silenced by holding its output at its mean (per channel, over the images and positions): the layers behind
it then get what they usually get, and only what the branch says of the image is gone. Zeros would take its mean away
as well, which the later layers never saw in training, so a branch could seem important for its bias alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from inceptionlab.analysis.costs import Shape
from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.markup import text_table
from inceptionlab.analysis.measured import MeasuredNode
from inceptionlab.analysis.words import describe
from inceptionlab.data.batches import ordered_batches
from inceptionlab.data.dataset import Samples
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.progress import followed
from inceptionlab.errors import DataError, SpecError, counted
from inceptionlab.evaluation.metrics import gain
from inceptionlab.evaluation.predictions import device_of, fitting_batch
from inceptionlab.explaining.places import module_at, outputs_at, replaced
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.nn.modes import in_evaluation
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Fused, Residual
from inceptionlab.spec.tree import join

BATCH = 64
"""Images of 96x96, or smaller ones, whose maps are kept at once."""
Silence = Literal["mean", "zero"]
"""What takes the place of a branch's output: its mean per channel, or zeros."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What a branch has of its module's branches together, as shares of 1: parameters, multiply-adds, activation energy
    (the sum of the squares of what it adds to the module's output), and the norm of the loss's gradient by its output.
    """

    params: float
    macs: float
    energy: float
    gradient: float


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch `name` of the module at the address `module`, `what` it is in a few words, and its costs.

    `lost` is the accuracy that is lost when it is silenced, with its paired 95 % interval `low` to `high`, as shares
    of 1. A residual has the branches "body" and "shortcut".
    """

    module: str
    name: str
    what: str
    params: int
    macs: int
    shares: Shares
    lost: float
    low: float
    high: float

    @property
    def address(self) -> str:
        """Where it stands in the network."""
        return join(self.module, self.name)

    @property
    def matters(self) -> bool:
        """Whether the interval of what is lost without it leaves zero out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True, repr=False)
class BranchWork:
    """The branches of the network `title` in the order of execution, by its answers on `images` images, of which it
    has `accuracy` (a share of 1) right; they were silenced by `silence`.
    """

    title: str
    images: int
    accuracy: float
    silence: Silence
    branches: tuple[Branch, ...]

    @property
    def modules(self) -> dict[str, tuple[Branch, ...]]:
        """The branches by the address of their module."""
        found: dict[str, tuple[Branch, ...]] = {}
        for branch in self.branches:
            found[branch.module] = (*found.get(branch.module, ()), branch)
        return found

    def __str__(self) -> str:
        """A row per branch: shares of its module in per cent, then the points of accuracy lost without it."""
        heads = ("branch", "what", "parameters %", "MACs %", "energy %", "gradient %", "points lost", "95 % interval")
        rows = [
            (branch.address, branch.what, *(f"{100 * share:.1f}" for share in asdict(branch.shares).values()),
             f"{100 * branch.lost:+z.2f}", f"{100 * branch.low:+z.2f} to {100 * branch.high:+z.2f}")
            for branch in self.branches
        ]  # fmt: skip
        return f"{self._about()}\n{text_table(heads, rows)}"

    __repr__ = __str__

    def _about(self) -> str:
        what = "its mean" if self.silence == "mean" else "zero"
        return (
            f"{self.title}: {self.accuracy:.2%} right of {counted(self.images, 'image')}; shares are of the module, "
            f"points are lost when the branch is held at {what}"
        )

    def as_record(self) -> dict[str, Any]:
        """All of it for JSON."""
        return asdict(self)


@dataclass(slots=True)
class _Place:
    """A branch before its numbers are known: where it is, and the factor that its output is added with."""

    module: str
    name: str
    what: str
    params: int
    macs: int
    output: Shape
    scale: float = 1.0
    energy: float = 0.0
    gradient: float = 0.0
    total: Tensor | None = None
    values: int = 0

    @property
    def address(self) -> str:
        return join(self.module, self.name)

    def add(self, output: Float[Tensor, "b c h w"], gradient: Float[Tensor, "b c h w"] | None) -> None:
        """Take the maps of some images in."""
        channels = output.movedim(1, 0).flatten(1).double()
        self.energy += self.scale**2 * float(channels.square().sum())
        self.total = channels.sum(1) if self.total is None else self.total + channels.sum(1)
        self.values += channels.shape[1]
        if gradient is not None:
            self.gradient += float(gradient.flatten(1).square().sum(1).sqrt().sum())

    def silenced(self, silence: Silence, x: Tensor) -> Float[Tensor, "b c h w"]:
        """What stands in the place of its output for the images `x`."""
        if silence == "zero" or self.total is None:
            return x.new_zeros(len(x), *self.output)
        return (self.total / self.values).to(x)[:, None, None].expand(len(x), *self.output)


def branch_work(network: InceptionNetwork, samples: Samples, silence: Silence = "mean") -> BranchWork:
    """What every branch of every module costs, says and is worth to a trained network, on images of its classes.

    Needs a forward pass per branch, from its module on, over all of them; a few hundred images give intervals of some
    points. Images that selected the weights flatter a network; those of the test are read once more. Intervals are one
    by one, not corrected for their number. Raises `SpecError` for a network without branches, `DataError` for images of
    other classes.
    """
    if len(samples.classes) != network.spec.classes:
        raise DataError(
            f"the images are of {counted(len(samples.classes), 'class', 'classes')} and {network.spec.title} tells "
            f"{network.spec.classes} apart; give images of the network's classes"
        )
    places = list(_places(network.spec))
    if not places:
        raise SpecError(
            f"{network.spec.title} has no module with branches (Concat, Sum, Product, Split, Residual) to compare"
        )
    with in_evaluation(network):
        right = _read(network, samples, places)
        without = _silenced(network, samples, places, silence)
    found = tuple(_branch(place, places, right, without[place.address]) for place in places)
    return BranchWork(network.spec.title, len(samples), right.float().mean().item(), silence, found)


def branches_of(spec: Network, node: str) -> tuple[str, ...]:
    """The addresses of the branches of the node at an address, none for one without branches."""
    return tuple(place.address for place in _places(spec) if place.module == node)


def _places(spec: Network) -> Iterator[_Place]:
    """The branches of every module, in order."""
    for top in measure(spec).children:
        for row in top.walk():
            if isinstance(row.node, Fused | Residual):
                yield from _branches(row)


def _branches(row: MeasuredNode) -> Iterator[_Place]:
    for child in row.children:
        name = child.path.rpartition(".")[2]
        scale = row.node.scale if isinstance(row.node, Residual) and name == "body" else 1.0
        yield _Place(row.path, name, describe(child.node), child.params, child.macs, child.output, scale)
    if isinstance(row.node, Residual) and len(row.children) == 1:
        yield _Place(row.path, "shortcut", "identity", 0, 0, row.input)


def _read(network: InceptionNetwork, samples: Samples, places: list[_Place]) -> Bool[Tensor, " n"]:
    """Which images are answered rightly; energies, means and gradients are noted in the places."""
    addresses, right = [place.address for place in places], list[Tensor]()
    for x, labels in _batches(network, samples, "branches: energy and gradients"):
        with torch.enable_grad():
            logits, seen = outputs_at(network, x.requires_grad_(), addresses)
            loss = F.cross_entropy(logits, labels, reduction="sum")
            found = torch.autograd.grad(loss, list(seen.values()), allow_unused=True)
        gradients = dict(zip(seen, found, strict=True))
        for place in places:
            place.add(seen[place.address].detach(), gradients[place.address])
        right.append((logits.argmax(1) == labels).cpu())
    return torch.cat(right)


def _batches(network: InceptionNetwork, samples: Samples, what: str) -> Iterator[tuple[Tensor, Tensor]]:
    """The network's inputs, where it is, with their labels."""
    preprocess, device = Preprocess(network.spec.input), device_of(network)
    size = fitting_batch(BATCH, preprocess.size)
    for images, labels in followed(ordered_batches(samples, size), what, -(-len(samples) // size)):
        yield preprocess.batch(images.to(device)), labels.to(device)


@torch.no_grad()
def _silenced(network: InceptionNetwork, samples: Samples, places: list[_Place], silence: Silence
              ) -> dict[str, Bool[Tensor, " n"]]:  # fmt: skip
    """Which images are answered rightly without each branch; what stands before its module runs once for all."""
    right = {place.address: list[Tensor]() for place in places}
    for x, labels in _batches(network, samples, "branches: each silenced"):
        for i, top in enumerate(network.top_level):
            for place in (one for one in places if one.address.partition(".")[0] == top):
                with replaced(module_at(network, place.address), place.silenced(silence, x)):
                    answers = _from(network, i, x).argmax(1)
                right[place.address].append((answers == labels).cpu())
            x = network.get_submodule(top)(x)
    return {address: torch.cat(parts) for address, parts in right.items()}


def _from(network: InceptionNetwork, first: int, x: Tensor) -> Tensor:
    """Logits from the input of a top-level node on."""
    for name in network.top_level[first:]:
        x = network.get_submodule(name)(x)
    return x.flatten(1)


def _branch(place: _Place, places: list[_Place], right: Bool[Tensor, " n"], without: Bool[Tensor, " n"]) -> Branch:
    siblings = [one for one in places if one.module == place.module]

    def share(of: Callable[[_Place], float]) -> float:
        total = sum(of(one) for one in siblings)
        return of(place) / total if total else 0.0

    shares = Shares(
        share(lambda one: one.params), share(lambda one: one.macs), share(lambda one: one.energy),
        share(lambda one: one.gradient),
    )  # fmt: skip
    lost, low, high = gain(without, right)
    return Branch(place.module, place.name, place.what, place.params, place.macs, shares, lost, low, high)
