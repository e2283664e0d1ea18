"""`inceptionlab train`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from inceptionlab.cli.variant import ShortChanges
from inceptionlab.errors import ConfigError
from inceptionlab.runs.options import Changes, Choices, Machine

if TYPE_CHECKING:
    from inceptionlab.data.dataset import DataSet
    from inceptionlab.runs.setup import Setup
    from inceptionlab.spec.network import Network


_RESUMED = (
    "goes on with {run} as it began; a run that has ended is trained on with: inceptionlab train --continue {run} "
    "--epochs N"
)


@dataclass(frozen=True, slots=True)
class Way:
    """How it is trained."""

    recipe: Annotated[str | None, Parameter(alias="-r")] = None
    """A recipe by name or a TOML file (default: the one for the data)."""
    probe: bool = False
    """Fit the head alone, in seconds, to the features of the trunk as it is: the recipe "probe"."""

    def __post_init__(self) -> None:
        if self.probe and self.recipe is not None:
            raise ConfigError(f"--recipe {self.recipe} would not be read: --probe is a recipe; give one of them")


@dataclass(frozen=True, slots=True)
class Existing:
    """A run to go on with."""

    resume: Path | None = None
    """A run folder that was stopped, to go on with; the model, the data and the recipe are taken from it."""
    continue_: Path | None = None
    """A finished run folder to train on from, for --epochs more: a new run with its weights, data and split."""


@dataclass(frozen=True, slots=True)
class Result:
    """What comes of it."""

    out: Annotated[Path | None, Parameter(alias="-o")] = None
    """The run folder (default: runs/NAME-HASH)."""
    dry_run: bool = False
    """Show what would be trained on what, and train nothing."""
    json_: Annotated[bool, Parameter(name="--json")] = False
    """Print what --dry-run shows, or what a --probe came to, as one object."""


def train(
    model: Annotated[str | None, Parameter(alias="-m")] = None,
    data: Annotated[str | None, Parameter(alias="-d")] = None, *,
    way: Annotated[Way | None, Parameter(name="*")] = None,
    result: Annotated[Result | None, Parameter(name="*")] = None,
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
    way
        How it is trained.
    result
        What comes of it.
    existing
        A run to go on with.
    changes
        Fields of the recipe.
    choices
        How the network is fitted to the data.
    machine
        Where the run is computed.
    """
    from inceptionlab.cli.training import given_options, refuse_beside, say
    from inceptionlab.data.registry import default_recipe
    from inceptionlab.runs.beginning import changed, continued
    from inceptionlab.runs.configuring import configure
    from inceptionlab.runs.folder import RunFolder
    from inceptionlab.training.recipe import load_recipe

    done = result or Result()
    begun, how, fit, where = existing or Existing(), changes or Changes(), choices or Choices(), machine or Machine()
    plain = way or Way()
    if done.json_ and not (done.dry_run or plain.probe):
        raise ConfigError("--json is for --dry-run and --probe; a training prints its score, and its folder last")
    if begun.resume is not None:
        given = given_options(begun, how, fit, plain, model=model, data=data, out=done.out)
        refuse_beside("--resume", _RESUMED.format(run=begun.resume), [name for name in given if name != "--resume"])
        _train(RunFolder(begun.resume).setup(), replace(done, out=begun.resume), where)
        return
    if begun.continue_ is not None:
        given = given_options(fit, plain, model=model, data=data)
        refuse_beside("--continue", "has the network, the data, the seed and the recipe of its run", given)
        setup = continued(begun.continue_, how)
        _train(setup, done, where)
        return
    named = model or _network_of(fit.weights)
    if named is None or data is None:
        raise ConfigError("train needs --model and --data, or --resume RUN; inceptionlab list shows the models")
    if plain.probe:
        refuse_beside("--probe", "takes no step", given_options(epochs=how.epochs))
    plan = changed(load_recipe("probe" if plain.probe else plain.recipe or default_recipe(data)), how)
    setup, loaded = configure(named, data, plan, fit, where.data_dir, say)
    _train(setup, done, where, loaded)


def _train(setup: Setup, result: Result, machine: Machine, data: DataSet | None = None) -> None:
    """Train, or show what would be trained."""
    folder = result.out or Path("runs") / setup.key
    if not result.dry_run:
        from inceptionlab.cli.training import train_and_show

        train_and_show(setup, folder, machine, data, as_json=result.json_)
        return
    from inceptionlab.runs.dry import plan

    found = plan(setup, folder, data, machine.data_dir)
    print(json.dumps(found.as_record(), indent=1, ensure_ascii=False) if result.json_ else found)


def _network_of(weights: Path | None) -> Network | None:
    """The network of the run whose weights training begins with."""
    from inceptionlab.runs.folder import RunFolder

    return RunFolder(weights).setup().spec if weights is not None and weights.is_dir() else None
