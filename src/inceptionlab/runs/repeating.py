"""The command that trains a run again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from shlex import quote
from typing import Any, cast

from inceptionlab.data.registry import default_recipe
from inceptionlab.runs.setup import Setup
from inceptionlab.training.recipe import load_recipe


def command_of(setup: Setup) -> str:
    """The command that trains a run again, on its own. The title says all that was changed of the network, so that no
    small stem is to be added to it; the data's folder is the one that the run was told.
    """
    base = flat(asdict(load_recipe(default_recipe(setup.data))))
    changed = {name: value for name, value in flat(asdict(setup.recipe)).items() if value != base[name]}
    limits = {"train": setup.limit_train, "test": setup.limit_test}
    parts = [
        "inceptionlab train", f"--model {quote(setup.spec.title)}", f"--data {quote(setup.data)}",
        f"--input-size {setup.spec.input.height}", "--stem imagenet", *(["--aux"] if setup.spec.aux else []),
        f"--seed {setup.seed}", *(f"--limit-{name} {value}" for name, value in limits.items() if value),
        *([f"--weights {quote(setup.weights)}"] if setup.weights else []),
        *(f"--set {quote(f'{name}={json.dumps(value)}')}" for name, value in changed.items()),
    ]  # fmt: skip
    return " ".join(parts)


def flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of tables with dotted names."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        inner = flat(cast(Mapping[str, Any], value)) if isinstance(value, Mapping) else None
        found |= {name: value} if inner is None else {f"{name}.{key}": item for key, item in inner.items()}
    return found
