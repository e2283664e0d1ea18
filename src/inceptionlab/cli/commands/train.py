"""`inceptionlab train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from inceptionlab.cli.variant import ShortChanges
from inceptionlab.errors import ConfigError
from inceptionlab.runs.options import Changes, Choices, Machine

if TYPE_CHECKING:
    from inceptionlab.spec.network import Network


_RESUMED = (
    "goes on with {run} as it began; a run that has ended is trained on with: inceptionlab train --continue {run} "
    "--epochs N"
)


@dataclass(frozen=True, slots=True)
class Existing:
    """A run to go on with."""

    resume: Path | None = None
    """A run folder that was stopped, to go on with; the model, the data and the recipe are taken from it."""
    continue_: Path | None = None
    """A finished run folder to train on from, for --epochs more: a new run with its weights, data and split."""


def train(
    model: Annotated[str | None, Parameter(alias="-m")] = None,
    data: Annotated[str | None, Parameter(alias="-d")] = None, *,
    recipe: Annotated[str | None, Parameter(alias="-r")] = None,
    out: Annotated[Path | None, Parameter(alias="-o")] = None,
    existing: Annotated[Existing | None, Parameter(name="*")] = None,
    changes: Annotated[ShortChanges | None, Parameter(name="*")] = None,
    choices: Annotated[Choices | None, Parameter(name="*")] = None,
    machine: Annotated[Machine | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Train a network, test it once, and write a run folder with weights, curves and a report.

    Validation is split from the training images by the seed and selects the weights; the test set is read once, at
    the end. The last line printed is the run folder. A run that was stopped goes on with --resume, one that has
    ended with --continue.

    Parameters
    ----------
    model
        A network: of the zoo, FILE.py:FUNCTION, FILE.json or a run folder, with or without rules.
    data
        digits, cifar10, cifar100, fashion_mnist, mnist, a folder of images with a folder per class,
        hf:NAME, or stream:NAME to read a set of the hub without keeping it.
    recipe
        A recipe by name or a TOML file (default: the one for the data).
    out
        The run folder (default: runs/NAME-HASH).
    existing
        A run to go on with.
    changes
        Fields of the recipe.
    choices
        How the network is fitted to the data.
    machine
        Where the run is computed.
    """
    from inceptionlab.cli.training import given_options, refuse_beside, say, train_and_show
    from inceptionlab.data.registry import default_recipe
    from inceptionlab.runs.beginning import changed, continued
    from inceptionlab.runs.configuring import configure
    from inceptionlab.runs.folder import RunFolder
    from inceptionlab.training.recipe import load_recipe

    begun, how, fit, where = existing or Existing(), changes or Changes(), choices or Choices(), machine or Machine()
    if begun.resume is not None:
        given = given_options(begun, how, fit, model=model, data=data, recipe=recipe, out=out)
        refuse_beside("--resume", _RESUMED.format(run=begun.resume), [name for name in given if name != "--resume"])
        train_and_show(RunFolder(begun.resume).setup(), begun.resume, where, None)
        return
    if begun.continue_ is not None:
        given = given_options(fit, model=model, data=data, recipe=recipe)
        refuse_beside("--continue", "has the network, the data, the seed and the recipe of its run", given)
        setup = continued(begun.continue_, how)
        train_and_show(setup, out or Path("runs") / setup.key, where, None)
        return
    named = model or _network_of(fit.weights)
    if named is None or data is None:
        raise ConfigError("train needs --model and --data, or --resume RUN; inceptionlab list shows the models")
    plan = changed(load_recipe(recipe or default_recipe(data)), how)
    setup, loaded = configure(named, data, plan, fit, where.data_dir, say)
    train_and_show(setup, out or Path("runs") / setup.key, where, loaded)


def _network_of(weights: Path | None) -> Network | None:
    """The network of the run whose weights training begins with."""
    from inceptionlab.runs.folder import RunFolder

    return RunFolder(weights).setup().spec if weights is not None and weights.is_dir() else None
