import json
import socket
import subprocess
import sys

import pytest

from inceptionlab.training.log import read_metrics

ARGUMENTS = ["train", "--model", "inception_net | small_stem(32) | widen(0.25)", "--data", "digits", "--device", "cpu",
             "--limit-train", "400", "--limit-test", "100", "--epochs", "2", "--precision", "fp32", "--set", "clip=1.0",
             "--set", "ema=0.9"]  # fmt: skip


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


def test_two_processes_give_the_curve_of_one(alone, tmp_path):
    done = launch(2, *ARGUMENTS, "--out", str(tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines().count(str(tmp_path / "two")) == 1  # one process speaks and writes
    one, two = read_metrics(alone), read_metrics(tmp_path / "two")
    assert len(one) == len(two) == 2
    for a, b in zip(one, two, strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-5)
        assert a["val_loss"] == pytest.approx(b["val_loss"], rel=1e-4)
    assert json.loads((tmp_path / "two" / "environment.json").read_text())["processes"] == 2
    tests = [json.loads((folder / "test.json").read_text()) for folder in (alone, tmp_path / "two")]
    assert tests[0]["top1"] == pytest.approx(tests[1]["top1"], abs=0.02)


def test_all_processes_stop_on_an_error_of_one(tmp_path):
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "thesis.txt").write_text("x")
    done = launch(2, *ARGUMENTS, "--out", str(tmp_path / "busy"))
    assert done.returncode != 0
    assert "is not empty and holds no run" in done.stderr
