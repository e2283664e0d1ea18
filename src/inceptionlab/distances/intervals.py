"""How sure a Frechet distance is: its interval by bootstrap, its value for ever more images, its floor at this number.

FID of few images is too large, for two samples of one distribution never coincide; it falls with the number of images.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inceptionlab.distances.gaussians import CHUNK, Gaussian, Moments, frechet, moments_of
from inceptionlab.rng import sequence, stream

RESAMPLES = 200
DIRECTIONS = 128
"""Directions of the features in which resamples are compared."""
SIZES = 6
"""Numbers of images through which the distance is extrapolated."""
SMALLEST_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Sample:
    """One side of a distance: its Gaussian, and its features where they are at hand (None: only statistics are)."""

    gaussian: Gaussian
    features: Float[Tensor, "n d"] | None = None

    @staticmethod
    def of(features: Float[Tensor, "n d"]) -> Sample:
        """That of features."""
        return Sample(Gaussian.of_features(features), features)


def bootstrap(a: Sample, b: Sample, fid: float, seed: int = 0) -> tuple[float, float] | None:
    """The 95 % interval of a distance at its number of images; None where neither side has its features.

    200 times the images of each side are drawn again (Efron 1979; a side of which only statistics are known stays)
    and the distance is computed in the 128 leading directions of both sides and of their difference, or in all where
    there are fewer; the basic interval of its deviations from their mean is laid around the distance. So the interval
    tells the chance of the draw; the bias that few images bring is `extrapolated`'s.
    """
    if a.features is None and b.features is None:
        return None
    basis = _directions(a.gaussian, b.gaussian)
    sides = [_projected(side, basis) for side in (a, b)]
    drawn = np.random.default_rng(sequence(seed, "bootstrap of a distance"))
    found = np.array([frechet(*(_redrawn(side, drawn) for side in sides)) for _ in range(RESAMPLES)])
    low, high = np.quantile(found - found.mean(), [0.025, 0.975])
    return max(0.0, fid - float(high)), fid - float(low)


def extrapolated(a: Sample, b: Sample, fid: float, seed: int = 0) -> float | None:
    """The distance for ever more images: Chong and Forsyth, "Effectively Unbiased FID", CVPR 2020 (1911.07023).

    The distances of random parts of the images, down to a quarter, lie on a line over 1 / number; its value at 0 is
    what is left. None where a part would have fewer images than features, where there is no such line, or where only
    statistics are known. A side of which only statistics are known is left as it is.
    """
    known = [side.features for side in (a, b) if side.features is not None]
    least = max(((one.shape[1] + 1) / len(one) for one in known), default=1.0)
    smallest = max(SMALLEST_SHARE, least)
    if not known or smallest > 2 / 3:
        return None
    inverse = np.linspace(1 / smallest, 1, SIZES)
    parts = [_parts(side, 1 / inverse[:-1], stream(seed, "parts", i)) for i, side in enumerate((a, b))]
    values = [*(frechet(*pair) for pair in zip(*parts, strict=True)), fid]
    return float(np.polynomial.polynomial.polyfit(inverse, values, 1)[0])


def floor(side: Sample, seed: int = 0) -> float | None:
    """The distance between two random halves of one set, which would be 0 for ever more images; None without features,
    or of fewer than 4 images.
    """
    if side.features is None or len(side.features) < 4:
        return None
    order = torch.randperm(len(side.features), generator=stream(seed, "halves"))
    half = len(order) // 2
    halves = (order[:half], order[half : 2 * half])
    return frechet(*(Gaussian.of_features(side.features, one) for one in halves))


def _parts(side: Sample, shares: np.ndarray, generator: torch.Generator) -> list[Gaussian]:
    """The Gaussians of random parts of a side, each with all of the one before, so that no image is counted twice."""
    if side.features is None:
        return [side.gaussian] * len(shares)
    n, dims = side.features.shape
    order, total, found = torch.randperm(n, generator=generator), Moments.none(dims), list[Gaussian]()
    for begin, end in pairwise([0, *(round(float(share) * n) for share in shares)]):
        chunks = torch.split(order[begin:end], CHUNK)
        total = total.merged(moments_of((side.features[chunk] for chunk in chunks), dims))
        found.append(Gaussian.of_moments(total))
    return found


def _directions(a: Gaussian, b: Gaussian) -> Float[Tensor, "d k"]:
    """An orthonormal basis of the leading directions: two rounds of orthogonal iteration from random ones."""
    rows = torch.cat([a.factor, b.factor, (a.mean - b.mean)[None]])
    dims = rows.shape[1]
    if dims <= DIRECTIONS:
        return torch.eye(dims, dtype=torch.float64)
    basis = torch.randn(dims, DIRECTIONS - 1, generator=stream(0, "directions"), dtype=torch.float64)
    for _ in range(3):
        basis = _orthonormal(torch.mm(rows.T, torch.mm(rows, basis)))
    return _orthonormal(torch.cat([(a.mean - b.mean)[:, None], basis], 1))


def _orthonormal(columns: Float[Tensor, "d k"]) -> Float[Tensor, "d k"]:
    return cast(Tensor, torch.linalg.qr(columns)[0])


def _projected(side: Sample, basis: Tensor) -> Sample:
    gaussian = Gaussian(torch.mv(basis.T, side.gaussian.mean), torch.mm(side.gaussian.factor, basis))
    if side.features is None:
        return Sample(Gaussian.of_covariance(gaussian.mean, torch.mm(gaussian.factor.T, gaussian.factor)))
    return Sample(gaussian, torch.cat([torch.mm(part.double(), basis) for part in torch.split(side.features, CHUNK)]))


def _redrawn(side: Sample, drawn: np.random.Generator) -> Gaussian:
    """The Gaussian of as many images drawn with replacement."""
    if side.features is None:
        return side.gaussian
    n = len(side.features)
    return Gaussian.of_features(side.features, torch.from_numpy(drawn.integers(n, size=n)))
