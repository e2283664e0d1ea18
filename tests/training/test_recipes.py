from dataclasses import replace

import pytest
import tomli_w

from inceptionlab import ConfigError
from inceptionlab.data.batches import Augment
from inceptionlab.training.recipe import Recipe, as_table, load_recipe, override, recipe, recipe_from, recipe_names
from tests.training.test_run import SETUP


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
        ({"epochs": 0}, "give a whole number of at least 1"),
        ({"lr": -1.0}, "above 0"),
        ({"validation": 1.5}, "above 0 and below 1"),
        ({"validation": 0.0}, "above 0"),
        ({"epochs": "many"}, "epochs = 'many': give a whole number of at least 1"),
    ],
)
def test_bad_fields_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        recipe_from(values)


def test_recipes_from_files(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("epochs = 3\n[augment]\npad = 1\n")
    assert (load_recipe(str(path)).epochs, load_recipe(str(path)).augment.pad) == (3, 1)
    path.write_text("epochs = ")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_recipe(str(path))
    with pytest.raises(ConfigError, match="did you mean 'digits'"):
        load_recipe("digit")
    path.write_bytes(b"epochs = 3 # \xff")
    with pytest.raises(ConfigError, match="cannot be read as UTF-8"):
        load_recipe(str(path))
    path.write_text("epochs = 3\nlr = 'x'\n")
    with pytest.raises(ConfigError, match=r"the recipe .*mine.toml: lr = 'x': give a number above 0"):
        load_recipe(str(path))
    path.write_text("x = " + "[" * 5000)
    with pytest.raises(ConfigError, match="is not TOML"):
        load_recipe(str(path))


def test_a_recipe_with_other_settings():
    found = recipe("small", {"epochs": 3, "augment.flip": False, "augment": {"cutout": 8}})
    assert (found.epochs, found.augment.flip, found.augment.cutout, found.batch_size) == (3, False, 8, 128)
    assert recipe() == Recipe()
    with pytest.raises(ConfigError, match="did you mean 'small'"):
        recipe("smal")


@pytest.mark.parametrize("text", ["False", "no", "off", "false"])
def test_false_may_be_written_in_any_way(text):
    assert override(Recipe(), {"augment.flip": text}).augment.flip is False


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("batch_size", "2.5", "a whole number"),
        ("batch_size", "0", "at least 1"),
        ("batch_size", "true", "a whole number"),
        ("epochs", "1.5", "a whole number"),
        ("epochs", "1e400", "a whole number"),
        ("epochs", "1" + "0" * 40, "a whole number"),
        ("epochs", "1" + "0" * 5000, "a whole number"),
        ("epochs", "[1, 2]", "a whole number"),
        ("epochs", "[" * 3000, "a whole number"),
        ("epochs", "3\nlr = 1", "a whole number"),
        ("epochs.more", "1", "no field 'epochs.more'"),
        ("momentum", "x", "a number"),
        ("momentum", "1", "below 1"),
        ("momentum", "-0.1", "at least 0"),
        ("lr", "0", "above 0"),
        ("lr", "inf", "finite"),
        ("lr", "nan", "a number above 0"),
        ("lr", "1" + "0" * 5000, "a number above 0"),
        ("ema", "1.0", "below 1"),
        ("weight_decay", "-1", "at least 0"),
        ("betas", "0.9", "a list"),
        ("betas", "[0.9]", "a list"),
        ("betas", "[0.9, 1.0]", "below 1"),
        ("class_weights", "balance", "did you mean 'balanced'"),
        ("optimizer", "Adam", "did you mean 'adam'"),
        ("validation", "0", "above 0"),
        ("low_size", "-5", "at least 0"),
        ("low_size", "1000000000", "at most 4096"),
        ("patience", "1.0.0", "a whole number"),
        ("flip_tta", "2", "true or false"),
        ("freeze", "3", "text"),
        ("init", "kaimin", "did you mean 'kaiming'"),
        ("schedule", "[]", "known are constant"),
        ("precision", "fp8", "known are auto, fp32, bf16, fp16"),
        ("augment", "3", "a table"),
        ("augment", "{flop = 1}", "did you mean 'flip'"),
        ("augment.area", "nan", "a number"),
        ("augment.area", "1.5", "at most 1"),
        ("augment.area", "{}", "a number"),
        ("augment.pad", "-1", "at least 0"),
        ("augment.flip", "maybe", "true or false"),
        ("augment.flip.x", "1", "no field 'flip.x'"),
        ("augment.colour", "9", "at most 1"),
        ("augment.policy", "random", "did you mean 'rand'"),
        ("augment.mixup", "-1", "at least 0"),
        ("", "1", "no field ''"),
        ("augment.", "1", "no field ''"),
        ("__class__", "1", "no field"),
    ],
)  # fmt: skip
def test_wrong_settings_are_sentences(name, text, words):
    with pytest.raises(ConfigError, match=words) as caught:
        override(Recipe(), {name: text})
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizer": "adamw", "momentum": 0.5}, 'momentum = 0.5 would not be read: optimizer = "adamw" has none'),
        ({"eps": 1.0}, 'optimizer = "sgd" has none'),
        ({"optimizer": "adam", "momentum": 0.5}, 'momentum = 0.5 would not be read: optimizer = "adam" has none'),
        ({"betas": [0.5, 0.999]}, '"adam", "adamw" and "nadam" have'),
        ({"optimizer": "nadam", "nesterov": False}, 'optimizer = "nadam" has none; "sgd" and "muon" have'),
        ({"schedule": "cosine", "gamma": 0.5}, 'schedule = "cosine" does not go down by a factor'),
        ({"every": 2}, '"step" and "exponential" do'),
        ({"low_share": 0.3}, "low_size, which is 0"),
        ({"freeze_bn": "frozen"}, "freeze names none"),
        ({"augment.magnitude": 5}, 'augment.policy = "rand"'),
        ({"augment.area": 0.2, "augment.pad": 2}, "augment.area makes other crops"),
    ],
)
def test_settings_that_nothing_reads_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        recipe(None, settings)


def test_what_another_choice_leaves_without_a_meaning_goes_back_to_its_default():
    assert recipe("googlenet_paper", {"schedule": "cosine"}).gamma == Recipe().gamma
    assert recipe("digits", {"augment.area": 0.5}).augment.pad == Augment().pad
    assert recipe("imagenet_modern", {"augment.policy": "trivial", "optimizer": "sgd"}).eps == Recipe().eps


def test_the_papers_recipes_begin_as_their_papers_did():
    begun = {name: load_recipe(name).init for name in ("googlenet_paper", "inception_v3_paper", "small")}
    assert begun == {"googlenet_paper": "xavier", "inception_v3_paper": "inception_v3", "small": "kaiming"}


# Each tutorial's own training: optimiser, rate, batch, epochs, initial weights, share of validation.
TUTORIALS = {
    "a module and Adam at 0.001 in mixed precision": {"optimizer": "adam", "lr": 0.001, "precision": "fp16"},
    "a dilated network on CIFAR-10": {"optimizer": "adam", "lr": 0.001, "batch_size": 128, "init": "torch"},
    "GoogLeNet on Fashion-MNIST": {
        "optimizer": "adam", "lr": 0.001, "batch_size": 32, "epochs": 10, "init": "kaiming_out", "validation": 0.2,
        "select": "best",
    },
    "GoogLeNet with plain SGD": {
        "optimizer": "sgd", "lr": 1e-4, "momentum": 0.0, "batch_size": 32, "epochs": 20, "init": "torch",
    },
    "Inception-v3 with RMSProp": {
        "optimizer": "rmsprop_tf", "lr": 0.045, "eps": 1.0, "momentum": 0.9, "label_smoothing": 0.1, "epochs": 100,
    },
}  # fmt: skip
PLAIN = {"schedule": "constant", "warmup": 0.0, "weight_decay": 0.0, "augment": {"pad": 0, "flip": False, "cutout": 0}}


@pytest.mark.parametrize("name", TUTORIALS)
def test_the_tutorials_trainings_are_recipes(name, tmp_path):
    settings = {**PLAIN, **TUTORIALS[name]}
    (tmp_path / "tutorial.toml").write_text(tomli_w.dumps(settings))
    written = load_recipe(str(tmp_path / "tutorial.toml"))
    assert {name: getattr(written, name) for name in TUTORIALS[name]} == TUTORIALS[name]
    assert recipe_from(as_table(written)) == written


def test_fields_that_came_later_leave_the_names_of_runs_as_they_were():
    names = {name: replace(SETUP, recipe=load_recipe(name)).key for name in KEYS}
    assert names == KEYS
    for changes in ({"nesterov": False}, {"optimizer": "adamw", "betas": (0.8, 0.9)}, {"class_weights": "balanced"}):
        assert len({replace(SETUP, recipe=recipe("small", change)).key for change in ({}, changes)}) == 2


# What runs of these recipes were called before betas, nesterov and class_weights were fields.
KEYS = {
    "clothes": "tiny-digits-a5ffc320", "digits": "tiny-digits-fe91cdce", "fine_tune": "tiny-digits-94fbb30d",
    "folder": "tiny-digits-05f8b619", "imagenet_modern": "tiny-digits-03e52786", "small": "tiny-digits-47760b7b",
    "inception_v3_paper": "tiny-digits-2c71d2c1",
}  # fmt: skip
