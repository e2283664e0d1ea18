"""Optimisers that move each weight by itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class WeightsApart(Optimizer):
    """An optimiser that says how one weight moves by its gradient."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step; `closure` may recompute the loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self.move(weight, weight.grad, group)
        return loss

    @abstractmethod
    def move(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Move a weight, in place, with the settings of its group."""
