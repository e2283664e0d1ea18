"""Muon: momentum whose matrices are made orthogonal before they become a step.

Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon); its form for convolutions is that of airbench94_muon
(Jordan 2024, arXiv 2404.00498). `torch.optim.Muon` takes parameters of two dimensions only.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from inceptionlab.training.weights_apart import WeightsApart

A, B, C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic iteration, whose slope at 0 is as steep as it can be."""
EPS = 1e-7


class Muon(WeightsApart):
    """Muon for filters and matrices; SGD with Nesterov's momentum for the rest, in groups with `matrices=0`.

    A group with `matrices=g` holds weights `out ...` that are g matrices (out / g) x the rest, one for each group of a
    convolution. Of each one, m <- momentum m + gradient; u <- gradient + momentum m; w <- w - lr s O(u), where O is
    `orthogonalised` and s = sqrt(max(1, rows / columns)) gives every step the norm sqrt(rows). `weight_decay` takes
    lr * weight_decay of w before that. With `unit_filters` the whole weight is scaled to the norm sqrt(out) instead.
    """

    def __init__(
        self, params: Iterable[Any], lr: float, momentum: float = 0.95, nesterov: bool = True, steps: int = 5
    ) -> None:
        usual = {"momentum": momentum, "nesterov": nesterov, "steps": steps, "weight_decay": 0.0, "matrices": 1,
                 "unit_filters": False}  # fmt: skip
        super().__init__(params, {"lr": lr, **usual})

    def move(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Move a weight of matrices by its orthogonalised momentum, another by its momentum."""
        (self._turn if group["matrices"] else self._plain)(weight, gradient, group)

    def _turn(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        if group["unit_filters"]:
            weight.mul_(sqrt(len(weight)) / weight.square().sum().sqrt().clamp_min(EPS))
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        along = self._along(weight, gradient, group)
        matrices = along.reshape(group["matrices"], len(weight) // group["matrices"], -1)
        rows, columns = matrices.shape[1:]
        turned = orthogonalised(matrices, group["steps"]).to(weight.dtype).reshape(weight.shape)
        weight.sub_(turned, alpha=group["lr"] * sqrt(max(1, rows / columns)))

    def _plain(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        gradient = gradient.add(weight, alpha=group["weight_decay"])
        weight.sub_(self._along(weight, gradient, group), alpha=group["lr"])

    def _along(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        """The direction of momentum."""
        state, momentum = self.state[weight], group["momentum"]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        velocity: Tensor = state["momentum_buffer"].mul_(momentum).add_(gradient)
        return gradient.add(velocity, alpha=momentum) if group["nesterov"] else velocity


def orthogonalised(matrices: Float[Tensor, "n rows columns"], steps: int) -> Float[Tensor, "n rows columns"]:
    """About U V' of each matrix U S V': singular values between about 0.5 and 1.5, by `steps` of the Newton-Schulz
    iteration X <- a X + (b X X' + c (X X')^2) X.

    In bf16 on a GPU, as its authors compute it, and in fp32 on a CPU, where many have no fast bf16.
    """
    x = matrices.to(torch.bfloat16) if matrices.is_cuda else matrices.float()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / x.square().sum((1, 2), keepdim=True).sqrt().clamp_min(EPS)
    for _ in range(steps):
        gram = x @ x.mT
        x = A * x + (B * gram + C * gram @ gram) @ x
    return x.mT if tall else x
