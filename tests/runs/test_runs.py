"""A run from Python: fit without a test set, the test once, and what stands in the folder."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from inceptionlab import ConfigError, RunError, SpecError
from inceptionlab.data.registry import digits
from inceptionlab.runs.configuring import configure
from inceptionlab.runs.dry import plan
from inceptionlab.runs.fitting import fit
from inceptionlab.runs.folder import RunFolder
from inceptionlab.runs.options import Choices, Machine
from inceptionlab.runs.predicting import predict
from inceptionlab.runs.prediction import load_run
from inceptionlab.runs.testing import test as read_test_set
from inceptionlab.runs.testing import train
from inceptionlab.spec import Block, Seq
from inceptionlab.training.recipe import load_recipe
from tests.training.test_run import QUIET, SETUP, TINY

CPU = Machine("cpu")


class Untouchable:
    """A test set that says who reads it."""

    def __init__(self, images):
        self.images = images

    def __getattr__(self, name):
        if name in ("limited", "images", "subset"):
            raise AssertionError("the test set was read")
        return getattr(self.images, name)


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, data):
    folder = RunFolder(tmp_path_factory.mktemp("fit") / "run")
    guarded = replace(data)
    object.__setattr__(guarded, "test", Untouchable(data.test))
    return folder, fit(SETUP, folder, CPU, QUIET, guarded)


def test_fit_touches_no_test_set_and_says_how_it_ended(fitted):
    folder, ended = fitted
    assert (ended.epochs, ended.stopped) == (3, False)
    assert not folder.is_tested
    assert folder.fitted() == ended
    assert ended.best_top1 == pytest.approx(max(epoch.val_top1 for epoch in folder.epochs()))


def test_the_test_is_read_once(fitted, data, tmp_path):
    folder, _ = fitted
    score = read_test_set(folder, data)
    found = folder.predictions()
    assert (found.logits.argmax(1) == found.labels).float().mean().item() == pytest.approx(score.top1)
    assert folder.report.is_file()
    poisoned = replace(data)
    object.__setattr__(poisoned, "test", Untouchable(data.test))
    assert read_test_set(folder, poisoned) == score
    assert train(SETUP, tmp_path / "whole", CPU, QUIET, data) == score


def test_a_run_that_has_not_ended_is_not_tested(tmp_path, data):
    stopped = fit(SETUP, tmp_path, CPU, replace(QUIET, stop=lambda: True), data)
    assert stopped.stopped
    with pytest.raises(RunError, match="has not trained to its end"):
        read_test_set(tmp_path, data)


def test_images_are_predicted_however_they_are_given(fitted, data, tmp_path):
    folder, _ = fitted
    pixels = data.test.images[0].numpy()
    Image.fromarray(pixels[..., 0]).save(tmp_path / "a.png")
    given = [tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(pixels[..., 0]), pixels, pixels[..., 0]]
    found = predict(folder, given, top=2)
    assert [one.path for one in found] == [*[str(tmp_path / "a.png")] * 2, "image 2", "image 3", "image 4"]
    assert len({one.top for one in found}) == 1
    assert found[0].label in found[0]._repr_html_()
    with pytest.raises(ConfigError, match="at least 1 class"):
        predict(folder, given, top=0)


def test_configure_fits_a_network_to_the_data(data):
    setup, loaded = configure("inception_net | widen(0.25)", data, choices=Choices(seed=3, limit_train=100))
    assert loaded is data
    assert setup.spec.input.shape == (1, 32, 32)
    assert (setup.seed, setup.limit_train, setup.data, setup.spec.classes) == (3, 100, "digits", 10)
    assert configure(TINY, data, "small")[0].recipe == load_recipe("small")


@pytest.mark.parametrize(
    "wrong",
    [{"seed": -1}, {"seed": 1.5}, {"seed": True}, {"limit_train": 0}, {"stem": "large"}, {"input_size": 0},
     {"input_size": 10**9}, {"aux": "yes"}],
    ids=str,
)  # fmt: skip
def test_wrong_choices_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Choices(**wrong)


def test_data_in_the_place_of_a_folder_are_told_their_place(data):
    with pytest.raises(RunError, match="a run is a folder, and DataSet names none; write data=DATA"):
        plan(SETUP, data)


def test_numpy_numbers_and_text_paths_are_taken():
    assert Choices(seed=np.int64(3)).seed == 3
    assert Machine(data_dir="somewhere").data_dir.name == "somewhere"


def test_a_configuration_that_is_damaged_is_refused(fitted, tmp_path):
    folder, _ = fitted
    text = (folder.path / "config.toml").read_text()
    (tmp_path / "spec.json").write_text((folder.path / "spec.json").read_text())
    chance = random.Random(0)
    wrong = [
        text.replace("epochs = 3", "epochs = 2.5"),
        text.replace("seed = 0", 'seed = "x"'),
        "x" + text,
        "",
        "[",
        text + "\nnew = 1",
    ]
    wrong += ["".join(chance.sample(text, len(text))) for _ in range(5)]
    for content in wrong:
        (tmp_path / "config.toml").write_text(content)
        with pytest.raises(RunError, match=r"config\.toml"):
            RunFolder(tmp_path).setup()


class Doubling(nn.Module):
    def forward(self, x):
        return 2 * x


def doubling(channels):
    return Doubling()


def test_a_network_with_a_block_of_ones_own_is_resumed_loaded_and_tested(tmp_path, data):
    spec = replace(TINY, body=Seq(*[node for _, node in TINY.body.children], Block(doubling)))
    setup = replace(SETUP, spec=spec, recipe=replace(SETUP.recipe, epochs=2))
    blocks = {f"{__name__}:doubling": doubling}
    steps = iter(range(100))
    assert fit(setup, tmp_path, CPU, replace(QUIET, stop=lambda: next(steps) == 5), data).stopped
    with pytest.raises(SpecError, match="blocks"):
        RunFolder(tmp_path).setup()
    resumed = RunFolder(tmp_path).setup(blocks)
    assert resumed == setup
    assert train(resumed, tmp_path, CPU, QUIET, data) is not None
    trained = load_run(tmp_path, blocks=blocks)
    assert trained.run(torch.zeros(1, 1, 32, 32)).shape == (1, 10)


def test_two_equal_runs_give_equal_files(tmp_path, data):
    setup = replace(SETUP, recipe=replace(SETUP.recipe, epochs=1))
    for name in ("a", "b"):
        train(setup, tmp_path / name, CPU, QUIET, data)
    for name in ("model.safetensors", "predictions.safetensors", "config.toml", "spec.json", "test.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert json.loads((tmp_path / "a" / "fit.json").read_text())["stopped"] is False
