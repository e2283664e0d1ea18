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

Optimizer = Literal["sgd", "adam", "adamw", "nadam", "rmsprop_tf", "muon"]
Schedule = Literal["constant", "step", "exponential", "cosine", "one_cycle"]
_LATER = (
    "nesterov", "betas", "class_weights", "rest_lr", "rest_momentum", "unit_filters", "norm_lr", "decay", "lr_start",
    "lr_end", "logit_scale", "whiten", "whiten_epochs", "lookahead", "lookahead_decay", "shift_tta",
)  # fmt: skip
_LATER_CHANGES = ("alternate",)
"""Fields that the first recipes had not, and those of `augment`: at their defaults they say nothing new, and name no
other run.
"""
_MOMENTUM, _ADAM, _SGD = ("sgd", "rmsprop_tf", "muon"), ("adam", "adamw", "nadam"), ("sgd", "muon")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. The defaults are the recipe for small coloured images.

    Raises `ConfigError` for a value of a wrong type or out of its range, and for one that differs from its default and
    is not read by the optimiser, the schedule or whatever else was chosen.
    """

    epochs: Count = 20
    """Passes over the training images."""
    batch_size: Count = 128
    """Images per step; with `accumulate`, images per forward pass."""
    accumulate: Count = 1
    """Forward passes whose gradients make one step."""
    init: InitScheme = "kaiming"
    """Scheme of the initial weights; `inceptionlab.nn.initialise` says what each is."""
    optimizer: Optimizer = "sgd"
    """"sgd", "adam", "adamw" (decoupled weight decay), "nadam", "rmsprop_tf" (eps inside the root), or "muon": filters
    by orthogonalised momentum, all else by sgd (Jordan et al. 2024)."""
    lr: Annotated[float, msgspec.Meta(gt=0)] = 0.05
    """The highest learning rate."""
    momentum: Share = 0.9
    """Momentum of sgd, rmsprop_tf and muon; 0: none, as torch's SGD has by itself."""
    nesterov: bool = True
    """Nesterov's momentum in sgd and muon; false: the classical one."""
    rest_lr: Above0 = 0.05
    """With muon, the highest learning rate of what it leaves to sgd: biases, norms, depthwise filters, the head."""
    rest_momentum: Share = 0.85
    """With muon, the momentum of what it leaves to sgd."""
    unit_filters: bool = False
    """With muon, scale each filter bank to the norm sqrt(out) before a step, which changes nothing where a norm comes
    behind it, and needs no weight decay (airbench94_muon, 2024)."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Decays of the means of the gradient and of its square in adam, adamw and nadam."""
    eps: From0 = 1e-8
    """eps of adam, adamw and nadam, and of rmsprop_tf (the papers: 1.0)."""
    weight_decay: From0 = 5e-4
    """L2 (decoupled for adamw, and for muon on filters) on what `decay` says."""
    decay: Literal["weights", "all"] = "weights"
    """"weights": norms and biases have no weight decay, and factors of the learning rate are factors of it; "all":
    everything loses the same share in a step, lr * weight_decay, whatever its factor (Jordan 2024, 3.4)."""
    schedule: Schedule = "one_cycle"
    """How the learning rate moves after the warm-up."""
    warmup: Share = 0.2
    """Part of the steps in which the learning rate rises linearly from `lr_start`."""
    lr_start: Share = 0.05
    """Part of the learning rate that the warm-up begins at (Jordan 2024: 0.2)."""
    lr_end: Share = 0.0
    """Part of the learning rate that "one_cycle" and "cosine" end at (Jordan 2024: 0.07)."""
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
    lookahead: Natural = 0
    """Steps after which the weights go back to their moving average, which is what is tested (Zhang et al. 2019, as
    Jordan 2024, 3.4, has it: every 5 steps); 0: never."""
    lookahead_decay: Share = 0.95
    """Decay of that average for a step at the end of training; before, it counts by the cube of the part of the steps
    that is done."""
    whiten: bool = False
    """Fix the filters of the first convolution to the directions in which patches of the training images vary (Jordan
    2024, 3.2); given weights keep theirs. The rule `whitened` puts such a convolution before a network."""
    whiten_epochs: From0 = 3.0
    """Epochs in which the bias of that convolution is trained."""
    freeze: str = ""
    """Nodes whose weights stay as they are: "backbone" (all but the head), "early" (the first half) or a pattern."""
    freeze_bn: Literal["none", "frozen", "all"] = "none"
    """Batch norms that keep their stored statistics: none, those of frozen nodes, or all."""
    head_lr: From0 = 1.0
    """Factor of the learning rate in the head, for a new classifier on trained features."""
    norm_lr: From0 = 1.0
    """Factor of the learning rate of the biases of norms (Jordan 2024, 3.4: 64 with sgd)."""
    logit_scale: Above0 = 1.0
    """What the logits are multiplied by (Jordan 2024: 1/9), with sgd and muon: the last layers begin so much smaller
    and learn by its square, which for sgd is the same and leaves the network plain."""
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
    shift_tta: bool = False
    """Validate and test on the mean of that and of the image moved by a pixel up and left, and down and right: six
    views with `flip_tta` (Jordan 2024, 3.5)."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the forward and backward pass; "auto" is bf16 where the device has it."""
    augment: Augment = field(default_factory=Augment)
    """Random changes of training images."""

    def __post_init__(self) -> None:
        validate(self)
        refuse_unread(self, _unread({entry.name: getattr(self, entry.name) for entry in fields(self)}))


_READERS = {
    "momentum": _MOMENTUM, "nesterov": _SGD, "betas": _ADAM, "eps": (*_ADAM, "rmsprop_tf"), "logit_scale": _SGD,
    "rest_lr": ("muon",), "rest_momentum": ("muon",), "unit_filters": ("muon",),
}  # fmt: skip
"""The optimisers that read a field."""


def _unread(values: Mapping[str, Any]) -> dict[str, str]:
    """The fields that these values of the others leave without a meaning, and why."""
    reasons: dict[str, str] = {}
    for name, having in _READERS.items():
        if values["optimizer"] not in having:
            reasons[name] = f'optimizer = "{values["optimizer"]}" has none; {_quoted(having)}'
    if values["schedule"] not in ("step", "exponential"):
        why = f'schedule = "{values["schedule"]}" does not go down by a factor; "step" and "exponential" do'
        reasons.update(gamma=why, every=why)
    if values["schedule"] not in ("one_cycle", "cosine"):
        reasons["lr_end"] = f'schedule = "{values["schedule"]}" ends where it does; "one_cycle" and "cosine" have it'
    if not values["warmup"]:
        reasons["lr_start"] = "it is where the warm-up begins, and warmup is 0"
    if values["ema"]:
        reasons["lookahead"] = "ema averages the weights already; one of the two"
    if not values["lookahead"]:
        reasons["lookahead_decay"] = "it is that of lookahead, which is 0"
    if not values["whiten"]:
        reasons["whiten_epochs"] = "it is for the bias of a whitened convolution, and whiten is false"
    if not values["low_size"]:
        reasons["low_share"] = "it is the part of the steps on images of low_size, which is 0"
    if values["freeze_bn"] == "frozen" and not values["freeze"]:
        reasons["freeze_bn"] = "it keeps those of frozen nodes, and freeze names none"
    return reasons


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
    return _without(Recipe, _LATER, asdict(recipe)) | {
        "augment": _without(Augment, _LATER_CHANGES, asdict(recipe.augment))
    }


def _without(kind: type[Any], names: tuple[str, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without those of some fields that are at their defaults."""
    later = {entry.name: entry.default for entry in fields(kind) if entry.name in names}
    return {name: value for name, value in values.items() if name not in later or value != later[name]}


def flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of tables with dotted names."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        inner = flat(cast(Mapping[str, Any], value)) if isinstance(value, Mapping) else None
        found |= {name: value} if inner is None else {f"{name}.{key}": item for key, item in inner.items()}
    return found


def _folder() -> Any:
    return files("inceptionlab.training") / "recipes"
