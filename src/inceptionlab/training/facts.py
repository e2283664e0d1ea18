"""Every shipped recipe and every field of a recipe with its meaning, as the files and the docstrings say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from inceptionlab.describing import Described, fields_of, paragraph
from inceptionlab.errors import ConfigError, nearest
from inceptionlab.training.recipe import Recipe, as_table, flat, load_recipe, recipe_file, recipe_names

_COMMAND = "Command: "


@dataclass(frozen=True, slots=True)
class RecipeFacts:
    """A recipe: what it is for, a command that trains by it, and the values of all its fields, of which `changed` are
    not the defaults.
    """

    name: str
    meaning: str
    command: str
    values: Mapping[str, Any]
    changed: tuple[str, ...]


def list_recipes(name: str | None = None) -> list[RecipeFacts]:
    """The facts of every shipped recipe, or of one, which may be a TOML file. Raises `ConfigError` for one that is
    unknown or wrong.
    """
    return [_facts(one) for one in ([name] if name else recipe_names())]


def recipe_fields(name: str | None = None) -> list[Described]:
    """Every field of a recipe, or one, with an example: what the first shipped recipe sets it to. Raises `ConfigError`
    for a field that no recipe has.
    """
    known = {one.name: one for one in fields_of(Recipe)}
    if name is not None and name not in known:
        raise ConfigError(f"a recipe has no field {name!r}; {nearest(name, known)}")
    recipes = list_recipes()
    return [_with_example(one, recipes) for one in ([known[name]] if name else known.values())]


def _with_example(one: Described, recipes: list[RecipeFacts]) -> Described:
    """A field with a setting of it that some recipe has, or the other way round from its default, or its default."""
    usual = not one.default if isinstance(one.default, bool) else one.default
    value = next((r.values[one.name] for r in recipes if one.name in r.changed), usual)
    shown = (
        str(value).lower()
        if isinstance(value, bool)
        else list(cast(list[object], value))
        if isinstance(value, tuple | list)
        else value
    )
    quoted = f'"{shown}"' if " " in str(shown) else shown
    return replace(one, example=f"--set {one.name}={quoted}")


def _facts(name: str) -> RecipeFacts:
    values, usual = flat(as_table(load_recipe(name))), flat(as_table(Recipe()))
    comments = _comments(recipe_file(name))
    command = next((line.removeprefix(_COMMAND) for line in comments if line.startswith(_COMMAND)), "")
    meaning = paragraph(" ".join(line for line in comments if not line.startswith(_COMMAND)))
    return RecipeFacts(name, meaning, command, values, tuple(one for one in values if values[one] != usual[one]))


def _comments(file: Path) -> list[str]:
    """The comments that a file begins with."""
    found: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        found.append(line.lstrip("# "))
    return found
