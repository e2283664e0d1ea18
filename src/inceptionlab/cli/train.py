"""`inceptionlab train`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from inceptionlab.errors import ConfigError
from inceptionlab.runs.options import Choices, Machine

if TYPE_CHECKING:
    from inceptionlab.data.dataset import DataSet
    from inceptionlab.runs.setup import Setup
    from inceptionlab.training.recipe import Recipe


@dataclass(frozen=True)
class Changes:
    """Fields of the recipe."""

    epochs: int | None = None
    """Passes over the training images (default: the recipe's)."""
    batch_size: int | None = None
    """Images per step (default: the recipe's)."""
    lr: float | None = None
    """The highest learning rate (default: the recipe's)."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = None
    """Arithmetic; "auto" is bf16 where the device is faster in it."""
    set_: Annotated[tuple[str, ...], Parameter(name="--set")] = ()
    """Any field of the recipe, as NAME=VALUE ("ema=0.99", "augment.flip=false"); may be repeated."""


def train(
    *, model: str | None = None, data: str | None = None, recipe: str | None = None, out: Path | None = None,
    resume: Path | None = None, changes: Annotated[Changes | None, Parameter(name="*")] = None,
    choices: Annotated[Choices | None, Parameter(name="*")] = None,
    machine: Annotated[Machine | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Train a network, test it once, and write a run folder with weights, curves and a report.

    Validation is split from the training images by the seed and selects the weights; the test set is read once, at
    the end. The last line printed is the run folder. A run that was stopped goes on with --resume.

    Parameters
    ----------
    model
        A network of the zoo, with or without rules.
    data
        digits, cifar10, cifar100, fashion_mnist, mnist, a folder of images with a folder per class,
        hf:NAME, or stream:NAME to read a set of the hub without keeping it.
    recipe
        A recipe by name or a TOML file (default: the one for the data).
    out
        The run folder (default: runs/NAME-HASH).
    resume
        A run folder to go on with; the model, the data and the recipe are taken from it.
    changes
        Fields of the recipe.
    choices
        How the network is fitted to the data.
    machine
        Where the run is computed.
    """
    from inceptionlab.runs.configuring import configure
    from inceptionlab.runs.folder import RunFolder

    where = machine or Machine()
    if resume is not None:
        _go(RunFolder(resume).setup(), resume, where, None)
        return
    if model is None or data is None:
        raise ConfigError("train needs --model and --data, or --resume RUN; inceptionlab list shows the models")
    how = _recipe(recipe, data, changes or Changes())
    setup, loaded = configure(model, data, how, choices, where.data_dir)
    _go(setup, out or Path("runs") / setup.key, where, loaded)


def _recipe(name: str | None, data: str, changes: Changes) -> Recipe:
    from inceptionlab.data.registry import default_recipe
    from inceptionlab.training.recipe import load_recipe, override, recipe_from

    names = ("epochs", "batch_size", "lr", "precision")
    given = {name: getattr(changes, name) for name in names if getattr(changes, name) is not None}
    settings: dict[str, str] = {}
    for text in changes.set_:
        field, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text!r}: write NAME=VALUE, such as --set ema=0.99")
        settings[field.strip()] = value.strip()
    return override(recipe_from(given, load_recipe(name or default_recipe(data))), settings)


def _go(setup: Setup, folder: Path, machine: Machine, data: DataSet | None) -> None:
    from inceptionlab.cli.progress import first_process, progress_bar
    from inceptionlab.cli.stopping import StopSignal
    from inceptionlab.runs.testing import train

    with StopSignal() as stop, progress_bar(setup, stop) as callbacks:
        score = train(setup, folder, machine, callbacks, data)
    if score is None:
        print(f"stopped; go on with: inceptionlab train --resume {folder}", file=sys.stderr)
        raise KeyboardInterrupt
    if first_process():
        print(score)
        print(f"report: {folder / 'report.html'}")
        print(folder)
