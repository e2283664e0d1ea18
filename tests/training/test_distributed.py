import json
import shutil
import socket
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from inceptionlab.cli import main
from inceptionlab.runs.folder import RunFolder
from inceptionlab.training.state import load_state, states

ARGUMENTS = ["train", "--model", "inception_net | small_stem(32) | widen(0.25)", "--data", "digits", "--device", "cpu",
             "--limit-train", "400", "--limit-test", "100", "--epochs", "2", "--precision", "fp32", "--set",
             "max_grad_norm=1.0", "--set", "ema=0.9"]  # fmt: skip


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def launch(processes, *arguments):
    """Run the command under torchrun, as its users do."""
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-addr", "127.0.0.1",
                "--master-port", free_port()]  # fmt: skip
    command = [sys.executable, *torchrun, "-m", "inceptionlab", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "run"
    subprocess.run([sys.executable, "-m", "inceptionlab", *ARGUMENTS, "--out", str(folder)], check=True, timeout=240)
    return folder


def near(one, two):
    """Whether two runs have the same curve."""
    one, two = RunFolder(one).epochs(), RunFolder(two).epochs()
    assert len(one) == len(two) == 2
    for a, b in zip(one, two, strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-5)
        assert a.val_loss == pytest.approx(b.val_loss, rel=1e-4)
        assert a.train_top1 == pytest.approx(b.train_top1, abs=0.006)  # of 359 images, two that lie on the border
        assert a.images == b.images == 359


def test_two_processes_give_the_curve_of_one(alone, tmp_path):
    done = launch(2, *ARGUMENTS, "--out", str(tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines().count(str(tmp_path / "two")) == 1  # one process speaks and writes
    near(alone, tmp_path / "two")
    assert json.loads((tmp_path / "two" / "environment.json").read_text())["processes"] == 2
    tests = [json.loads((folder / "test.json").read_text()) for folder in (alone, tmp_path / "two")]
    assert tests[0]["top1"] == pytest.approx(tests[1]["top1"], abs=0.02)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharded") / "run"
    done = launch(2, *ARGUMENTS, "--shard", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def unfinished(run, folder):
    """A copy of a run as it was before its last state."""
    shutil.copytree(run, folder)
    (folder / "test.json").unlink()
    newest = states(folder / "state")[-1]
    shutil.rmtree(newest) if newest.is_dir() else newest.unlink()
    return folder


def test_sharded_processes_give_the_curve_of_one_and_save_shards(alone, sharded):
    near(alone, sharded)
    assert [file.name for file in sorted(states(sharded / "state")[-1].iterdir())] == ["rank-00000.pt", "rank-00001.pt"]
    whole, joined = load_state(alone / "state")[0], load_state(sharded / "state")[0]
    assert joined["progress"]["step"] == whole["progress"]["step"]
    for kind in ("model", "average"):
        for name, value in whole[kind].items():
            assert torch.allclose(joined[kind][name], value, rtol=1e-3, atol=1e-4), name
    weights = [load_file(run / "model.safetensors") for run in (alone, sharded)]
    assert {name: v.shape for name, v in weights[0].items()} == {name: v.shape for name, v in weights[1].items()}


def test_shards_load_in_one_process_and_a_whole_state_in_shards(alone, sharded, tmp_path):
    one = unfinished(sharded, tmp_path / "one")
    subprocess.run([sys.executable, "-m", "inceptionlab", "train", "--resume", str(one), "--device", "cpu"], check=True)
    near(alone, one)
    two = unfinished(alone, tmp_path / "two")
    done = launch(2, "train", "--resume", str(two), "--shard", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    near(alone, two)
    assert states(two / "state")[-1].is_dir()


def test_one_process_alone_cannot_shard(capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        main([*ARGUMENTS, "--shard", "--out", str(tmp_path / "r")])
    assert stopped.value.code == 2
    assert "torchrun --nproc-per-node 2" in capsys.readouterr().err


def test_all_processes_stop_on_an_error_of_one(tmp_path):
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "thesis.txt").write_text("x")
    done = launch(2, *ARGUMENTS, "--out", str(tmp_path / "busy"))
    assert done.returncode != 0
    assert "is not empty and holds no run" in done.stderr


def test_two_processes_fit_the_head_of_one(tmp_path, monkeypatch):
    common = ["train", "small_fast | widen(0.25)", "digits", "--probe", "--device", "cpu", "--limit-train", "200",
              "--limit-test", "60"]  # fmt: skip
    for processes in (2, 1):  # the second finds no features of the first
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache-{processes}"))
        done = launch(processes, *common, "--out", str(tmp_path / f"run-{processes}"))
        assert done.returncode == 0, done.stderr
    two, one = (RunFolder(tmp_path / f"run-{processes}").probe() for processes in (2, 1))
    assert two.losses == pytest.approx(one.losses, rel=1e-3)
    assert (two.strength, two.val_top1) == (one.strength, one.val_top1)
    assert two.train_loss == pytest.approx(one.train_loss, rel=1e-3)
