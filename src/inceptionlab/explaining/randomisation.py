"""Whether a map shows what a network has learned: maps by random weights beside it (Adebayo et al. 2018, section 3)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab import rng
from inceptionlab.explaining.attribution import AttributionMaps, attribution_maps
from inceptionlab.explaining.options import Settings
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.nn.initialise import initialise

DRAWS = 3
"""Networks of random weights, whose maps a map is compared with."""
ALIKE = 0.5
"""The rank correlation from which two maps show the same."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike a map is to that of the same network with random weights from the logits down to `node`: Spearman's
    rank correlation of the values and of their sizes, and the structural similarity (Wang et al. 2004); means over
    draws.
    """

    node: str
    correlation: float
    sizes: float
    similarity: float


@dataclass(frozen=True, slots=True)
class Randomisation:
    """What became of a map as weights became random; the last row is the whole network's."""

    rows: tuple[Likeness, ...]

    @property
    def whole(self) -> Likeness:
        """With random weights everywhere."""
        return self.rows[-1]

    @property
    def holds(self) -> bool:
        """Whether the map depends on the weights."""
        return self.whole.sizes < ALIKE


def randomisation(
    network: nn.Module, x: Float[Tensor, "b c h w"], maps: AttributionMaps, settings: Settings | None = None,
    draws: int = DRAWS, cascade: bool = False,
) -> list[Randomisation]:  # fmt: skip
    """How alike the maps of images are to those of random weights, for each image.

    All weights are random at once; in a `cascade` they become so from the logits down, a top-level node at a time, with
    a row for each. The method and the classes are those of `maps`.
    """
    seen: dict[str, list[list[tuple[float, float, float]]]] = {}
    for seed in range(draws):
        for node, changed in _randomised(network, seed, cascade):
            other = attribution_maps(changed, x, maps.method, maps.targets, maps.node, settings)
            pairs = zip(maps.maps, other.maps, strict=True)
            seen.setdefault(node, []).append([likeness(a, b) for a, b in pairs])
    means = {node: np.mean(found, axis=0) for node, found in seen.items()}
    return [
        Randomisation(tuple(Likeness(node, *map(float, mean[i])) for node, mean in means.items()))
        for i in range(len(x))
    ]


def _randomised(network: nn.Module, seed: int, cascade: bool) -> Iterator[tuple[str, nn.Module]]:
    """A copy of the network after each step, with the node that the step has come down to."""
    changed = copy.deepcopy(network)
    tops = network.top_level if isinstance(network, InceptionNetwork) else [n for n, _ in network.named_children()]
    names = [name for name in reversed(tops) if list(changed.get_submodule(name).parameters())]
    if not names:
        yield "", changed  # nothing is learned
    for i, name in enumerate(names):
        forget(changed.get_submodule(name), seed, i)
        if cascade or i == len(names) - 1:
            yield name, changed


def forget(module: nn.Module, seed: int, index: int = 0) -> None:
    """Give all layers of a module, in place, the weights that a network begins with, and norms no statistics."""
    with rng.scope(seed, "forget", index):
        for layer in module.modules():
            reset: Any = getattr(layer, "reset_parameters", None)
            if callable(reset):
                reset()
    initialise(module, "kaiming", seed)


def likeness(a: Float[Tensor, "h w"], b: Float[Tensor, "h w"]) -> tuple[float, float, float]:
    """Spearman's rank correlation of two maps, that of the sizes of their values, and their structural similarity."""
    return rank_correlation(a, b), rank_correlation(a.abs(), b.abs()), structural_similarity(a, b)


def rank_correlation(a: Float[Tensor, "h w"], b: Float[Tensor, "h w"]) -> float:
    """Spearman's rank correlation; 0 where a map is flat, which agrees with nothing."""
    from scipy import stats

    rank = cast(Any, stats).rankdata  # ties share their mean rank
    x, y = (rank(one.detach().cpu().numpy(), axis=None) for one in (a, b))
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / size if size else 0.0


def structural_similarity(a: Float[Tensor, "h w"], b: Float[Tensor, "h w"]) -> float:
    """The mean structural similarity of two maps, each scaled to 0 to 1, in windows of 11 pixels with a deviation
    of 1.5 (Wang et al. 2004).
    """
    at = torch.arange(-5.0, 6.0)
    line = (-((at / 1.5) ** 2) / 2).exp()
    window = (torch.outer(line, line) / line.sum() ** 2)[None, None]
    x, y = (_scaled(one.detach().cpu().float())[None, None] for one in (a, b))

    def mean(values: Tensor) -> Tensor:
        return F.conv2d(F.pad(values, (5, 5, 5, 5), mode="replicate"), window)

    mx, my = mean(x), mean(y)
    vx, vy, both = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    found = (2 * mx * my + 1e-4) * (2 * both + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    return found.mean().item()


def _scaled(one: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    low, high = one.min(), one.max()
    return (one - low) / (high - low) if high > low else torch.zeros_like(one)
