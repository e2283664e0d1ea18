import pytest

from inceptionlab import SpecError
from inceptionlab.training.recipe import Recipe, as_table, load_recipe, override, recipe_from, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_load_and_come_back(name):
    recipe = load_recipe(name)
    assert recipe_from(as_table(recipe)) == recipe


def test_settings_override_fields():
    recipe = override(Recipe(), {"ema": "0.9", "augment.flip": "false", "optimizer": "adamw"})
    assert (recipe.ema, recipe.augment.flip, recipe.optimizer) == (0.9, False, "adamw")
    assert recipe.augment.pad == Recipe().augment.pad


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"augment": {"flop": True}}, "did you mean 'flip'"),
        ({"optimizer": "sdg"}, "did you mean 'sgd'"),
        ({"epochs": 0}, "give at least 1"),
        ({"lr": -1.0}, "above 0"),
        ({"validation": 1.5}, "from 0 to below 1"),
        ({"validation": 0.0}, "above 0"),
        ({"epochs": "many"}, "cannot be used"),
    ],
)
def test_bad_fields_are_refused(values, words):
    with pytest.raises(SpecError, match=words):
        recipe_from(values)


def test_recipes_from_files(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("epochs = 3\n[augment]\npad = 1\n")
    assert (load_recipe(str(path)).epochs, load_recipe(str(path)).augment.pad) == (3, 1)
    path.write_text("epochs = ")
    with pytest.raises(SpecError, match="is not TOML"):
        load_recipe(str(path))
    with pytest.raises(SpecError, match="did you mean 'digits'"):
        load_recipe("digit")
