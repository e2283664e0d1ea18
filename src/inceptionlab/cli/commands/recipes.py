"""`inceptionlab recipes`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.cli.reference import show_fields, show_recipe, show_recipes


def recipes(
    name: str | None = None, *, fields: bool = False, json_: Annotated[bool, Parameter(name="--json")] = False
) -> None:
    """List the shipped recipes, show one, or explain the fields that --set changes.

    Parameters
    ----------
    name
        A recipe or a TOML file; with --fields a field.
    fields
        Show the fields of recipes: what may be given, the default, the meaning and an example.
    json_
        Print an array of objects.
    """
    from inceptionlab.training.facts import list_recipes, recipe_fields

    found = recipe_fields(name) if fields else list_recipes(name)
    if json_:
        print(json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False))
    elif fields:
        show_fields(recipe_fields(name))
    elif name:
        show_recipe(list_recipes(name)[0], recipe_fields())
    else:
        show_recipes(list_recipes())
