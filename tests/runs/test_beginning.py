"""What a run begins with: weights of a file with their own stem, weights of a run, a finished run."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from inceptionlab import ConfigError, DataError, RunError, create_model, export_weights, storage
from inceptionlab.cli import main
from inceptionlab.data.dataset import for_data
from inceptionlab.data.registry import digits
from inceptionlab.runs.beginning import continued
from inceptionlab.runs.configuring import configure
from inceptionlab.runs.fitting import fit
from inceptionlab.runs.folder import RunFolder
from inceptionlab.runs.options import Changes, Choices, Machine
from inceptionlab.runs.setup import training_and_validation
from inceptionlab.runs.testing import train
from inceptionlab.training.recipe import Recipe
from tests.training.test_run import QUIET, RECIPE, SETUP, same, weights

CPU = Machine("cpu")
TRAIN = ["train", "--model", "small_fast | widen(0.25)", "--data", "digits", "--limit-train", "200", "--limit-test",
         "60", "--device", "cpu"]  # fmt: skip


def run(capsys, *arguments):
    """(exit code, standard output, standard error) of a command."""
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = stop.code or 0
    return code, *capsys.readouterr()


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of two classes: 12 images of one, 3 of the other."""
    folder, chance = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for part, name, count in (("train", "cat", 12), ("train", "dog", 3), ("test", "cat", 3), ("test", "dog", 3)):
        (folder / part / name).mkdir(parents=True)
        for number in range(count):
            pixels = chance.integers(0, 255, (40, 44, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / part / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def before(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("before") / "run"
    train(SETUP, folder, CPU, QUIET, data)
    return RunFolder(folder)


@pytest.mark.parametrize(("name", "side"), [("googlenet.torchvision", 96), ("inception_v3.torchvision", 128)])
def test_with_weights_of_a_library_the_stem_stays_theirs(name, side, photographs, tmp_path):
    torch.save(export_weights(create_model(name, aux=True), "torchvision"), tmp_path / "theirs.pth")
    choices = Choices(input_size=side, weights=tmp_path / "theirs.pth")
    said = []
    setup, loaded = configure(name, str(photographs), None, choices, None, said.append)
    assert "small_stem" not in setup.spec.title
    assert (setup.spec.input.height, setup.spec.classes) == (side, 2)
    assert said == []
    with pytest.raises(DataError, match="has no place in"):
        configure(name, str(photographs), None, replace(choices, stem="small"))
    if side == 96:
        recipe = Recipe(epochs=1, batch_size=8, precision="fp32", freeze="backbone")
        assert train(replace(setup, recipe=recipe), tmp_path / "run", CPU, QUIET, loaded) is not None


def test_a_network_that_a_size_changes_is_said_to_be_another(data):
    said = []
    setup, _ = configure("googlenet.gray", data, None, None, None, said.append)
    assert setup.spec.title == "googlenet.gray | small_stem(32)"
    assert said == [
        "the network takes a small stem at 32 pixels (conv1 7×7/2 conv 64, pool1 max 3×3/2, conv2 1×1 conv 64, conv3 "
        "3×3 conv 192, pool2 max 3×3/2 → stem1 3×3 conv 192); --stem imagenet keeps the paper's"
    ]
    said.clear()
    for model, choices in (("googlenet.gray", Choices(stem="small")), ("googlenet.gray | small_stem(32)", None)):
        configure(model, data, None, choices, None, said.append)
    configure("small_fast", data, None, None, None, said.append)
    assert said == []


def test_a_finished_run_is_trained_on_as_a_new_one(before, data, tmp_path):
    setup = continued(before, Changes(epochs=2, lr=1e-12, precision="fp32"))
    assert (setup.data, setup.seed, setup.spec) == (SETUP.data, SETUP.seed, SETUP.spec)
    assert setup.recipe == replace(RECIPE, epochs=2, lr=1e-12)
    assert setup.key != replace(SETUP, recipe=setup.recipe).key
    said = []
    train(setup, tmp_path / "on", CPU, replace(QUIET, say=said.append), data)
    after = RunFolder(tmp_path / "on")
    assert said[0].startswith(f"trains on from {before.path}: InceptionLab: ")
    assert [epoch.epoch for epoch in after.epochs()] == [1, 2]
    for name, value in weights(before.path).items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(weights(after.path)[name], value)
    assert after.setup() == setup
    parts = [training_and_validation(data, one)[1].digest() for one in (setup, SETUP)]
    assert parts[0] == parts[1]  # what validates was never trained on
    assert after.tested().read_before == (str(before.path),)
    page = after.report.read_text()
    assert "the test set had been read before by" in page
    assert "inceptionlab train --continue" in page
    again = continued(after, Changes(epochs=1, precision="fp32"))
    train(again, tmp_path / "again", CPU, QUIET, data)
    assert RunFolder(tmp_path / "again").tested().read_before == (str(after.path), str(before.path))


def test_training_on_from_a_run_is_stopped_and_goes_on_bit_for_bit(before, data, tmp_path):
    setup = continued(before, Changes(epochs=3, precision="fp32"))
    train(setup, tmp_path / "whole", CPU, QUIET, data)
    steps = iter(range(1, 1000))
    assert train(setup, tmp_path / "cut", CPU, replace(QUIET, stop=lambda: next(steps) == 7), data) is None
    train(setup, tmp_path / "cut", CPU, QUIET, data)
    assert same(weights(tmp_path / "cut"), weights(tmp_path / "whole"))


def test_a_run_whose_test_was_not_read_is_not_said_to_have_read_it(data, tmp_path):
    fit(replace(SETUP, recipe=replace(RECIPE, epochs=1)), tmp_path / "fitted", CPU, QUIET, data)
    train(continued(tmp_path / "fitted", Changes(epochs=1)), tmp_path / "on", CPU, QUIET, data)
    assert RunFolder(tmp_path / "on").tested().read_before == ()


def test_what_cannot_be_trained_on_is_said(before, data, tmp_path):
    with pytest.raises(ConfigError, match="say with --epochs N how many epochs more"):
        continued(before, Changes(lr=0.1))
    with pytest.raises(ConfigError, match=r"validation = 0\.2: .* leave it as it was"):
        continued(before, Changes(epochs=1, set_=("validation=0.2",)))
    RunFolder(tmp_path / "begun").claim(SETUP)
    with pytest.raises(RunError, match=r"has not trained to its end; go on with --resume"):
        continued(tmp_path / "begun", Changes(epochs=1))
    other = replace(data, train=data.train.limited(500))
    with pytest.raises(RunError, match="was trained on the data"):
        fit(continued(before, Changes(epochs=1)), tmp_path / "on", CPU, QUIET, other)
    with pytest.raises(ConfigError, match="begin with one of them"):
        replace(SETUP, weights="w.safetensors", continued="runs/x")


def test_a_run_gives_its_weights_to_another(before, data, tmp_path):
    few = replace(data, train=data.train.limited(300), name="few")
    said = []
    setup, _ = configure(SETUP.spec, few, RECIPE, Choices(weights=before.path, seed=5))
    assert setup.weights == str(before.weights)
    train(replace(setup, recipe=replace(RECIPE, epochs=1)), tmp_path, CPU, replace(QUIET, say=said.append), few)
    assert RunFolder(tmp_path).tested().read_before == (str(before.path),)
    same_images, _ = configure(SETUP.spec, data, RECIPE, Choices(weights=before.path, seed=5))
    fit(same_images, tmp_path / "split", CPU, replace(QUIET, say=said.append), data)
    assert any("may have trained on the images that validate here" in sentence for sentence in said)
    with pytest.raises(RunError, match="cannot be read"):
        configure(SETUP.spec, data, RECIPE, Choices(weights=tmp_path.parent))


def test_a_run_on_small_images_gives_its_small_stem(data, tmp_path):
    setup, _ = configure("googlenet.gray | widen(0.1)", data, RECIPE, Choices(limit_train=100, limit_test=50))
    assert "small_stem" in setup.spec.title
    train(replace(setup, recipe=replace(RECIPE, epochs=1, ema=0.0)), tmp_path, CPU, QUIET, data)
    next_one, _ = configure("googlenet.gray | widen(0.1)", data, RECIPE, Choices(weights=tmp_path))
    assert next_one.spec == setup.spec


def test_weights_of_a_run_that_takes_another_input_are_folded(data, tmp_path):
    spec = for_data(SETUP.spec, data)
    theirs = replace(spec, input=replace(spec.input, mean=(0.2,), std=(0.3,)))
    train(replace(SETUP, spec=theirs, recipe=replace(RECIPE, epochs=1)), tmp_path, CPU, QUIET, data)
    setup, _ = configure(SETUP.spec, data, RECIPE, Choices(weights=tmp_path))
    assert setup.spec.input.mean == (0.2,)  # the first convolution pads: the mean stays theirs
    recipe = replace(RECIPE, epochs=1, lr=1e-12)
    train(replace(setup, recipe=recipe, limit_test=50), tmp_path / "on", CPU, QUIET, data)
    first = "conv.conv.weight"
    factor = setup.spec.input.std[0] / 0.3
    torch.testing.assert_close(weights(tmp_path / "on")[first], weights(tmp_path)[first] * factor)


def test_options_that_resume_would_not_read_are_refused(before, capsys):
    code, _, err = run(
        capsys, "train", "--resume", before.path, "--epochs", "20", "--input-size", "64", "--set", "lr=1"
    )
    assert code == 2
    assert "--epochs, --set, --input-size would not be read: --resume goes on with" in err
    assert f"inceptionlab train --continue {before.path} --epochs N" in err
    code, _, err = run(capsys, "train", "--resume", before.path)
    assert code == 2
    assert "holds a finished run" in err
    assert f"--continue {before.path} --epochs N" in err
    code, _, err = run(
        capsys, "train", "--continue", before.path, "--epochs", "2", "--seed", "3", "--model", "small_v1"
    )
    assert code == 2
    assert "--model, --seed would not be read: --continue has the network" in err


def test_the_command_trains_on_and_calls_a_trial_a_trial(capsys, tmp_path):
    code, out, err = run(capsys, *TRAIN, "--epochs", "1", "--out", tmp_path / "one")
    assert code == 0, err
    assert "a trial on 200 of 1,438 images: 180 to train on, 20 for validation" in err
    assert "(trial of 180 images)" in next(line for line in err.splitlines() if line.startswith("epoch   1/1"))
    assert "a trial: trained on 180 images, 1 epoch in " in out
    assert "tested on 60 images" in out
    code, out, err = run(capsys, "train", "--continue", tmp_path / "one", "--epochs", "2", "--out", tmp_path / "two",
                         "--device", "cpu")  # fmt: skip
    assert code == 0, err
    assert f"the test set had been read before by {tmp_path / 'one'}" in out
    assert json.loads((tmp_path / "two" / "test.json").read_text())["read_before"] == [str(tmp_path / "one")]
    code, out, err = run(capsys, "train", "--weights", tmp_path / "two", "--data", "digits", "--limit-train", "100",
                         "--epochs", "1", "--out", tmp_path / "three", "--device", "cpu")  # fmt: skip
    assert code == 0, err
    assert RunFolder(tmp_path / "three").setup().spec == RunFolder(tmp_path / "one").setup().spec


def test_uneven_classes_are_said_and_weighed(photographs, capsys, tmp_path):
    arguments = ["train", "--model", "small_fast | widen(0.25)", "--data", photographs, "--input-size", "32",
                 "--epochs", "1", "--device", "cpu", "--precision", "fp32", "--out"]  # fmt: skip
    code, _, err = run(capsys, *arguments, tmp_path / "none")
    assert code == 0, err
    assert "training images of 'cat', 2 of 'dog'; --set class_weights=balanced" in err
    code, _, err = run(capsys, *arguments, tmp_path / "balanced", "--set", "class_weights=balanced")
    assert code == 0, err
    assert "uneven" not in err
    assert RunFolder(tmp_path / "balanced").config().recipe.class_weights == "balanced"
    read = [storage.read_tensors(tmp_path / name / "model.safetensors") for name in ("none", "balanced")]
    assert not same(*read)
