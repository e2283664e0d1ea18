"""From names to a setup: a network fitted to data, and the recipe it is trained by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from inceptionlab.data.dataset import DataSet, for_data
from inceptionlab.data.registry import default_recipe, full_name, load_data
from inceptionlab.errors import ConfigError, DataError, InceptionLabError, SizeError
from inceptionlab.runs.beginning import spec_taking, weights_file
from inceptionlab.runs.options import Choices
from inceptionlab.runs.sentences import changed_by_size
from inceptionlab.runs.setup import Setup
from inceptionlab.spec.network import Network
from inceptionlab.training.recipe import Recipe, load_recipe
from inceptionlab.zoo.configure import Stem, configured
from inceptionlab.zoo.published import names_weights


def configure(
    model: str | Network, data: DataSet | str, recipe: Recipe | str | None = None, choices: Choices | None = None,
    data_dir: Path | None = None, say: Callable[[str], None] = print,
) -> tuple[Setup, DataSet]:  # fmt: skip
    """(the setup of a run, its data): the network `model` (a name with or without rules, or one's own) fitted to the
    data, and a recipe (a value, a name, a TOML file; default: the one that suits the data). NAME@WEIGHTS begins with
    these weights.

    Data are a name, a folder, or a set of one's own; `data_dir` is where named ones are looked for. `say` is told where
    the size of the images made it another network. Raises `SpecError` for a network that does not fit, `ConfigError`
    for a recipe, `DataError` for data.
    """
    chosen = _beginning(model, choices or Choices())
    name = full_name(data) if isinstance(data, str) else data.name
    how = recipe if isinstance(recipe, Recipe) else load_recipe(recipe or default_recipe(name))
    loaded = load_for(model, data, chosen, data_dir) if isinstance(data, str) else data
    weights = weights_file(chosen.weights)
    spec = _taking(weights, model, loaded, chosen) if weights else fitted_to(model, loaded, chosen)
    if chosen.stem == "auto" and not weights:
        change = changed_by_size(fitted_to(model, loaded, replace(chosen, stem="imagenet")), spec)
        say(change) if change else None
    limits = chosen.limit_train, chosen.limit_test
    return Setup(spec, how, name, chosen.seed, *limits, weights, chosen.skip_unreadable), loaded


def _beginning(model: str | Network, choices: Choices) -> Choices:
    """The choices with the weights that the model's name says. Raises `ConfigError` where they say others too."""
    if not isinstance(model, str) or not names_weights(model):
        return choices
    if choices.weights is not None:
        raise ConfigError(f"{model} and weights = {choices.weights}: name weights once")
    return replace(choices, weights=Path(model.partition("|")[0].strip()))


def _taking(weights: str, model: str | Network, data: DataSet, choices: Choices) -> Network:
    """The network that takes weights; with "auto" its stem is theirs: the paper's, or the small one of our runs."""
    stems: tuple[Stem, ...] = ("imagenet", "auto") if choices.stem == "auto" else (choices.stem,)
    problems: list[InceptionLabError] = []
    for stem in stems:
        try:
            return spec_taking(fitted_to(model, data, replace(choices, stem=stem)), weights)
        except (DataError, SizeError) as problem:
            problems.append(problem)
    raise problems[0]


def load_for(model: str | Network, data: str, choices: Choices, data_dir: Path | None = None) -> DataSet:
    """The data by name, photographs at the size that the network takes."""
    taken = configured(model, input_size=choices.input_size, stem="imagenet").input
    return load_data(data, taken, data_dir, skip_unreadable=choices.skip_unreadable)


def fitted_to(model: str | Network, data: DataSet, choices: Choices) -> Network:
    """The network for the classes, the channels, the size and the preprocessing of a data set."""
    size = choices.input_size or data.size
    spec = configured(model, len(data.train.classes), data.train.channels, size, choices.aux, choices.stem)
    return for_data(spec, data)
