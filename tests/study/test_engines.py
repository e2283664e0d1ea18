import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from inceptionlab import MissingExtra, storage
from inceptionlab.cli import main
from inceptionlab.errors import install_command
from inceptionlab.studies.loading import load_study
from inceptionlab.studies.running import runs_of

STUDY = """
model = "small_fast | widen(0.25)"
data = "digits"
seeds = [0, 1]
limit_train = 200
limit_test = 60
[settings]
epochs = {epochs}
[factors.residual]
off = ""
on = "residual(1.0)"
broken = {{ settings = {{ lr = 1e30 }} }}
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "tiny.toml").write_text(STUDY.format(epochs=2))
    return tmp_path / "tiny.toml"


def outcome(file, out):
    """What each run came to: its accuracy, or the beginning of the reason why it failed."""
    return [run.score.top1 if run.score else run.error[:8] for run in runs_of(load_study(file), out)]


def test_workers_compute_what_one_process_does(file, tmp_path, capsys):
    main(["study", "run", str(file), "--out", str(tmp_path / "one"), "--device", "cpu"])
    main(["study", "run", str(file), "--out", str(tmp_path / "two"), "--device", "cpu", "--workers", "2"])
    assert "6/6" in capsys.readouterr().out
    assert outcome(file, tmp_path / "one") == outcome(file, tmp_path / "two")
    assert outcome(file, tmp_path / "two").count("the loss") == 2


def started(command):
    """A study under way, of which the first run has ended."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    for line in process.stdout:
        if line.startswith("1/"):
            return process
    raise AssertionError(f"the study ended with {process.wait()}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path, number):
    file, out = tmp_path / "long.toml", tmp_path / "out"
    file.write_text(STUDY.format(epochs=25))
    command = [sys.executable, "-m", "inceptionlab", "study", "run", str(file), "--out", str(out), "--device", "cpu",
               "--workers", "2"]  # fmt: skip
    with started(command) as process:
        process.send_signal(number)
        process.communicate(timeout=60)  # read to the end, or its next line would find nobody
    assert process.returncode == (130 if number == signal.SIGTERM else -number)
    time.sleep(1.5)
    states = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    time.sleep(1.0)
    assert states == {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}  # nobody writes
    main(["study", "run", str(file), "--out", str(out), "--device", "cpu", "--workers", "2"])
    assert None not in [run.score for run in runs_of(load_study(file), out.resolve()) if not run.error]


def test_what_workers_cannot_be(file, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["study", "run", str(file), "--out", str(tmp_path / "out"), "--workers", "0"])
    assert stopped.value.code == 2
    assert "give at least 1 worker" in capsys.readouterr().err


def test_without_ray_it_is_said(monkeypatch):
    from inceptionlab.runs.options import Machine
    from inceptionlab.studies.engines import on_ray

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=re.escape(install_command("ray"))):
        on_ray(Machine("cpu"), "local", 0, lambda: False)


def dealt(out):
    """The GPUs that the runs of a study were dealt."""
    found = [json.loads(path.read_text())["visible_gpus"] for path in out.rglob("environment.json")]
    assert len(found) == 6
    return set(found)


def test_workers_are_dealt_a_gpu_each(file, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)  # what the workers find is none, so they take the CPU
    main(["study", "run", str(file), "--out", str(tmp_path / "out"), "--device", "auto", "--workers", "2"])
    assert dealt(tmp_path / "out") == {"0", "1"}


CLUSTER = """
import sys
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from inceptionlab.studies.loading import load_study
from inceptionlab.studies.engines import on_ray
from inceptionlab.studies.study import study as run_study
from inceptionlab.runs.options import Machine

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1, num_gpus=1)
cluster.wait_for_nodes()
ray.init(address=cluster.address, log_to_driver=False)
print(len([node for node in ray.nodes() if node["Alive"]]), "nodes", flush=True)
say = lambda text: print(text, flush=True)
run_study(load_study(Path(sys.argv[1])), Path(sys.argv[2]), on_ray(Machine("cpu"), "auto", 0.5, lambda: False), say)
ray.shutdown()
cluster.shutdown()
"""


def test_a_cluster_of_two_nodes_computes_a_study(file, tmp_path):
    pytest.importorskip("ray")
    out = tmp_path / "out"
    environment = {
        **os.environ,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
        "RAY_worker_niceness": "0",
    }  # else tests beside this one starve its workers
    done = subprocess.run([sys.executable, "-c", CLUSTER, str(file), str(out)], capture_output=True, text=True,
                          timeout=240, env=environment)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 nodes")
    assert "6/6" in done.stdout
    assert outcome(file, out).count("the loss") == 2
    assert dealt(out) == {"0"}  # each node has one, which Ray believes without looking, and lends by halves
    main(["study", "report", str(prepared(file, out))])


def prepared(file, out):
    storage.write(out / "study.toml", Path(file).read_text())
    return out


def test_a_study_fixes_what_precision_comes_to(tmp_path, monkeypatch):
    from dataclasses import replace

    from inceptionlab.runs.folder import RunFolder
    from inceptionlab.runs.options import Machine
    from inceptionlab.studies import running
    from tests.training.test_run import QUIET, RECIPE, SETUP

    measured = iter(["bf16", "fp32", "fp32"])
    monkeypatch.setattr(running, "fastest_precision", lambda device: next(measured))
    setup = replace(SETUP, recipe=replace(RECIPE, epochs=1, precision="auto"))
    for seed in (0, 1):  # another day, on which fp32 is the faster one
        folder = tmp_path / "out" / "runs" / str(seed)
        running.execute(replace(setup, seed=seed), folder, Machine("cpu"), QUIET)
        assert RunFolder(folder).environment().precision == "bf16"
    assert json.loads((tmp_path / "out" / "precision.json").read_text()) == {"precision": "bf16"}
    (tmp_path / "out" / "precision.json").unlink()  # a study of before: its first run has said it
    assert running.agreed_precision(tmp_path / "out", "cpu") == "bf16"
    fixed = replace(SETUP, recipe=replace(RECIPE, epochs=1))
    running.execute(fixed, tmp_path / "out" / "runs" / "fixed", Machine("cpu"), QUIET)
    assert RunFolder(tmp_path / "out" / "runs" / "fixed").environment().precision == "fp32"
    (tmp_path / "out" / "precision.json").write_text('{"precision": "fp8"}')
    assert "precision.json" in running.execute(replace(setup, seed=2), tmp_path / "out" / "runs" / "2", Machine("cpu"),
                                               QUIET).words  # fmt: skip


def test_processes_that_train_a_study_keep_their_pages(file, tmp_path, monkeypatch):
    from contextlib import contextmanager

    from inceptionlab.runs.options import Machine
    from inceptionlab.studies import engines
    from inceptionlab.training import allocation

    seen = []

    @contextmanager
    def noted(checkpointing):
        seen.append(checkpointing)
        yield

    monkeypatch.setattr(allocation, "launched", noted)
    monkeypatch.setattr(engines, "launched", noted)
    monkeypatch.setattr(engines, "execute", lambda *_: "done")
    monkeypatch.setattr(engines, "_HALT", [type("Halt", (), {"is_set": lambda self: False})()])
    main(["study", "run", str(file), "--out", str(tmp_path / "out"), "--device", "cpu"])
    engines._in_worker(None, "x", Machine("cpu", grad_checkpoint="*"))
    assert seen == [False, True]
