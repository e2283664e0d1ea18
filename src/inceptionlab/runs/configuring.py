"""From names to a setup: a network fitted to data, and the recipe it is trained by."""

from __future__ import annotations

from pathlib import Path

from inceptionlab.data.dataset import DataSet, for_data
from inceptionlab.data.registry import default_recipe, load_data
from inceptionlab.runs.options import Changes, Choices
from inceptionlab.runs.setup import Setup
from inceptionlab.spec.network import Network
from inceptionlab.training.recipe import Recipe, load_recipe, override, recipe_from
from inceptionlab.weights.fetching import is_remote
from inceptionlab.weights.loading import spec_with
from inceptionlab.zoo.configure import configured
from inceptionlab.zoo.published import find_published, is_published


def configure(
    model: str | Network, data: DataSet | str, recipe: Recipe | str | None = None, choices: Choices | None = None,
    data_dir: Path | None = None,
) -> tuple[Setup, DataSet]:  # fmt: skip
    """(the setup of a run, its data): the network `model` (a name with or without rules, or one's own) fitted to the
    data, and a recipe (a value, a name, a TOML file; default: the one that suits the data).

    Data are a name, a folder, or a set of one's own; `data_dir` is where named ones are looked for. Raises `SpecError`
    for a network that does not fit, `ConfigError` for a recipe, `DataError` for data.
    """
    chosen = choices or Choices()
    name = data if isinstance(data, str) else data.name
    how = recipe if isinstance(recipe, Recipe) else load_recipe(recipe or default_recipe(name))
    loaded = load_for(model, data, chosen, data_dir) if isinstance(data, str) else data
    spec = fitted_to(model, loaded, chosen)
    weights = _lasting(chosen.weights) if chosen.weights else ""
    spec = spec_with(spec, weights) if weights else spec
    return Setup(spec, how, name, chosen.seed, chosen.limit_train, chosen.limit_test, weights), loaded


def _lasting(weights: Path) -> str:
    """What the weights of a run are found by from anywhere: a path from the root, or the name of published ones."""
    if is_published(weights):
        return find_published(weights).full
    return str(weights) if is_remote(weights) else str(weights.resolve())


def changed(recipe: Recipe, changes: Changes) -> Recipe:
    """The recipe with some fields set otherwise."""
    names = ("epochs", "batch_size", "lr", "precision")
    given = {name: getattr(changes, name) for name in names if getattr(changes, name) is not None}
    return override(recipe_from(given, recipe), changes.settings())


def load_for(model: str | Network, data: str, choices: Choices, data_dir: Path | None = None) -> DataSet:
    """The data by name, photographs at the size that the network takes."""
    return load_data(data, configured(model, input_size=choices.input_size, stem="imagenet").input, data_dir)


def fitted_to(model: str | Network, data: DataSet, choices: Choices) -> Network:
    """The network for the classes, the channels, the size and the preprocessing of a data set."""
    size = choices.input_size or data.size
    spec = configured(model, len(data.train.classes), data.train.channels, size, choices.aux, choices.stem)
    return for_data(spec, data)
