"""The Frechet distance of two Gaussians, in float64 and exact: nothing is added to a covariance, no part is imaginary.

A covariance S is held as a factor F with FᵀF = S. The trace of (S1 S2)^1/2 is then the sum of the singular values of
F1 F2ᵀ, whatever the ranks: with fewer images than features, F holds the centred images themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.linalg import lapack
from torch import Tensor

from inceptionlab.errors import DataError

CHUNK = 4096
"""Images whose features are taken to float64 at once."""
SMALL = 1024
"""The smaller side of F1 F2ᵀ up to which its singular values are computed; above it they are the roots of symmetric
eigenvalues, four times sooner and to eight digits of the largest."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Number, mean and scatter (the sum of outer products about the mean) of features, in float64."""

    n: int
    mean: Float[Tensor, " d"]
    scatter: Float[Tensor, "d d"]

    @staticmethod
    def none(dims: int) -> Moments:
        """Those of no features."""
        return Moments(0, torch.zeros(dims, dtype=torch.float64), torch.zeros(dims, dims, dtype=torch.float64))

    @staticmethod
    def of(features: Float[Tensor, "n d"]) -> Moments:
        """Those of some features."""
        x = features.double()
        mean = x.mean(0)
        return Moments(len(x), mean, torch.mm((x - mean).T, x - mean))

    def merged(self, other: Moments) -> Moments:
        """Those of both (Chan, Golub and LeVeque 1983)."""
        if not self.n or not other.n:
            return self if self.n else other
        n, apart = self.n + other.n, other.mean - self.mean
        scatter = self.scatter + other.scatter
        scatter.addr_(apart, apart, alpha=self.n * other.n / n)
        return Moments(n, self.mean + apart * (other.n / n), scatter)

    @property
    def covariance(self) -> Float[Tensor, "d d"]:
        """The unbiased covariance, as NumPy's `cov` gives it."""
        return self.scatter / (self.n - 1)


def moments_of(batches: Iterable[Float[Tensor, "b d"]], dims: int) -> Moments:
    """Those of a stream of features, of which no more than a batch is held."""
    total = Moments.none(dims)
    for batch in batches:
        total = total.merged(Moments.of(batch))
    return total


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A mean and a factor F of the covariance, FᵀF, with as many rows as its rank needs."""

    mean: Float[Tensor, " d"]
    factor: Float[Tensor, "k d"]

    @staticmethod
    def of_features(features: Float[Tensor, "n d"], which: Int64[Tensor, " m"] | None = None) -> Gaussian:
        """That of features, or of those at `which`: the centred features themselves where they are fewer than their
        dimensions. Raises `DataError` for fewer than 2.
        """
        index = torch.arange(len(features)) if which is None else which
        if len(index) < 2:
            raise DataError(f"{len(index)} image(s) have no covariance; give at least 2, and thousands for a FID")
        if len(index) > features.shape[1]:
            parts = (features[part] for part in torch.split(index, CHUNK))
            return Gaussian.of_moments(moments_of(parts, features.shape[1]))
        x = features[index].double()
        mean = x.mean(0)
        return Gaussian(mean, (x - mean) / (len(x) - 1) ** 0.5)

    @staticmethod
    def of_moments(moments: Moments) -> Gaussian:
        """That of a stream of features."""
        if moments.n < 2:
            raise DataError(f"{moments.n} image(s) have no covariance; give at least 2, and thousands for a FID")
        return Gaussian.of_covariance(moments.mean, moments.covariance)

    @staticmethod
    def of_covariance(mean: Float[Tensor, " d"], covariance: Float[Tensor, "d d"]) -> Gaussian:
        """That of a mean and a covariance. Raises `DataError` for a matrix that is no covariance."""
        return Gaussian(mean.double().cpu(), _factor(covariance.double().cpu()))

    @property
    def variance(self) -> float:
        """The trace of the covariance."""
        return self.factor.square().sum().item()


def frechet(a: Gaussian, b: Gaussian) -> float:
    """The squared Frechet distance |m1 − m2|² + tr(S1 + S2 − 2 (S1 S2)^1/2) of two Gaussians (Dowson and Landau 1982).

    Rounding can make it at most about 1e-12 of the variances wrong; what falls below 0 by that is 0.
    """
    moved = (a.mean - b.mean).square().sum().item()
    return max(0.0, moved + a.variance + b.variance - 2 * _nuclear(torch.mm(a.factor, b.factor.T)))


def _nuclear(product: Float[Tensor, "k l"]) -> float:
    """The sum of the singular values."""
    if min(product.shape) <= SMALL:
        return cast(Tensor, torch.linalg.svdvals(product)).sum().item()
    small = torch.mm(product, product.T) if product.shape[0] <= product.shape[1] else torch.mm(product.T, product)
    return cast(Tensor, torch.linalg.eigvalsh(small)).clamp_min_(0).sqrt_().sum().item()


def _factor(covariance: Float[Tensor, "d d"]) -> Float[Tensor, "k d"]:
    """F with FᵀF the covariance: Cholesky's, or for a singular one Cholesky's with pivots (LAPACK's pstrf), which stops
    where what is left is below rounding, so that F has as many rows as its rank.
    """
    largest = covariance.abs().max().item()
    if (covariance - covariance.T).abs().max().item() > 1e-6 * largest or (covariance.diagonal() < 0).any().item():
        raise DataError("the matrix is no covariance: it is not symmetric, or has a negative variance")
    if not largest:
        return covariance[:1]
    lower, failed = cast(tuple[Tensor, Tensor], torch.linalg.cholesky_ex(covariance))
    if not failed.item():
        return lower.T
    rows, pivots, rank, _ = cast(Any, lapack).dpstrf(np.asfortranarray(covariance.numpy()), lower=0)
    factor = np.zeros((rank, len(covariance)))
    factor[:, pivots - 1] = np.triu(rows)[:rank]
    whole = torch.from_numpy(factor)
    if (covariance.diagonal() - whole.square().sum(0)).abs().max().item() > 1e-6 * largest:
        raise DataError("the matrix is no covariance: it has negative eigenvalues")
    return whole
