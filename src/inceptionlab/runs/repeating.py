"""The command that trains a run again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Any

from inceptionlab.data.registry import default_recipe
from inceptionlab.runs.folder import RunFolder
from inceptionlab.runs.setup import Setup
from inceptionlab.training.recipe import Recipe, flat, is_probe, load_recipe
from inceptionlab.zoo.registry import is_known


def command_of(setup: Setup, folder: Path | None = None) -> str:
    """The command that trains a run again, on its own. The title says all that was changed of the network, so that no
    small stem is to be added to it; a network that is none of the zoo is that of the run's `folder`. The data's folder
    is the one that the run was told.
    """
    if setup.continued:
        before, now = _recipe_of(RunFolder(Path(setup.continued))), flat(asdict(setup.recipe))
        changed = {name: value for name, value in now.items() if name == "epochs" or value != before[name]}
        return " ".join(["inceptionlab train", f"--continue {quote(setup.continued)}", *_settings(changed)])
    probes = is_probe(setup.recipe)
    base = flat(asdict(load_recipe("probe" if probes else default_recipe(setup.data))))
    limits = {"train": setup.limit_train, "test": setup.limit_test}
    parts = [
        "inceptionlab train", f"--model {quote(_network(setup, folder))}", f"--data {quote(setup.data)}",
        f"--input-size {setup.spec.input.height}", "--stem imagenet", *(["--aux"] if setup.spec.aux else []),
        f"--seed {setup.seed}", *(f"--limit-{name} {value}" for name, value in limits.items() if value),
        *([f"--weights {quote(setup.weights)}"] if setup.weights else []),
        *(["--skip-unreadable"] if setup.skip_unreadable else []), *(["--probe"] if probes else []),
        *_settings({name: value for name, value in flat(asdict(setup.recipe)).items() if value != base[name]}),
    ]  # fmt: skip
    return " ".join(parts)


def _network(setup: Setup, folder: Path | None) -> str:
    title = setup.spec.title
    known = is_known(title.partition("|")[0].strip())
    return title if known or folder is None else str(folder / "spec.json")


def _recipe_of(run: RunFolder) -> dict[str, Any]:
    """The recipe of a run that another goes on from, the defaults where it is gone."""
    return flat(asdict(run.config().recipe if run.is_run else Recipe()))


def _settings(values: Mapping[str, Any]) -> list[str]:
    return [f"--set {quote(f'{name}={json.dumps(value)}')}" for name, value in values.items()]
