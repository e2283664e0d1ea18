"""Optimisers of the papers and of today, and learning rates over the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import cos, floor, inf, pi
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer

from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.nn.checkpointing import BATCH_NORMS
from inceptionlab.nn.initialise import classifiers
from inceptionlab.spec.network import Network
from inceptionlab.training.muon import Muon
from inceptionlab.training.recipe import Recipe
from inceptionlab.training.weights_apart import WeightsApart
from inceptionlab.training.whitening import whitened_conv

MUON_STEPS = 3
"""Steps of the Newton-Schulz iteration, as airbench94_muon has them."""


class RMSPropTF(WeightsApart):
    """RMSProp as TensorFlow has it, which the papers of v3, v4 and Inception-ResNet used: eps is inside the root,
    the mean square starts at 1, and momentum gathers steps that already hold the learning rate.

    s <- decay s + (1 - decay) g²;  m <- momentum m + lr g / sqrt(s + eps);  w <- w - m
    """

    def __init__(
        self, params: Iterable[Any], lr: float, decay: float = 0.9, momentum: float = 0.9, eps: float = 1.0
    ) -> None:
        super().__init__(params, {"lr": lr, "decay": decay, "momentum": momentum, "eps": eps, "weight_decay": 0.0})

    def move(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Move a weight by its momentum."""
        gradient = gradient.add(weight, alpha=group["weight_decay"])
        state = self.state[weight]
        if not state:
            state["square"], state["velocity"] = torch.ones_like(weight), torch.zeros_like(weight)
        state["square"].lerp_(gradient * gradient, 1 - group["decay"])
        scaled = gradient.div_(state["square"].add(group["eps"]).sqrt_())
        weight.sub_(state["velocity"].mul_(group["momentum"]).add_(scaled, alpha=group["lr"]))


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """The optimiser of a recipe, with a group of parameters for each kind that has a rate or a decay of its own."""
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
        case "muon":
            return Muon(groups, recipe.lr, recipe.momentum, recipe.nesterov, MUON_STEPS)


class _Kind(NamedTuple):
    """What a parameter is, as far as its learning rate depends on it; groups stand in the order of these values.

    `plain`: not one of muon's; `matrices`: how many matrices it is, for muon; `whitened`: the bias of the whitened
    convolution; `norm`: the bias of a norm; `vector`: a bias, or a parameter of a norm.
    """

    plain: bool
    matrices: int
    whitened: bool
    classifier: bool
    head: bool
    norm: bool
    vector: bool


def _groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """The parameters that are trained, by their kinds, each kind with its decay and its factor of the rate."""
    kinds, groups = _kinds(model, recipe), dict[_Kind, list[Tensor]]()
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups.setdefault(kinds(parameter), []).append(parameter)
    return [{"params": groups[kind], **_settings(kind, recipe)} for kind in sorted(groups)]


def _kinds(model: nn.Module, recipe: Recipe) -> Callable[[Tensor], _Kind]:
    """What tells the kind of a parameter; a difference that the recipe does not make is not told."""
    muon = recipe.optimizer == "muon"
    heads = _head_parameters(model) if recipe.head_lr != 1 or muon else set[int]()
    matrices = {name: count for name, count in _matrices(model).items() if name not in heads} if muon else {}
    norms = _norm_biases(model) if recipe.norm_lr != 1 else set[int]()
    last = {id(p) for one in classifiers(model) for p in one.parameters()} if recipe.logit_scale != 1 else set[int]()
    bias = id(whitened_conv(cast(InceptionNetwork, model)).bias) if recipe.whiten else None

    def kind(parameter: Tensor) -> _Kind:
        name, head = id(parameter), id(parameter) in heads and recipe.head_lr != 1
        count = matrices.get(name, 0)
        return _Kind(muon and not count, count, name == bias, name in last, head, name in norms, parameter.ndim <= 1)

    return kind


def _settings(kind: _Kind, recipe: Recipe) -> dict[str, Any]:
    """The settings of the group of a kind: `factor` is what the recipe's rate is multiplied by."""
    square = recipe.logit_scale**2 if kind.classifier else 1.0
    factor = square * (recipe.head_lr if kind.head else 1.0) * (recipe.norm_lr if kind.norm else 1.0)
    factor *= recipe.rest_lr / recipe.lr if kind.plain else 1.0
    decay = recipe.weight_decay / square
    if recipe.decay == "all":
        decay = recipe.weight_decay / factor if factor else 0.0
    elif kind.vector:
        decay = 0.0
    found: dict[str, Any] = {"weight_decay": decay, "factor": factor}
    if kind.whitened:
        found["epochs"] = recipe.whiten_epochs
    if kind.plain:
        found |= {"matrices": 0, "momentum": recipe.rest_momentum}
    elif kind.matrices:
        found |= {"matrices": kind.matrices, "unit_filters": recipe.unit_filters}
        found["weight_decay"] = 0.0 if recipe.unit_filters else decay
    return found


def _matrices(model: nn.Module) -> dict[int, int]:
    """The weights that muon turns, and of how many matrices each consists: linear layers, and convolutions by their
    groups. Not depthwise filters, which see one channel each, nor gates of a single row.
    """
    found: dict[int, int] = {}
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
            rows, inputs = len(layer.weight) // groups, layer.weight.shape[1]
            if rows > 1 and (inputs > 1 or groups == 1):
                found[id(layer.weight)] = groups
    return found


def _norm_biases(model: nn.Module) -> set[int]:
    norms = (layer for layer in model.modules() if isinstance(layer, (*BATCH_NORMS, nn.GroupNorm, nn.LayerNorm)))
    return {id(bias) for norm in norms if (bias := cast(Tensor | None, norm.bias)) is not None}


def _head_parameters(model: nn.Module) -> set[int]:
    spec: Network | None = getattr(model, "spec", None)
    names = [name for name, _ in spec.head.children] + [aux.name for aux in spec.aux] if spec else []
    return {id(p) for name in names for p in model.get_submodule(name).parameters()}


def set_rates(optimizer: Optimizer, recipe: Recipe, step: int, steps: int) -> None:
    """Give every group its learning rate for step `step` (from 0) of `steps`; 0 behind its last epoch."""
    factor, epochs = lr_factor(recipe, step, steps), step / steps * recipe.epochs
    for group in optimizer.param_groups:
        group["lr"] = recipe.lr * factor * group["factor"] if epochs < group.get("epochs", inf) else 0.0


def lr_factor(recipe: Recipe, step: int, steps: int) -> float:
    """What the learning rate of step `step` (from 0) of `steps` is multiplied by."""
    rise = round(recipe.warmup * steps)
    if step < rise:
        return recipe.lr_start + (1 - recipe.lr_start) * step / rise
    done = (step - rise) / max(1, steps - rise)
    epochs = step / steps * recipe.epochs
    match recipe.schedule:
        case "constant":
            return 1.0
        case "cosine":
            return recipe.lr_end + (1 - recipe.lr_end) * 0.5 * (1 + cos(pi * done))
        case "one_cycle":
            return 1 - (1 - recipe.lr_end) * done
        case "step":
            return recipe.gamma ** floor(epochs / recipe.every)
        case "exponential":
            return recipe.gamma ** (epochs / recipe.every)
