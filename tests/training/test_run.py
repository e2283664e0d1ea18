import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from inceptionlab import ConfigError, DataError, RunError, get_spec, storage
from inceptionlab.data.batches import Augment
from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.data.registry import digits
from inceptionlab.data.stores.images import InMemory
from inceptionlab.errors import StorageError
from inceptionlab.runs.fitting import make_fabric
from inceptionlab.runs.folder import RunFolder, to_toml
from inceptionlab.runs.options import Machine
from inceptionlab.runs.setup import Setup, training_and_validation
from inceptionlab.runs.testing import train
from inceptionlab.spec import Concat, Conv, Dropout, Linear, Pool, Seq
from inceptionlab.spec.network import Input, Network
from inceptionlab.training import loop
from inceptionlab.training import state as state_files
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.training.recipe import Recipe

TINY = Network(
    "tiny",
    Seq(conv=Conv(8, 3, 2)),
    Seq(block=Concat(one=Conv(8), three=Conv(8, 3))),
    Seq(pool=Pool("avg", to=1), drop=Dropout(0.2), fc=Linear()),
    Input(1, 32, 32),
    classes=10,
)
RECIPE = Recipe(epochs=3, batch_size=64, lr=0.1, precision="fp32", augment=Augment(2, False, 4), ema=0.9)
SETUP = Setup(TINY, RECIPE, "digits", 0, limit_train=300, limit_test=100)
QUIET = Callbacks(say=lambda _: None)


@pytest.fixture(scope="module")
def data():
    return digits()


def curve(folder):
    """The epochs without what depends on the clock."""
    return [replace(epoch, seconds=0.0, images_per_second=0.0) for epoch in RunFolder(folder).epochs()]


def weights(folder):
    return storage.read_tensors(folder / "model.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("run") / "whole"
    return folder, train(SETUP, folder, Machine("cpu"), QUIET, data)


def test_a_run_leaves_a_folder(finished):
    folder, score = finished
    names = {p.name for p in folder.iterdir()}
    assert names >= {
        "config.toml", "spec.json", "environment.json", "metrics.jsonl", "model.safetensors", "state", "curves.svg",
        "test.json", "report.html", "classes.json", "predictions.csv",
    }  # fmt: skip
    test = json.loads((folder / "test.json").read_text())
    assert set(test) == {
        "top1",
        "top1_low",
        "top1_high",
        "top5",
        "n",
        "n_classes",
        "loss",
        "ece",
        "selected_by",
        "seed",
        "views",
        "precision",
        "read_before",
    }
    assert (test["n"], test["seed"]) == (100, 0)
    assert test["top1"] == score.top1
    assert "best val_top1" in test["selected_by"]
    record = RunFolder(folder).epochs()[-1]
    assert set(record.__slots__) == {
        "epoch",
        "step",
        "train_loss",
        "val_loss",
        "val_top1",
        "lr",
        "seconds",
        "images_per_second",
        "train_top1",
        "images",
    }
    assert [r.epoch for r in RunFolder(folder).epochs()] == [1, 2, 3]
    assert len(list((folder / "state").iterdir())) == 2
    environment = json.loads((folder / "environment.json").read_text())
    assert set(environment) >= {"packages", "device", "data", "source", "precision"}
    assert RunFolder(folder).setup() == SETUP


def test_the_report_is_one_page_that_loads_nothing(finished):
    page = (finished[0] / "report.html").read_text()
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert "95 % interval" in page
    assert page.count("<svg") >= 4


def test_the_same_seed_gives_the_same_run_and_another_does_not(finished, tmp_path, data):
    folder, _ = finished
    train(SETUP, tmp_path / "again", Machine("cpu"), QUIET, data)
    assert curve(tmp_path / "again") == curve(folder)
    assert same(weights(tmp_path / "again"), weights(folder))
    train(replace(SETUP, seed=1), tmp_path / "other", Machine("cpu"), QUIET, data)
    assert curve(tmp_path / "other") != curve(folder)


@pytest.mark.parametrize("stop_after", [1, 4, 5, 7, 13])
def test_a_stopped_run_goes_on_bit_for_bit(finished, tmp_path, data, stop_after):
    folder, _ = finished
    steps = iter(range(1, 1000))
    stopping = Callbacks(say=lambda _: None, stop=lambda: next(steps) == stop_after)
    assert train(SETUP, tmp_path, Machine("cpu"), stopping, data) is None
    assert not (tmp_path / "test.json").exists()
    train(SETUP, tmp_path, Machine("cpu"), QUIET, data)
    assert curve(tmp_path) == curve(folder)
    assert same(weights(tmp_path), weights(folder))
    assert json.loads((tmp_path / "test.json").read_text()) == json.loads((folder / "test.json").read_text())


def test_accumulating_gradients_gives_the_step_of_the_whole_batch(tmp_path, data):
    spec = replace(TINY, stem=Seq(conv=Conv(8, 3, 2, norm=None)), body=Seq(block=Conv(8, norm=None)), head=Seq(
        pool=Pool("avg", to=1), fc=Linear()))  # fmt: skip
    plain = replace(RECIPE, epochs=1, batch_size=90, ema=0.0, augment=Augment(0, False, 0))
    split = replace(plain, batch_size=30, accumulate=3)
    for name, recipe in (("plain", plain), ("split", split)):
        train(replace(SETUP, spec=spec, recipe=recipe), tmp_path / name, Machine("cpu"), QUIET, data)
    for a, b in zip(weights(tmp_path / "plain").values(), weights(tmp_path / "split").values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_truncated_state_is_passed_over(finished, tmp_path, data):
    folder, _ = finished
    steps = iter(range(1, 1000))
    assert train(SETUP, tmp_path, Machine("cpu"), Callbacks(stop=lambda: next(steps) == 9), data) is None
    newest = max((tmp_path / "state").iterdir())
    newest.write_bytes(newest.read_bytes()[:1000])
    said = []
    train(SETUP, tmp_path, Machine("cpu"), Callbacks(say=said.append), data)
    assert any("the state before it is used" in words for words in said)
    assert same(weights(tmp_path), weights(folder))


SCRIPT = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from inceptionlab.training import loop
loop.SECONDS_BETWEEN_STATES = 0.05
loop.SHARE_OF_SAVING = 1.0
from inceptionlab.runs.folder import RunFolder
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.runs.options import Machine
from inceptionlab.runs.testing import train
from tests.training.test_run import SETUP
def step(progress, loss):
    import time
    time.sleep(0.02)
    print(progress.step, flush=True)
train(SETUP, Path(sys.argv[1]), Machine("cpu"), Callbacks(on_step=step, say=print))
"""


@pytest.mark.parametrize("kill_at", [2, 6, 11])
def test_a_killed_run_goes_on_bit_for_bit(finished, tmp_path, data, kill_at):
    folder, _ = finished
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with process:
        for line in process.stdout:
            if line.strip() == str(kill_at):
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    train(SETUP, tmp_path, Machine("cpu"), QUIET, data)
    assert curve(tmp_path) == curve(folder)
    assert same(weights(tmp_path), weights(folder))


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_state(tmp_path, data):
    setup = replace(SETUP, recipe=replace(RECIPE, lr=1e30, warmup=0.0, epochs=2, ema=0.0))
    with pytest.raises(RunError, match=r"not a finite number any more at epoch \d, step \d+; ") as caught:
        train(setup, tmp_path, Machine("cpu"), QUIET, data)
    assert not (tmp_path / "test.json").exists()
    state, _ = state_files.load_state(tmp_path / "state")
    assert ("no state was written yet" if state is None else "the last good state is in") in str(caught.value)
    assert state is None or all(v.isfinite().all() for v in state["model"].values())


def test_weights_that_are_not_finite_are_never_saved(tmp_path, data, monkeypatch):
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_STATES", 0.0)
    monkeypatch.setattr(loop, "SHARE_OF_SAVING", 1e9)
    setup = replace(SETUP, recipe=replace(RECIPE, lr=1e38, warmup=0.0, epochs=2, ema=0.0))
    with pytest.raises(RunError, match="not a finite number any more"):
        train(setup, tmp_path, Machine("cpu"), QUIET, data)
    for path in (tmp_path / "state").glob("*.pt"):
        state = torch.load(path, weights_only=True)
        assert all(v.isfinite().all() for v in state["model"].values())


def test_early_stopping_waits_for_its_patience(tmp_path, data):
    recipe = replace(RECIPE, epochs=50, lr=1e-9, patience=2, ema=0.0, warmup=0.0)
    train(replace(SETUP, recipe=recipe), tmp_path, Machine("cpu"), QUIET, data)
    assert 3 <= len(RunFolder(tmp_path).epochs()) < 10


def test_the_last_weights_are_tested_where_the_recipe_says_so(tmp_path, data):
    recipe = replace(RECIPE, epochs=3, lr=1e-9, ema=0.0, warmup=0.0)  # too slow to beat the first epoch
    told = {}
    for select in ("best", "last"):
        train(replace(SETUP, recipe=replace(recipe, select=select)), tmp_path / select, Machine("cpu"), QUIET, data)
        state, _ = state_files.load_state(tmp_path / select / "state")
        kept = storage.read_tensors(tmp_path / select / "model.safetensors")
        same = all(torch.equal(kept[name], value) for name, value in state["model"].items())
        told[select] = same, json.loads((tmp_path / select / "test.json").read_text())["selected_by"]
    assert told["last"] == (True, "last epoch (3)")
    assert "best val_top1" in told["best"][1]


def test_auxiliary_losses_and_tensorboard(tmp_path, data):
    spec = replace(get_spec("googlenet.paper | small_stem(32) | widen(0.05)"), classes=10).with_channels(1)
    from inceptionlab.zoo.configure import with_fitting_aux

    setup = replace(SETUP, spec=with_fitting_aux(spec), recipe=replace(RECIPE, epochs=1, lr=0.001), limit_train=100)
    train(setup, tmp_path, Machine("cpu", tensorboard=True), QUIET, data)
    assert list((tmp_path / "tensorboard").iterdir())
    state, _ = state_files.load_state(tmp_path / "state")
    assert any(key.startswith("aux1.") for key in state["model"])


def test_mixed_precision_trains(tmp_path, data):
    setup = replace(SETUP, recipe=replace(RECIPE, precision="bf16", epochs=1))
    train(setup, tmp_path, Machine("cpu"), QUIET, data)
    assert json.loads((tmp_path / "environment.json").read_text())["precision"] == "bf16"


@pytest.mark.parametrize("options", [{"grad_checkpoint": "block*"}], ids=str)
def test_how_it_runs_does_not_change_what_is_computed(finished, tmp_path, data, options):
    train(SETUP, tmp_path / "run", Machine("cpu", **options), QUIET, data)
    for one, two in zip(curve(finished[0]), curve(tmp_path / "run"), strict=True):
        assert one.train_loss == pytest.approx(two.train_loss, rel=1e-5)
    assert weights(finished[0]).keys() == weights(tmp_path / "run").keys()


def test_compiled_training_runs_the_compiled_function(tmp_path, data, monkeypatch):
    called = []

    def compiled(function, mode):
        return lambda x: called.append(mode) or function(x)

    monkeypatch.setattr(torch, "compile", compiled)
    setup = replace(SETUP, recipe=replace(RECIPE, epochs=1))
    train(setup, tmp_path / "run", Machine("cpu", compile="reduce-overhead"), QUIET, data)
    assert set(called) == {"reduce-overhead"}
    assert len(called) == 5  # 270 images in batches of 64


def test_synchronised_norms_are_for_gpus(tmp_path, data):
    with pytest.raises(ConfigError, match="works on GPUs only"):
        train(replace(SETUP, recipe=replace(RECIPE, sync_norm=True)), tmp_path / "run", Machine("cpu"), QUIET, data)


def test_what_cannot_run_is_said():
    with pytest.raises(ConfigError, match="known are auto, cpu"):
        make_fabric("gpu", "fp32")
    with pytest.raises(ConfigError, match="fp16 trains on GPUs only"):
        make_fabric("cpu", "fp16")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="torch finds none"):
            make_fabric("cuda", "fp32")


def test_a_folder_holds_one_run(finished, tmp_path):
    folder, _ = finished
    with pytest.raises(RunError, match="holds a finished run"):
        RunFolder(folder).claim(SETUP)
    RunFolder(tmp_path / "a").claim(SETUP)
    RunFolder(tmp_path / "a").claim(SETUP)
    with pytest.raises(RunError, match="another configuration"):
        RunFolder(tmp_path / "a").claim(replace(SETUP, seed=5))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("x")
    with pytest.raises(RunError, match="is not empty and holds no run"):
        RunFolder(tmp_path / "b").claim(SETUP)
    with pytest.raises(RunError, match="is not a run folder"):
        RunFolder(tmp_path / "b").setup()
    (tmp_path / "a" / "config.toml").write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        RunFolder(tmp_path / "a").setup()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="cannot be made"):
        RunFolder(tmp_path / "a").claim(SETUP)


FULL = """
import resource, sys
from pathlib import Path
from inceptionlab.storage import write
from inceptionlab.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write(Path(sys.argv[1]), b"x" * 5000)
except StorageError as error:
    print(error)
"""


def test_a_full_disk_keeps_what_was_there(tmp_path):
    path = tmp_path / "file"
    storage.write(path, "before")
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    assert "the disk is full; what was there is kept" in done.stdout
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_device_is_written_to_and_never_replaced(tmp_path):
    path = tmp_path / "device"
    path.symlink_to("/dev/full")  # a link, so that no mistake costs the machine its device
    with pytest.raises(StorageError, match="device could not be written .*: the disk is full"):
        storage.write(path, b"x" * 5000)
    assert path.is_symlink()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    storage.write(pipe, "words")
    assert os.read(reader, 100) == b"words"
    os.close(reader)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StorageError) as error:
        storage.write(tmp_path / "no" / "file", "words")
    assert str(error.value).endswith(f"could not be written (0 bytes): there is no folder {tmp_path / 'no'}")


def test_weights_that_are_cut_off_are_refused(tmp_path):
    storage.write_tensors(tmp_path / "w.safetensors", {"a": torch.ones(100)}, {})
    (tmp_path / "w.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:50])
    with pytest.raises(DataError, match="cannot be read as weights"):
        storage.read_tensors(tmp_path / "w.safetensors")


def test_a_run_does_not_go_on_with_other_images(tmp_path, data):
    assert train(SETUP, tmp_path, Machine("cpu"), Callbacks(stop=lambda: True), data) is None
    other = replace(data, train=replace(data.train, images=InMemory(255 - data.train.images[:])))
    with pytest.raises(RunError, match="put the same data back"):
        train(SETUP, tmp_path, Machine("cpu"), QUIET, other)


def test_validation_comes_from_the_training_images(data):
    training, validation = training_and_validation(data, replace(SETUP, limit_train=None))
    assert len(training) + len(validation) == len(data.train)
    own = DataSet("d", data.train, data.test, validation=data.test)
    assert training_and_validation(own, SETUP)[1] is data.test


def test_one_training_image_is_refused(tmp_path):
    images = torch.zeros(4, 32, 32, 1, dtype=torch.uint8)
    pair = Samples(InMemory(images[:2]), torch.tensor([0, 1]), tuple("0123456789"))
    with pytest.raises(DataError, match="too few to split"):
        train(replace(SETUP, limit_train=None), tmp_path, Machine("cpu"), QUIET, DataSet("d", pair, pair))


def test_toml_comes_back():
    import tomllib

    values = {"a": 1, "b": 'ünï "q"', "c": 0.5, "t": {"d": True, "u": {"e": 1}}}
    assert tomllib.loads(to_toml(values)) == values


def test_states_are_written_seldom_enough():
    assert loop.SHARE_OF_SAVING <= 0.05
    assert time.monotonic() > 0
