"""Two sides of a comparison, features or statistics, to all numbers that they tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from inceptionlab.distances import intervals
from inceptionlab.distances.gaussians import frechet
from inceptionlab.distances.intervals import Sample
from inceptionlab.distances.kernels import kernel_distance
from inceptionlab.distances.neighbours import neighbours
from inceptionlab.distances.networks import FeatureSource
from inceptionlab.distances.protocols import ImageProtocol
from inceptionlab.distances.result import Basis, FidelityResult, Twin
from inceptionlab.distances.scores import inception_score
from inceptionlab.exporting.about import Precision

LISTED = 20
"""Copies that are named."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of two sets: what is known of it, its number of images where that is known, and what names an image of it
    (None: there are statistics only).
    """

    sample: Sample
    n: int | None
    where: Callable[[int], str] | None = None

    @property
    def features(self) -> Float[Tensor, "n d"] | None:
        """Its features; None of statistics."""
        return self.sample.features


def basis_of(source: FeatureSource, protocol: ImageProtocol, precision: Precision) -> Basis:
    """What a comparison is made by."""
    return Basis(protocol.name, protocol.resize, source.title, source.dims, precision)


def compared(
    a: Side, b: Side, basis: Basis, classifier: Float[Tensor, "c d"] | None = None, seed: int = 0
) -> FidelityResult:  # fmt: skip
    """All numbers that two sides tell. `classifier` are the weights by which features are scored."""
    fid = frechet(a.sample.gaussian, b.sample.gaussian)
    low, high = intervals.bootstrap(a.sample, b.sample, fid, seed) or (None, None)
    scored = a.features is not None and classifier is not None
    score = inception_score(cast(Tensor, a.features), cast(Tensor, classifier)) if scored else (None, None)
    alone = FidelityResult(
        a.n, b.n, basis, fid, low, high,
        intervals.extrapolated(a.sample, b.sample, fid, seed),
        intervals.floor(b.sample if b.features is not None else a.sample, seed),
        inception_score=score[0], inception_score_std=score[1],
    )  # fmt: skip
    return _with_pairs(alone, a, b)


def _with_pairs(alone: FidelityResult, a: Side, b: Side) -> FidelityResult:
    """The same with what needs the features of both sides."""
    if a.features is None or b.features is None or a.where is None or b.where is None:
        return alone
    kid, near = kernel_distance(a.features, b.features), neighbours(a.features, b.features)
    copies = torch.nonzero(near.same | near.near)[:, 0]
    copies = copies[near.distance[copies].argsort(stable=True)]
    listed = cast(list[int], copies[:LISTED].tolist())
    twins = tuple(Twin(a.where(i), b.where(int(near.nearest[i])), float(near.distance[i]),
                       bool(near.same[i])) for i in listed)  # fmt: skip
    return replace(
        alone, kid=kid.mean, kid_std=kid.std, kid_whole=kid.whole, kid_error=kid.error, precision=near.precision,
        recall=near.recall, density=near.density, coverage=near.coverage, same=int(near.same.sum()),
        near=int(near.near.sum()), twins=twins,
    )  # fmt: skip
