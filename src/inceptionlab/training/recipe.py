"""Recipes: everything that training depends on, as one frozen value that fits a screen of TOML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec

from inceptionlab.data.batches import Augment, unread_changes
from inceptionlab.decoding import (
    Above0,
    Count,
    From0,
    Natural,
    Share,
    decode,
    loads_toml,
    parse_setting,
    refuse_unread,
    validate,
)
from inceptionlab.errors import ConfigError, nearest
from inceptionlab.nn.initialise import InitScheme

Optimizer = Literal["sgd", "adam", "adamw", "nadam", "rmsprop_tf"]
Schedule = Literal["constant", "step", "exponential", "cosine", "one_cycle"]
_LATER = ("nesterov", "betas", "class_weights", "head")
"""Fields that the first recipes had not: at their defaults they say nothing new, and name no other run."""
PROBED = {"epochs", "head", "init", "class_weights", "validation", "flip_tta", "precision"}
"""Fields that are read where nothing but the head is fitted."""
_MOMENTUM, _ADAM = ("sgd", "rmsprop_tf"), ("adam", "adamw", "nadam")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. The defaults are the recipe for small coloured images.

    Raises `ConfigError` for a value of a wrong type or out of its range, and for one that differs from its default and
    is not read by the optimiser, the schedule or whatever else was chosen.
    """

    epochs: Natural = 20
    """Passes over the training images; 0: the head alone is fitted, by head = "probe"."""
    batch_size: Count = 128
    """Images per step; with `accumulate`, images per forward pass."""
    accumulate: Count = 1
    """Forward passes whose gradients make one step."""
    init: InitScheme = "kaiming"
    """Scheme of the initial weights; `inceptionlab.nn.initialise` says what each is."""
    head: Literal["given", "probe"] = "given"
    """How the head begins: "given" by the weights or, for other classes, by `init`; "probe": as the logistic regression
    on the features of the training images, from which training goes on."""
    optimizer: Optimizer = "sgd"
    """"sgd", "adam", "adamw" (decoupled weight decay), "nadam", or "rmsprop_tf" (eps inside the root)."""
    lr: Annotated[float, msgspec.Meta(gt=0)] = 0.05
    """The highest learning rate."""
    momentum: Share = 0.9
    """Momentum of sgd and rmsprop_tf; 0: none, as torch's SGD has by itself."""
    nesterov: bool = True
    """Nesterov's momentum in sgd; false: the classical one."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Decays of the means of the gradient and of its square in adam, adamw and nadam."""
    eps: From0 = 1e-8
    """eps of adam, adamw and nadam, and of rmsprop_tf (the papers: 1.0)."""
    weight_decay: From0 = 5e-4
    """L2 (decoupled for adamw) on weights; norms and biases have none."""
    schedule: Schedule = "one_cycle"
    """How the learning rate moves after the warm-up."""
    warmup: Share = 0.2
    """Part of the steps in which the learning rate rises linearly from a twentieth."""
    gamma: Above0 = 0.1
    """Factor of "step" and "exponential"."""
    every: Above0 = 30.0
    """Epochs between two factors of "step" and "exponential"."""
    label_smoothing: Share = 0.0
    """Share of the target spread over all classes."""
    class_weights: Literal["none", "balanced"] = "none"
    """"balanced": in the loss of training an image counts n / (k n_c), of n images in k classes and n_c in its own, as
    if rare classes were drawn as often as frequent ones."""
    max_grad_norm: From0 = 0.0
    """Largest norm of the gradient; 0: not clipped."""
    ema: Share = 0.0
    """Decay of the moving average of the weights, which is then what is tested; 0: none."""
    freeze: str = ""
    """Nodes whose weights stay as they are: "backbone" (all but the head), "early" (the first half) or a pattern."""
    freeze_bn: Literal["none", "frozen", "all"] = "none"
    """Batch norms that keep their stored statistics: none, those of frozen nodes, or all."""
    head_lr: From0 = 1.0
    """Factor of the learning rate in the head, for a new classifier on trained features."""
    sync_norm: bool = False
    """Batch norm over the images of all processes (GPUs only) instead of each one's own."""
    patience: Natural = 0
    """Stop after so many epochs without a better validation accuracy; 0: never."""
    select: Literal["best", "last"] = "best"
    """The weights that are kept and tested: of the best validation accuracy, or of the last epoch."""
    validation: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.1
    """Part of the training images that is split off for validation, by the seed."""
    low_size: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    """Side to which images are shrunk in the first part of training, where that is cheap; 0: never."""
    low_share: Share = 0.5
    """Part of the steps that train on shrunk images."""
    flip_tta: bool = False
    """Validate and test on the mean of the logits of an image and of its mirror image."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the forward and backward pass; "auto" is bf16 where the device has it."""
    augment: Augment = field(default_factory=Augment)
    """Random changes of training images."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.epochs and self.head != "probe":
            raise ConfigError('epochs = 0 trains nothing; head = "probe" fits the head alone, 1 epoch or more trains')
        refuse_unread(self, _unread({entry.name: getattr(self, entry.name) for entry in fields(self)}))


def _unread(values: Mapping[str, Any]) -> dict[str, str]:
    """The fields that these values of the others leave without a meaning, and why."""
    if not values["epochs"]:
        why = "epochs = 0 takes no step; the head is fitted at once"
        usual = {"augment"} if values["augment"] == Augment() else set[str]()
        return dict.fromkeys(values.keys() - PROBED - usual, why)
    reasons: dict[str, str] = {}
    readers = {"momentum": _MOMENTUM, "nesterov": ("sgd",), "betas": _ADAM, "eps": (*_ADAM, "rmsprop_tf")}
    for name, having in readers.items():
        if values["optimizer"] not in having:
            reasons[name] = f'optimizer = "{values["optimizer"]}" has none; {_quoted(having)}'
    if values["schedule"] not in ("step", "exponential"):
        why = f'schedule = "{values["schedule"]}" does not go down by a factor; "step" and "exponential" do'
        reasons.update(gamma=why, every=why)
    if not values["low_size"]:
        reasons["low_share"] = "it is the part of the steps on images of low_size, which is 0"
    if values["freeze_bn"] == "frozen" and not values["freeze"]:
        reasons["freeze_bn"] = "it keeps those of frozen nodes, and freeze names none"
    return reasons


def is_probe(recipe: Recipe) -> bool:
    """Whether nothing but the head is fitted, without a step of training."""
    return not recipe.epochs


def _quoted(names: tuple[str, ...]) -> str:
    """Names in a sentence, with what they do: have."""
    *start, last = (f'"{name}"' for name in names)
    return f"{', '.join(start)} and {last} have" if start else f"{last} has"


def recipe_names() -> list[str]:
    """The names of the recipes that are shipped."""
    return sorted(p.name.removesuffix(".toml") for p in _folder().iterdir() if p.name.endswith(".toml"))


def recipe(name: str | None = None, settings: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe by name or from a TOML file (None: the defaults) with other settings: `recipe("small", {"epochs": 3,
    "augment.flip": False})`.

    Raises `ConfigError` for unknown names and fields, and for values that do not fit.
    """
    return override(load_recipe(name) if name else Recipe(), settings or {})


def load_recipe(name: str) -> Recipe:
    """A shipped recipe by name, or one from a TOML file. Raises `ConfigError` for unknown names and fields."""
    path = recipe_file(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the recipe {name} cannot be read as UTF-8 text: {error}") from None
    return recipe_from(loads_toml(text, f"the recipe {name}"), where=f"the recipe {name}")


def recipe_file(name: str) -> Path:
    """The file of a recipe, shipped or not. Raises `ConfigError` where there is none."""
    path = Path(name)
    if name in recipe_names():
        return Path(str(_folder() / f"{name}.toml"))
    if path.suffix != ".toml" or not path.is_file():
        raise ConfigError(f"there is no recipe {name!r}, and a file ends in .toml; {nearest(name, recipe_names())}")
    return path


def recipe_from(values: Mapping[str, Any], base: Recipe | None = None, where: str = "a recipe") -> Recipe:
    """`base` (default: the defaults) with the values of a table; `augment` is a table of its own.

    Where a value leaves another of `base` without a meaning, as a new optimiser may, that one goes back to its default.
    Raises `ConfigError`, beginning with `where`, for what is unknown or does not fit.
    """
    table = _merged(base or Recipe(), values, _unread)
    if isinstance(values.get("augment"), Mapping):
        changes = cast(Mapping[str, Any], values["augment"])
        table["augment"] = _merged((base or Recipe()).augment, changes, unread_changes)
    return decode(Recipe, table, where)


def _merged(
    base: Recipe | Augment, changes: Mapping[str, Any], unread: Callable[[Mapping[str, Any]], dict[str, str]]
) -> dict[str, Any]:
    """The fields of `base` with the changes; those that then have no meaning are left out."""
    table = {**{entry.name: getattr(base, entry.name) for entry in fields(base)}, **changes}
    return {name: value for name, value in table.items() if name in changes or name not in unread(table)}


def override(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with `name=value` settings, whose names reach into tables ("augment.flip"); texts are values of TOML,
    as the command line has them ("false", "0.9").
    """
    changes: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for name, given in settings.items():
        value = parse_setting(given) if isinstance(given, str) else given
        outer, dot, rest = name.partition(".")
        if dot and outer == "augment":
            inner[rest] = value
        elif name == "augment" and isinstance(value, Mapping):
            inner.update(cast(Mapping[str, Any], value))
        else:
            changes[name] = value
    return recipe_from({**changes, **({"augment": inner} if inner else {})}, recipe)


def as_table(recipe: Recipe) -> dict[str, Any]:
    """The recipe as TOML values."""
    return asdict(recipe)


def defining(recipe: Recipe) -> dict[str, Any]:
    """The recipe's values as the names of runs have them: fields that came later are left out at their defaults, so
    that a run of before keeps its name.
    """
    later = {entry.name: entry.default for entry in fields(Recipe) if entry.name in _LATER}
    return {name: value for name, value in asdict(recipe).items() if name not in later or value != later[name]}


def flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of tables with dotted names."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        inner = flat(cast(Mapping[str, Any], value)) if isinstance(value, Mapping) else None
        found |= {name: value} if inner is None else {f"{name}.{key}": item for key, item in inner.items()}
    return found


def _folder() -> Any:
    return files("inceptionlab.training") / "recipes"
