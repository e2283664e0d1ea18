"""Recipes, rules and data sets as tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from inceptionlab.describing import Described
from inceptionlab.rules.facts import RuleFacts

if TYPE_CHECKING:
    from inceptionlab.data.registry import Facts
    from inceptionlab.training.facts import RecipeFacts

WIDE = 200
"""Columns of what is no terminal."""


def show_fields(fields: Sequence[Described], examples: bool = True) -> None:
    """Print fields or arguments with what may be given, defaults and meanings."""
    table = Table("name", "may be", "default", box=None)
    for column in [*(["meaning"] if any(one.meaning for one in fields) else []), *(["example"] if examples else [])]:
        table.add_column(column, overflow="fold")
    for one in fields:
        more = [*([one.meaning] if any(each.meaning for each in fields) else []), *([one.example] if examples else [])]
        table.add_row(one.name, one.takes, _plain(one.default), *more)
    _print(table)


def show_recipes(recipes: Sequence[RecipeFacts]) -> None:
    """Print what recipes are for."""
    table = Table("recipe", "epochs", "optimizer", "schedule", "for", box=None)
    for one in recipes:
        values = one.values
        table.add_row(one.name, str(values["epochs"]), values["optimizer"], values["schedule"], one.meaning)
    _print(table)


def show_recipe(recipe: RecipeFacts, fields: Sequence[Described]) -> None:
    """Print one recipe: what it sets otherwise than the defaults, and what that means."""
    _print(f"{recipe.name}: {recipe.meaning}")
    table = Table("name", "value", "default", "meaning", box=None)
    for one in fields:
        if one.name in recipe.changed:
            table.add_row(one.name, _plain(recipe.values[one.name]), _plain(one.default), one.meaning)
    _print(table)
    _print("the other fields have their defaults; inceptionlab recipes --fields shows all of them")
    _print(f"example: {recipe.command}" if recipe.command else "")


def show_rules(rules: Sequence[RuleFacts]) -> None:
    """Print rules: how they are written and what they do."""
    table = Table("rule", "what it does", "example", box=None)
    for one in rules:
        table.add_row(one.written, one.meaning, one.example)
    _print(table)


def show_rule(rule: RuleFacts) -> None:
    """Print one rule with its arguments."""
    _print(f"{rule.written}: {rule.meaning}")
    if rule.arguments:
        show_fields(rule.arguments, examples=False)
    _print(f'example: inceptionlab show "{rule.example}"')


def show_datasets(sets: Sequence[Facts], meanings: Sequence[Described] = ()) -> None:
    """Print data sets, and what the columns mean."""
    table = Table("data set", box=None)
    for column in ("size", "channels", "classes", "train", "test"):
        table.add_column(column, justify="right")
    table.add_column("recipe")
    table.add_column("source")
    for one in sets:
        numbers = (one.size, one.channels, len(one.classes) or None, one.train, one.test)
        table.add_row(one.name, *("?" if n is None else f"{n:,}" for n in numbers), one.recipe, one.source)
    _print(table)
    for one in meanings:
        _print(f"{one.name}: {one.meaning}")


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else '""' if value == "" else str(value)


def _print(what: Table | str) -> None:
    console = Console(highlight=False, markup=False)
    console = console if console.is_terminal else Console(highlight=False, markup=False, width=WIDE)
    console.print(what, soft_wrap=isinstance(what, str))
