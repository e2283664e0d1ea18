"""One table of data sets, and one reading of their names."""

import pytest
from PIL import Image

from inceptionlab import DataError, configure, get_spec
from inceptionlab.cli.commands.train import train
from inceptionlab.data.registry import KNOWN, NAMES, default_recipe, describe, for_named, full_name, load_data
from inceptionlab.data.sources.naming import DataName, parse_name
from inceptionlab.training.recipe import load_recipe


@pytest.mark.parametrize("name", NAMES)
def test_every_named_set_is_described(name):
    facts = describe(name)
    assert facts == KNOWN[name].facts
    assert load_recipe(default_recipe(name))
    assert (facts.size, facts.channels) in ((32, 1), (32, 3), (28, 1))
    assert len(facts.classes) in (10, 100)


def test_the_table_says_what_the_digits_are():
    facts, data = describe("digits"), load_data("digits")
    assert (facts.train, facts.test, facts.size) == (len(data.train), len(data.test), data.size)
    assert (facts.classes, facts.channels) == (data.train.classes, data.train.channels)


def test_the_table_says_what_cifar10_is(data_dir):
    facts, data = describe("cifar10"), load_data("cifar10", data_dir=data_dir)
    assert (facts.train, facts.test, facts.size) == (len(data.train), len(data.test), data.size)
    assert (facts.classes, facts.channels) == (data.train.classes, data.train.channels)


def test_names_are_read_once():
    assert parse_name("cifar10", NAMES) == DataName("cifar10", "named", "cifar10")
    assert parse_name("hf:user/set:plain", NAMES) == DataName("hf:user/set:plain", "hf", "user/set", "plain")
    assert parse_name("stream:user/set", NAMES) == DataName("stream:user/set", "stream", "user/set")
    assert parse_name("some/where/", NAMES).short == "where"


def test_folders_and_the_hub_are_described(tmp_path):
    for part in ("train", "test"):
        for name in ("ants", "bees"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(tmp_path / part / name / "0.png")
    facts = describe(str(tmp_path))
    assert (facts.size, facts.classes, facts.train) == (None, ("ants", "bees"), 2)
    assert describe("hf:user/set").classes == ()
    assert default_recipe(str(tmp_path)) == default_recipe("stream:user/set") == "folder"


@pytest.mark.parametrize(("given", "near"), [("CIFR10", "cifar10"), ("fashion-mnits", "fashion_mnist"),
                                             ("Fashion-MNITS", "fashion_mnist"), ("MNITS", "mnist")])  # fmt: skip
def test_the_nearest_name_is_said_whatever_its_case(given, near, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INCEPTIONLAB_DATA", raising=False)
    with pytest.raises(DataError, match=f"did you mean .*'{near}'"):
        load_data(given)


@pytest.mark.parametrize(("given", "name"), [("CIFAR10", "cifar10"), ("CIFAR-10", "cifar10"), ("MNIST", "mnist"),
                                             ("fashion-mnist", "fashion_mnist"), ("Fashion_MNIST", "fashion_mnist"),
                                             ("FashionMNIST", "fashion_mnist"), ("Digits", "digits")])  # fmt: skip
def test_a_named_set_is_known_however_it_is_written(given, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert full_name(given) == name
    assert describe(given) == describe(name)
    assert default_recipe(given) == default_recipe(name)
    spec = get_spec("googlenet")
    assert for_named(spec, given) == for_named(spec, name)
    (tmp_path / given).mkdir()
    assert full_name(given) == given  # a folder that is called so is meant


def test_a_run_is_the_same_however_its_data_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (first, _), (second, _) = (configure("small_fast", name) for name in ("digits", "Digits"))
    assert first == second
    assert first.key == second.key


def test_the_help_of_train_names_every_set():
    assert all(name in train.__doc__ for name in NAMES)
