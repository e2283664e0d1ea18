"""What nearest neighbours say of two sets: precision and recall (Kynkäänniemi et al. 2019, 1904.06991), density and
coverage (Naeem et al. 2020, 2002.09797), and images of one set that stand in the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

NEAREST, NEAREST_OF_DENSITY = 3, 5
"""The papers' numbers of neighbours, without the image itself."""
CHUNK = 256
"""Images whose distances to all others are held at once."""
SAME, NEAR = 1e-3, 0.5
"""A distance below this share of the features' length: the same image. Below this share of the usual distance between
neighbours of the real set: a near duplicate."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Shares from 0 to 1 (`density` may be larger), None where images are too few; and for each generated image its
    nearest real one, with whether it is the same or nearly so.
    """

    precision: float | None
    recall: float | None
    density: float | None
    coverage: float | None
    nearest: Int64[Tensor, " n"]
    distance: Float[Tensor, " n"]
    same: Bool[Tensor, " n"]
    near: Bool[Tensor, " n"]


def neighbours(generated: Float[Tensor, "n d"], real: Float[Tensor, "m d"]) -> Neighbours:
    """Distances between all images in float64, a few rows at a time."""
    centre = _mean(real)  # distances stay, and rounding is that of the deviations
    x, y = Points.of(generated, centre), Points.of(real, centre)
    radii_x, radii_y = _radii(x), _radii(y)
    n, m = len(generated), len(real)
    inside_y, inside_x, covered = (torch.zeros(k, dtype=torch.bool) for k in (n, m, m))
    nearest, distance, dense = torch.empty(n, dtype=torch.int64), torch.empty(n, dtype=torch.float64), 0
    for start in range(0, n, CHUNK):
        rows = slice(start, min(n, start + CHUNK))
        d = x.to(y, rows)
        distance[rows], nearest[rows] = d.min(1)
        inside_y[rows] = (d <= radii_y[0]).any(1)
        inside_x |= (d <= radii_x[0][rows, None]).any(0)
        balls = d < radii_y[1]
        dense += int(balls.sum())
        covered |= balls.any(0)
    length = (y.squares.mean() + centre.square().sum()).sqrt()
    same = distance <= SAME * length
    usual = _radii(y, (1,))[0].median() if m > 1 else torch.zeros(())
    few, fewer = min(n, m) <= NEAREST, m <= NEAREST_OF_DENSITY
    return Neighbours(
        None if few else _share(inside_y), None if few else _share(inside_x),
        None if fewer else dense / (NEAREST_OF_DENSITY * n), None if fewer else _share(covered),
        nearest, distance, same, ~same & (distance <= NEAR * usual),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Points:
    """Centred features in float32, and the squares of their lengths in float64."""

    values: Float[Tensor, "n d"]
    centre: Float[Tensor, " d"]
    squares: Float[Tensor, " n"]

    @staticmethod
    def of(features: Float[Tensor, "n d"], centre: Float[Tensor, " d"]) -> Points:
        """Those of features."""
        squares = [(part.double() - centre).square().sum(1) for part in torch.split(features, CHUNK)]
        return Points(features, centre, torch.cat(squares))

    def to(self, other: Points, rows: slice) -> Float[Tensor, "r m"]:
        """The distances of some rows to all others."""
        x = self.values[rows].double() - self.centre
        parts = [torch.mm(x, (part.double() - self.centre).T) for part in torch.split(other.values, 16 * CHUNK)]
        squared = torch.cat(parts, 1).mul_(-2).add_(other.squares).add_(self.squares[rows, None])
        return squared.clamp_min_(0).sqrt_()


def _radii(points: Points, which: tuple[int, ...] = (NEAREST, NEAREST_OF_DENSITY)) -> list[Float[Tensor, " n"]]:
    """The distance of each point to its k-th nearest other one, for each k (the farthest where there are fewer)."""
    count = len(points.values)
    kept = [min(k, count - 1) for k in which]
    found: list[Tensor] = []
    for start in range(0, count, CHUNK):
        rows = slice(start, min(count, start + CHUNK))
        d = points.to(points, rows)
        d[torch.arange(len(d)), torch.arange(start, start + len(d))] = 0
        found.append(d.topk(max(kept) + 1, largest=False, sorted=True).values)
    sorted_distances = torch.cat(found)
    return [sorted_distances[:, k] for k in kept]


def _mean(features: Float[Tensor, "n d"]) -> Float[Tensor, " d"]:
    """The mean in float64, of which no more than some rows are converted at once."""
    return torch.stack([part.double().sum(0) for part in torch.split(features, CHUNK)]).sum(0) / len(features)


def _share(flags: Bool[Tensor, " n"]) -> float:
    return flags.double().mean().item()
