"""Recipes: everything that training depends on, as one frozen value that fits a screen of TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from inceptionlab.data.batches import Augment
from inceptionlab.errors import SpecError, nearest

Optimizer = Literal["sgd", "adamw", "rmsprop_tf"]
Schedule = Literal["constant", "step", "exponential", "cosine", "one_cycle"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. The defaults are the recipe for small coloured pictures."""

    epochs: int = 20
    """Passes over the training pictures."""
    batch_size: int = 128
    """Pictures a step; with `accumulate`, pictures a forward pass."""
    accumulate: int = 1
    """Forward passes whose gradients make one step."""
    optimizer: Optimizer = "sgd"
    """"sgd" (Nesterov), "adamw", or "rmsprop_tf" (eps inside the root)."""
    lr: float = 0.05
    """The highest learning rate."""
    momentum: float = 0.9
    """Momentum of sgd and rmsprop_tf."""
    eps: float = 1e-8
    """eps of adamw and rmsprop_tf (the papers: 1.0)."""
    weight_decay: float = 5e-4
    """L2 (decoupled for adamw) on weights; norms and biases have none."""
    schedule: Schedule = "one_cycle"
    """How the learning rate moves after the warm-up."""
    warmup: float = 0.2
    """Part of the steps in which the learning rate rises linearly from a twentieth."""
    gamma: float = 0.1
    """Factor of "step" and "exponential"."""
    every: float = 30.0
    """Epochs between two factors of "step" and "exponential"."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes."""
    clip: float = 0.0
    """Largest norm of the gradient; 0: not clipped."""
    ema: float = 0.0
    """Decay of the moving average of the weights, which is then what is tested; 0: none."""
    freeze: str = ""
    """Nodes whose weights stay as they are: "trunk" (all but the head), "early" (the first half) or a pattern."""
    statistics: Literal["train", "frozen", "all"] = "train"
    """Batch norms that keep their stored statistics: none, those of frozen nodes, or all."""
    head_lr: float = 1.0
    """Factor of the learning rate in the head, for a new classifier on trained features."""
    sync_norm: bool = False
    """Batch norm over the pictures of all processes (GPUs only) instead of each one's own."""
    patience: int = 0
    """Stop after so many epochs without a better validation accuracy; 0: never."""
    select: Literal["best", "last"] = "best"
    """The weights that are kept and tested: of the best validation accuracy, or of the last epoch."""
    validation: float = 0.1
    """Part of the training pictures that is split off for validation, by the seed."""
    low_size: int = 0
    """Side to which pictures are shrunk in the first part of training, where that is cheap; 0: never."""
    low_share: float = 0.5
    """Part of the steps that train on shrunk pictures."""
    mirror: bool = False
    """Validate and test on the mean of the logits of a picture and of its mirror image."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the forward and backward pass; "auto" is bf16 where the device has it."""
    augment: Augment = field(default_factory=Augment)
    """Random changes of training pictures."""

    def __post_init__(self) -> None:
        _check(self)


def _check(recipe: Recipe) -> None:
    hints = get_type_hints(Recipe)
    for entry in fields(recipe):
        known = get_args(hints[entry.name])
        value = getattr(recipe, entry.name)
        if known and value not in known:
            raise SpecError(f"{entry.name} = {value!r}: {nearest(str(value), known)}")
    for name in ("epochs", "batch_size", "accumulate"):
        if getattr(recipe, name) < 1:
            raise SpecError(f"{name} = {getattr(recipe, name)}: give at least 1")
    for name in ("warmup", "ema", "label_smoothing", "validation", "low_share"):
        if not 0 <= getattr(recipe, name) < 1:
            raise SpecError(f"{name} = {getattr(recipe, name)}: give a number from 0 to below 1")
    if recipe.lr <= 0 or recipe.validation == 0:
        raise SpecError(f"lr = {recipe.lr}, validation = {recipe.validation}: both must be above 0")


def recipe_names() -> list[str]:
    """The names of the recipes that are shipped."""
    return sorted(p.name.removesuffix(".toml") for p in _folder().iterdir() if p.name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """A shipped recipe by name, or one from a TOML file. Raises `SpecError` for unknown names and fields."""
    path = Path(name)
    if name in recipe_names():
        text = (_folder() / f"{name}.toml").read_text(encoding="utf-8")
    elif path.suffix == ".toml" and path.is_file():
        text = path.read_text(encoding="utf-8")
    else:
        raise SpecError(f"there is no recipe {name!r}; {nearest(name, recipe_names())}, or give a .toml file")
    try:
        return recipe_from(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"the recipe {name} is not TOML: {error}") from None


def recipe_from(values: Mapping[str, Any], base: Recipe | None = None) -> Recipe:
    """`base` (default: the defaults) with the values of a table; `augment` is a table of its own."""
    base = base or Recipe()
    changes = dict(values)
    _known(changes, Recipe)
    if "augment" in changes:
        _known(changes["augment"], Augment)
        changes["augment"] = replace(base.augment, **changes["augment"])
    try:
        return replace(base, **changes)
    except TypeError as error:
        raise SpecError(f"the recipe cannot be used: {error}") from None


def override(recipe: Recipe, settings: Mapping[str, str]) -> Recipe:
    """The recipe with `name=value` settings from the command line; values are TOML ("augment.flip=false")."""
    for name, text in settings.items():
        try:
            value: Any = tomllib.loads(f"x = {text}")["x"]
        except tomllib.TOMLDecodeError:
            value = text
        outer, _, inner = name.partition(".")
        recipe = recipe_from({outer: {inner: value}} if inner else {name: value}, recipe)
    return recipe


def as_table(recipe: Recipe) -> dict[str, Any]:
    """The recipe as TOML values."""
    return asdict(recipe)


def _known(values: Mapping[str, Any], kind: type) -> None:
    names = [entry.name for entry in fields(kind)]
    for name in values:
        if name not in names:
            raise SpecError(f"a recipe has no field {name!r}; {nearest(name, names)}")


def _folder() -> Any:
    return files("inceptionlab.training") / "recipes"
