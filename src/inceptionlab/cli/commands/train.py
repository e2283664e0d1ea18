"""`inceptionlab train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.cli.variant import ShortChanges
from inceptionlab.errors import ConfigError
from inceptionlab.runs.options import Changes, Choices, Machine


def train(
    model: Annotated[str | None, Parameter(alias="-m")] = None,
    data: Annotated[str | None, Parameter(alias="-d")] = None, *,
    recipe: Annotated[str | None, Parameter(alias="-r")] = None,
    out: Annotated[Path | None, Parameter(alias="-o")] = None,
    resume: Path | None = None, changes: Annotated[ShortChanges | None, Parameter(name="*")] = None,
    choices: Annotated[Choices | None, Parameter(name="*")] = None,
    machine: Annotated[Machine | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Train a network, test it once, and write a run folder with weights, curves and a report.

    Validation is split from the training images by the seed and selects the weights; the test set is read once, at
    the end. The last line printed is the run folder. A run that was stopped goes on with --resume.

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
    resume
        A run folder to go on with; the model, the data and the recipe are taken from it.
    changes
        Fields of the recipe.
    choices
        How the network is fitted to the data.
    machine
        Where the run is computed.
    """
    from inceptionlab.cli.training import train_and_show
    from inceptionlab.data.registry import default_recipe
    from inceptionlab.runs.configuring import changed, configure
    from inceptionlab.runs.folder import RunFolder
    from inceptionlab.training.recipe import load_recipe

    where = machine or Machine()
    if resume is not None:
        train_and_show(RunFolder(resume).setup(), resume, where, None)
        return
    if model is None or data is None:
        raise ConfigError("train needs --model and --data, or --resume RUN; inceptionlab list shows the models")
    how = changed(load_recipe(recipe or default_recipe(data)), changes or Changes())
    setup, loaded = configure(model, data, how, choices, where.data_dir)
    train_and_show(setup, out or Path("runs") / setup.key, where, loaded)
