"""Recipes, rules and data sets explained: complete, and every example works."""

import json
import shlex

import pytest

from inceptionlab import ConfigError, DataError, SpecError, list_datasets, list_recipes, list_rules, recipe_fields
from inceptionlab.cli import main
from inceptionlab.rules.written import RULES
from inceptionlab.training.recipe import Recipe, override, recipe_names
from inceptionlab.zoo.configure import configured


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_an_example_that_works(name):
    (facts,) = list_rules(name)
    assert facts.meaning
    assert facts.meaning[-1] == "."
    assert f"| {name}" in facts.example
    assert configured(facts.example).rules.startswith(name)
    assert all(one.takes for one in facts.arguments)


@pytest.mark.parametrize("field", recipe_fields(), ids=lambda field: field.name)
def test_every_field_of_a_recipe_has_a_meaning_and_an_example_that_is_taken(field):
    assert field.meaning
    assert field.takes
    name, _, value = shlex.split(field.example)[1].partition("=")
    fitting = {
        "eps": {"optimizer": "adamw"}, "gamma": {"schedule": "step"}, "every": {"schedule": "step"},
        "low_share": {"low_size": 24}, "augment.magnitude": {"augment.policy": "rand"},
        "betas": {"optimizer": "adam"}, "rest_lr": {"optimizer": "muon"}, "rest_momentum": {"optimizer": "muon"},
        "unit_filters": {"optimizer": "muon"}, "lookahead_decay": {"lookahead": 5}, "whiten_epochs": {"whiten": True},
    }  # fmt: skip
    made = override(override(Recipe(), fitting.get(name, {})), {name: value})
    assert isinstance(made, Recipe)


def test_types_and_ranges_are_words():
    takes = {one.name: one.takes for one in recipe_fields()}
    assert takes["epochs"] == "a whole number of at least 1"
    assert takes["schedule"] == "constant, step, exponential, cosine, one_cycle"
    assert takes["augment.flip"] == "true or false"
    assert [one.takes for one in list_rules("norm")[0].arguments] == [
        "batch, group, layer, instance or none", "a number above 0 and of at most 1",
    ] or "none" in list_rules("norm")[0].arguments[0].takes  # fmt: skip


def test_recipes_say_what_they_are_for():
    found = list_recipes()
    assert [one.name for one in found] == recipe_names()
    assert all(one.meaning and one.command.startswith("inceptionlab train") for one in found)
    (small,) = list_recipes("small")
    assert small.values["epochs"] == 12
    assert "epochs" in small.changed
    assert "lr" not in small.changed


def test_unknown_names_are_refused():
    for function, error in ((list_rules, SpecError), (list_recipes, ConfigError), (recipe_fields, ConfigError),
                            (list_datasets, DataError)):  # fmt: skip
        with pytest.raises(error, match=r"did you mean|known are"):
            function("smal")


def test_the_commands_tell_it_to_people_and_programs(capsys):
    for command, words in {
        "rules": "residual(scale=1.0)", "rules attend": "branch, fusion, residual, sum, stage", "recipes": "googlenet",
        "recipes small": "label_smoothing", "recipes --fields": "--set ema=", "datasets": "val/ is the test set",
        "datasets cifar10": "classes: airplane", "recipes epochs --fields": "a whole number of at least 1",
    }.items():  # fmt: skip
        main(command.split())
        assert words in capsys.readouterr().out
        main([*command.split(), "--json"])
        assert json.loads(capsys.readouterr().out)


def test_the_layout_of_folders_stands_in_help(capsys):
    for command in ("train", "check-data"):
        main([command, "--help"])
        assert "val/ is the test set, read once, at the end" in capsys.readouterr().out
