"""Averaged weights, and the time in which a network computes with them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from inceptionlab.nn.modes import in_evaluation
from inceptionlab.training.recipe import Recipe


class MovingAverage:
    """Exponential moving average of a module's state, with the decay warmed up (TensorFlow's `num_updates`).

    Not `torch.optim.swa_utils.AveragedModel`: it copies the whole module, which a divided one does not allow.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int, steps: int) -> None:
        """Move the average towards the module after step `step` (from 0) of `steps`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)


class Lookahead:
    """Slow weights that every `every` steps move towards the module, which then goes back to them (Zhang et al. 2019).

    After t of T steps they keep decay^every (t / T)^3 of themselves (Jordan 2024, arXiv 2404.00498, section 3.4), so in
    the beginning the module hardly goes back. Running statistics go with the weights.
    """

    def __init__(self, module: nn.Module, every: int, decay: float) -> None:
        self.every, self.decay = every, decay
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int, steps: int) -> None:
        """Move both, where it is time, after step `step` (from 0) of `steps`."""
        done = step + 1
        if done % self.every:
            return
        keep = self.decay**self.every * (done / steps) ** 3
        for name, value in module.state_dict().items():
            slow = self.state[name]
            if value.is_floating_point():
                value.copy_(slow.lerp_(value, 1 - keep))
            else:
                slow.copy_(value)


def average_of(module: nn.Module, recipe: Recipe) -> MovingAverage | Lookahead | None:
    """The averaged weights that a recipe asks for."""
    if recipe.lookahead:
        return Lookahead(module, recipe.lookahead, recipe.lookahead_decay)
    return MovingAverage(module, recipe.ema) if recipe.ema else None


@contextmanager
def evaluated(module: nn.Module, weights: Mapping[str, Tensor] | None = None) -> Generator[None]:
    """Within the block the module is in evaluation mode, and its weights and `weights` have changed places, tensor by
    tensor, so that none is there twice. Afterwards both are as they were, and each part in the mode that it was in.
    """
    exchanged = dict(weights or {})
    with in_evaluation(module):
        _exchange(module, exchanged)
        try:
            yield
        finally:
            _exchange(module, exchanged)


@torch.no_grad()
def _exchange(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    own = module.state_dict() if weights else {}
    for name, value in weights.items():
        kept = own[name].clone()
        own[name].copy_(value)
        value.copy_(kept)
