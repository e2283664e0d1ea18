"""Whether an answer hangs on what a map marks: deletion and insertion (Petsiuk et al. 2018, section 4), against chance.

Pixels are taken from an image in the order of a map, or put back, and the probability of the class is followed. A map
that says where the class is makes it fall early and rise early. By how much is only known beside maps that know
nothing: random ones of the same grid, enlarged alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab import rng
from inceptionlab.nn.modes import in_evaluation

STEPS = 16
"""Parts in which pixels are taken away or put back."""
CHANCES = 19
"""Random maps; with one map's rank among them p cannot be below 1 in 20."""
SIGNIFICANT = 0.05
BLUR = 1 / 16
"""The deviation of the blur that insertion begins with, as a share of the image's longer side."""


@dataclass(frozen=True, slots=True)
class Curves:
    """The probability of a class after each step, the first before any: as pixels are taken away (`deletion`) and put
    back (`insertion`), from 0 % to 100 % of them.
    """

    deletion: tuple[float, ...]
    insertion: tuple[float, ...]

    @property
    def deletion_area(self) -> float:
        """The mean probability on the way, the lower the better."""
        return float(np.trapezoid(self.deletion)) / (len(self.deletion) - 1)

    @property
    def insertion_area(self) -> float:
        """The mean probability on the way, the higher the better."""
        return float(np.trapezoid(self.insertion)) / (len(self.insertion) - 1)

    @property
    def gap(self) -> float:
        """How much higher insertion is than deletion; about 0 for a map that knows nothing."""
        return self.insertion_area - self.deletion_area


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """The curves of a map, and those of random maps of the same grid."""

    curves: Curves
    chance: tuple[Curves, ...]

    @property
    def p(self) -> float:
        """How often random maps are as good or better: (1 + their number) / (1 + all of them)."""
        better = sum(one.gap >= self.curves.gap for one in self.chance)
        return (1 + better) / (1 + len(self.chance))

    @property
    def holds(self) -> bool:
        """Whether the answer hangs on what the map marks more than on any random choice."""
        return self.p <= SIGNIFICANT

    @property
    def chance_mean(self) -> Curves:
        """The mean curves of the random maps."""
        mean = np.mean([(one.deletion, one.insertion) for one in self.chance], axis=0)
        return Curves(tuple(map(float, mean[0])), tuple(map(float, mean[1])))


def faithfulness(
    network: nn.Module, x: Float[Tensor, "1 c h w"], attribution: Float[Tensor, "h w"], target: int,
    grid: tuple[int, int], chance: tuple[Curves, ...] | None = None,
) -> Faithfulness:  # fmt: skip
    """Deletion and insertion by a map for the class `target` of one image that is prepared for a network.

    Deletion leaves the mean image, insertion begins with the image blurred. `grid` is that of the map; `chance` are
    the curves of random maps where they are known already (`random_curves`).
    """
    known = random_curves(network, x, target, grid) if chance is None else chance
    return Faithfulness(curves_of(network, x, attribution, target), known)


def random_curves(
    network: nn.Module, x: Float[Tensor, "1 c h w"], target: int, grid: tuple[int, int], count: int = CHANCES
) -> tuple[Curves, ...]:
    """The curves of random maps of a grid, the same ones each time."""
    found: list[Curves] = []
    for i in range(count):
        noise = torch.rand(1, 1, *grid, generator=rng.stream(0, "chance", i)).to(x.device)
        smooth = F.interpolate(noise, x.shape[2:], mode="bilinear")[0, 0]
        found.append(curves_of(network, x, smooth, target))
    return tuple(found)


def curves_of(
    network: nn.Module, x: Float[Tensor, "1 c h w"], attribution: Float[Tensor, "h w"], target: int, steps: int = STEPS
) -> Curves:
    """The curves of one map. Of pixels with equal values a random one comes first."""
    ranks, (height, width) = _ranks(attribution).to(x.device), x.shape[2:]
    taken = torch.arange(steps + 1, device=x.device) * (height * width) / steps
    gone = (ranks < taken[:, None, None])[:, None]
    with torch.no_grad(), in_evaluation(network):
        deletion = _probability(network, torch.where(gone, 0, x), target)
        insertion = _probability(network, torch.where(gone, x, blurred(x)), target)
    return Curves(deletion, insertion)


def _ranks(attribution: Float[Tensor, "h w"]) -> Int64[Tensor, "h w"]:
    """The place of each pixel when the highest comes first."""
    flat = attribution.detach().flatten().cpu()
    mixed = torch.randperm(len(flat), generator=rng.stream(0, "ties"))
    order = mixed[flat[mixed].argsort(descending=True, stable=True)]
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order))
    return ranks.view(attribution.shape)


def _probability(network: nn.Module, x: Float[Tensor, "n c h w"], target: int) -> tuple[float, ...]:
    return tuple(float(p) for p in network(x).float().softmax(1)[:, target])


def blurred(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Images without what is smaller than a sixteenth of their longer side."""
    for axis in (2, 3):
        side = x.shape[axis]
        deviation = max(x.shape[2:]) * BLUR
        reach = min(side - 1, round(3 * deviation))
        at = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
        weights = (-((at / deviation) ** 2) / 2).exp()
        kernel = (weights / weights.sum()).view(1, 1, *((-1, 1) if axis == 2 else (1, -1)))
        pad = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
        x = F.conv2d(F.pad(x, pad, mode="reflect"), kernel.expand(x.shape[1], -1, -1, -1), groups=x.shape[1])
    return x
