"""Optimisers of the papers and of today, and learning rates over the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import cos, floor, pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer

from inceptionlab.spec.network import Network
from inceptionlab.training.recipe import Recipe


class RMSPropTF(Optimizer):
    """RMSProp as TensorFlow has it, which the papers of v3, v4 and Inception-ResNet used: eps is inside the root,
    the mean square starts at 1, and momentum gathers steps that already hold the learning rate.

    s <- decay s + (1 - decay) g²;  m <- momentum m + lr g / sqrt(s + eps);  w <- w - m
    """

    def __init__(
        self, params: Iterable[Any], lr: float, decay: float = 0.9, momentum: float = 0.9, eps: float = 1.0
    ) -> None:
        super().__init__(params, {"lr": lr, "decay": decay, "momentum": momentum, "eps": eps, "weight_decay": 0.0})

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
                    self._update(weight, group)
        return loss

    def _update(self, weight: Tensor, group: dict[str, Any]) -> None:
        gradient = weight.grad.add(weight, alpha=group["weight_decay"])  # type: ignore[union-attr]
        state = self.state[weight]
        if not state:
            state["square"], state["velocity"] = torch.ones_like(weight), torch.zeros_like(weight)
        state["square"].lerp_(gradient * gradient, 1 - group["decay"])
        scaled = gradient.div_(state["square"].add(group["eps"]).sqrt_())
        weight.sub_(state["velocity"].mul_(group["momentum"]).add_(scaled, alpha=group["lr"]))


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """The optimiser of a recipe; weight decay is on matrices and filters, never on norms and biases."""
    groups = _groups(model, recipe)
    match recipe.optimizer:
        case "sgd":
            return SGD(groups, recipe.lr, recipe.momentum, nesterov=recipe.nesterov and recipe.momentum > 0)
        case "adam":
            return Adam(groups, recipe.lr, recipe.betas, recipe.eps)
        case "adamw":
            return AdamW(groups, recipe.lr, recipe.betas, recipe.eps)
        case "nadam":
            return NAdam(groups, recipe.lr, recipe.betas, recipe.eps)
        case "rmsprop_tf":
            return RMSPropTF(groups, recipe.lr, momentum=recipe.momentum, eps=recipe.eps)


def _groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Filters and matrices with weight decay, norms and biases without; the head apart where its rate is another."""
    heads = _head_parameters(model) if recipe.head_lr != 1 else set[int]()
    groups: list[dict[str, Any]] = []
    for factor, decay in ((1.0, True), (1.0, False), (recipe.head_lr, True), (recipe.head_lr, False)):
        members = [
            p for p in model.parameters()
            if p.requires_grad and (p.ndim > 1) == decay and (id(p) in heads) == (len(groups) >= 2)
        ]  # fmt: skip
        groups.append({"params": members, "weight_decay": recipe.weight_decay if decay else 0.0, "factor": factor})
    return [group for group in groups if group["params"]]


def _head_parameters(model: nn.Module) -> set[int]:
    spec: Network = model.spec  # type: ignore[assignment]
    names = [name for name, _ in spec.head.children] + [aux.name for aux in spec.aux]
    return {id(p) for name in names for p in model.get_submodule(name).parameters()}


def lr_factor(recipe: Recipe, step: int, steps: int) -> float:
    """What the learning rate of step `step` (from 0) of `steps` is multiplied by."""
    rise = round(recipe.warmup * steps)
    if step < rise:
        return 0.05 + 0.95 * step / rise
    done = (step - rise) / max(1, steps - rise)
    epochs = step / steps * recipe.epochs
    match recipe.schedule:
        case "constant":
            return 1.0
        case "cosine":
            return 0.5 * (1 + cos(pi * done))
        case "one_cycle":
            return 1 - done
        case "step":
            return recipe.gamma ** floor(epochs / recipe.every)
        case "exponential":
            return recipe.gamma ** (epochs / recipe.every)
