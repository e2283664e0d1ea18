"""What a run begins with: the weights of a file, or of another run, and what that run had seen before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from inceptionlab.errors import ConfigError, RunError
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.runs.folder import Blocks, RunFolder, run_folder
from inceptionlab.runs.options import Changes
from inceptionlab.runs.setup import Config, Setup
from inceptionlab.spec.network import Network
from inceptionlab.training.recipe import Recipe, override, recipe_from
from inceptionlab.weights.fetching import is_remote
from inceptionlab.weights.loading import load_weights, spec_with
from inceptionlab.zoo.published import find_published, is_published


def changed(recipe: Recipe, changes: Changes) -> Recipe:
    """The recipe with some fields set otherwise."""
    names = ("epochs", "batch_size", "lr", "precision")
    given = {name: getattr(changes, name) for name in names if getattr(changes, name) is not None}
    return override(recipe_from(given, recipe), changes.settings())


def continued(run: RunFolder | Path | str, changes: Changes, blocks: Blocks | None = None) -> Setup:
    """The setup of a new run that trains on from the weights of another one: `continued("runs/x", Changes(epochs=20))`.

    Network, data, seed and so the validation images are those of `run`; the recipe is too, but for `changes`, which say
    how many epochs more. The optimiser and the schedule begin anew. `blocks` are the factories of its `Block` nodes.
    Raises `RunError` for a run that has not ended, and `ConfigError` without epochs or with other validation images.
    """
    before = run_folder(run)
    setup = before.setup(blocks)
    if before.fitted() is None or not before.has_weights:
        raise RunError(f"{before.path} has not trained to its end; go on with --resume {before.path}")
    recipe = changed(setup.recipe, changes)
    if "epochs" not in {**changes.settings(), **({"epochs": ""} if changes.epochs else {})}:
        raise ConfigError(f"--continue {before.path}: say with --epochs N how many epochs more")
    if recipe.validation != setup.recipe.validation:
        raise ConfigError(
            f"validation = {recipe.validation:g}: {before.path} has split off {setup.recipe.validation:g}, and would "
            "be validated on images that it has trained on; leave it as it was"
        )
    return replace(setup, recipe=recipe, weights="", continued=str(before.path.resolve()))


def weights_file(given: Path | None) -> str:
    """The file of weights that a file, or the folder of a run, is, or the name of those elsewhere; "" for None.

    Raises `RunError` for a run without.
    """
    if given is not None and is_published(given):
        return find_published(given).full
    if given is not None and is_remote(given):
        return str(given)
    if given is None or not given.is_dir():
        return str(given.resolve()) if given else ""
    run = RunFolder(given.resolve())
    run.config()
    if not run.has_weights:
        raise RunError(f"{given} has no trained weights yet; go on with --resume {given}")
    return str(run.weights)


def spec_taking(spec: Network, weights: str) -> Network:
    """The spec of a network after it was given weights, which may take another input than it did."""
    return spec_with(spec, weights)


def begin(network: InceptionNetwork, setup: Setup) -> str:
    """Load what a setup begins with into its network, in place; gives the account of it. Raises what loading raises,
    and `ConfigError` where the setup's spec takes another input than the weights do.
    """
    weights = setup.weights or str(RunFolder(Path(setup.continued)).weights)
    account = load_weights(network, weights)
    if network.spec != setup.spec:  # the data would be prepared for another input
        raise ConfigError(
            f"with {weights} the network takes another input than the setup's spec says; make the setup from "
            "spec_with(spec, weights), as configure does"
        )
    return f"trains on from {setup.continued}: {account}" if setup.continued else str(account)


def run_before(setup: Setup | Config) -> RunFolder | None:
    """The run whose weights a setup begins with, None where they are of no run or it is gone."""
    if setup.continued:
        run = RunFolder(Path(setup.continued))
        return run if run.is_run else None
    return _run_of(setup.weights) if setup.weights else None


def _run_of(weights: str) -> RunFolder | None:
    """The run that a file of weights is of, None for another file."""
    run = RunFolder(Path(weights).parent)
    return run if Path(weights) == run.weights and run.is_run else None


def same_data(setup: Setup, data: str) -> None:
    """Raise `RunError` where a run that trains on from another one has other images than that, by their digests."""
    before = run_before(setup) if setup.continued else None
    began = before.environment() if before is not None else None
    if began is not None and began.data != data:
        raise RunError(
            f"{setup.continued} was trained on the data {began.data} and finds {data} now; put the same back"
        )


def readers_before(setup: Setup, data: str) -> tuple[str, ...]:
    """The runs from whose weights a setup came and which had read the test set of `data` (digests, as a run's
    environment has them), the latest first.
    """
    found: list[str] = []
    run = run_before(setup)
    while run is not None:
        began = run.environment()
        if run.is_tested and began is not None and _test_of(began.data) == _test_of(data):
            found.append(str(run.path))
        run = run_before(run.config())
    return tuple(found)


def _test_of(digests: str) -> str:
    """The digest of the test set out of "name: training, test"."""
    return digests.rpartition(", ")[2]
