"""The kernel distance (KID): Binkowski et al., "Demystifying MMD GANs", ICLR 2018 (1801.01401).

It is unbiased at any number of images, so it is the one to read where they are few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

SUBSETS, SUBSET = 100, 1000
"""Those of torch-fidelity and clean-fid."""
SEED = 2020
"""torch-fidelity's seed, so that the same subsets are drawn."""
CHUNK = 2048


@dataclass(frozen=True, slots=True)
class KernelDistance:
    """`mean` and `std` over random subsets, as published numbers are; `whole` of all images, with its standard `error`
    (None below 3 images).
    """

    mean: float
    std: float
    whole: float
    error: float | None


def kernel_distance(a: Float[Tensor, "n d"], b: Float[Tensor, "m d"]) -> KernelDistance:
    """The squared maximum mean discrepancy of two sets of features by the kernel (x·y / d + 1)³, in float64.

    The subsets are torch-fidelity's: 100 of 1,000 images, or of all where there are fewer. The standard error is the
    jackknife's: exact leave-one-out values follow from the sums of each image's kernels.
    """
    mean, std = _subsets(a, b)
    whole, error = _whole(a, b)
    return KernelDistance(mean, std, whole, error)


def _kernel(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    return torch.mm(x.double(), y.double().T).div_(x.shape[1]).add_(1).pow_(3)


def _subsets(a: Tensor, b: Tensor) -> tuple[float, float]:
    size = min(len(a), len(b), SUBSET)
    if size == len(a) == len(b):  # every subset is the whole
        return _whole(a, b)[0], 0.0
    drawn, found = np.random.RandomState(SEED), np.empty(SUBSETS)
    for i in range(SUBSETS):
        x, y = (one[torch.from_numpy(drawn.choice(len(one), size, replace=False))] for one in (a, b))
        within = sum((_kernel(one, one).fill_diagonal_(0).sum() for one in (x, y)), torch.zeros(()))
        found[i] = (within / (size * (size - 1)) - 2 * _kernel(x, y).mean()).item()
    return float(found.mean()), float(found.std())


def _whole(a: Tensor, b: Tensor) -> tuple[float, float | None]:
    """(the unbiased estimate from all pairs, its standard error)."""
    within = [_sums(one, one) - _kernel_of_itself(one) for one in (a, b)]
    across = [_sums(a, b), _sums(b, a)]
    n, m = len(a), len(b)
    aa, bb, ab = within[0].sum(), within[1].sum(), across[0].sum()
    whole = aa / (n * (n - 1)) + bb / (m * (m - 1)) - 2 * ab / (n * m)
    if min(n, m) < 3:
        return whole.item(), None
    without_a = (aa - 2 * within[0]) / ((n - 1) * (n - 2)) + bb / (m * (m - 1)) - 2 * (ab - across[0]) / ((n - 1) * m)
    without_b = aa / (n * (n - 1)) + (bb - 2 * within[1]) / ((m - 1) * (m - 2)) - 2 * (ab - across[1]) / (n * (m - 1))
    variance = without_a.var(correction=0) * (n - 1) + without_b.var(correction=0) * (m - 1)
    return whole.item(), variance.sqrt().item()


def _sums(x: Tensor, y: Tensor) -> Float[Tensor, " n"]:
    """For each of `x`, the sum of its kernels with all of `y`."""
    parts = [sum((_kernel(rows, columns).sum(1) for columns in torch.split(y, CHUNK)), torch.zeros(()))
             for rows in torch.split(x, CHUNK)]  # fmt: skip
    return torch.cat(parts)


def _kernel_of_itself(x: Tensor) -> Float[Tensor, " n"]:
    return torch.cat([
        part.double().square().sum(1).div_(x.shape[1]).add_(1).pow_(3) for part in torch.split(x, CHUNK)
    ])  # fmt: skip
