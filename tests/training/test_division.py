"""The work and the memory of several processes: each reads its own images, and holds its own part of the weights."""

import json
import shutil
import subprocess
import sys
from itertools import chain

import pytest
import torch

from inceptionlab import storage
from tests.training.test_distributed import free_port

SCRIPT = """
import faulthandler, json, sys
faulthandler.enable()
from dataclasses import dataclass, field
from pathlib import Path
import numpy as np
import torch
torch.set_num_threads(1)
from torch.distributed.tensor import DTensor
from inceptionlab import build
from inceptionlab.data.batches import Augment
from inceptionlab.data.dataset import Samples
from inceptionlab.data.stores.lazy import LazyImages
from inceptionlab.runs.fitting import make_fabric
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.training.loop import Trainer
from inceptionlab.training.placement import placement_of
from inceptionlab.training.recipe import Recipe
from inceptionlab.spec import Concat, Conv, Linear, Pool, Seq
from inceptionlab.spec.network import Input, Network

TINY = Network("tiny", Seq(conv=Conv(8, 3, 2)), Seq(block=Concat(one=Conv(8), three=Conv(8, 3))),
               Seq(pool=Pool("avg", to=1), fc=Linear()), Input(1, 32, 32), classes=10)

@dataclass
class Store:
    seed: int
    size: tuple = (32, 32, 1)
    identity: str = "x"
    read_: list = field(default_factory=list)
    def read(self, numbers):
        self.read_ += numbers.tolist()
        return np.stack([np.random.default_rng(int(n) + self.seed).integers(0, 256, self.size, np.uint8)
                         for n in numbers])
    def order(self, index, generator):
        return torch.randperm(len(index), generator=generator)
    def blocks_of(self, numbers):
        return None
    def expect(self, numbers):
        pass

def images(count, seed):
    return Samples(LazyImages(Store(seed), torch.arange(count)), torch.arange(count) % 10, tuple("0123456789"))

def local(value):
    return (value.to_local() if isinstance(value, DTensor) else value).detach()

def held(values):
    storages = {local(v).untyped_storage().data_ptr(): local(v).untyped_storage().nbytes() for v in values}
    return sum(storages.values())

folder, shard = Path(sys.argv[1]), sys.argv[2] == "shard"
fabric, _ = make_fabric("cpu", "fp32", shard)
network = build(TINY, seed=0)
whole = 4 * sum(p.numel() for p in network.parameters())
recipe = Recipe(epochs=2, batch_size=16, ema=0.9, augment=Augment(2, False))
train, validation, most, curve = images(96, 0), images(50, 1000), [], []
def look(*_):
    moments = [v for values in trainer.optimizer.state.values() for v in values.values() if torch.is_tensor(v)]
    averages = [trainer.average.state[name] for name, _ in network.named_parameters()]
    most.append([held(kind) / whole for kind in (list(network.parameters()), averages, moments)])
calls = Callbacks(on_step=look, on_epoch=lambda e: (look(), curve.append([e.train_loss, e.val_loss, e.val_top1])))
trainer = Trainer(network, recipe, placement_of(fabric), folder / "run", 0, calls)
(folder / "run").mkdir(parents=True, exist_ok=True)
resumed = trainer.progress.step
fitted = trainer.fit(train, validation)
found = {"train": train.images.store.read_, "validation": validation.images.store.read_, "curve": curve,
         "resumed": resumed, "fitted": [fitted.epochs, fitted.stopped],
         "most": [max(kinds) for kinds in zip(*most)] if most else []}
(folder / f"found-{fabric.world_size}-{fabric.global_rank}.json").write_text(json.dumps(found))
if torch.distributed.is_initialized():
    torch.distributed.destroy_process_group()
    import os
    os._exit(0)  # without the destructors of torch's threads, one of which aborts now and then
"""


def run(folder, processes, kind):
    """What each process found."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-addr",
               "127.0.0.1", "--master-port", free_port()] if processes > 1 else [sys.executable]  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [*command, str(folder / "script.py"), str(folder), kind], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"found-{processes}-{rank}.json").read_text()) for rank in range(processes)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return run(tmp_path_factory.mktemp("alone"), 1, "whole")[0]


@pytest.fixture(scope="module")
def divided(tmp_path_factory):
    folder = tmp_path_factory.mktemp("divided")
    return folder, run(folder, 2, "shard")


def work_is_shared(found, alone):
    """Each process reads its rows of every batch, and its part of the validation images; all find what one finds."""
    processes = len(found)
    assert len(alone["train"]) == 2 * 96
    assert [len(one["train"]) for one in found] == [2 * 96 // processes] * processes
    assert sorted(chain(*(one["train"] for one in found))) == sorted(alone["train"])
    for one in found:  # a part may be one image longer than it counts, so that all run the same number of passes
        assert len(one["validation"]) == 2 * -(-50 // processes)
        assert one["curve"] == found[0]["curve"]
    assert set(chain(*(one["validation"] for one in found))) == set(range(50))
    for epoch, expected in zip(found[0]["curve"], alone["curve"], strict=True):
        assert epoch[:2] == pytest.approx(expected[:2], rel=5e-3)  # each norm sees its own rows alone


def test_two_processes_read_half_each(alone, tmp_path):
    found = run(tmp_path, 2, "whole")
    work_is_shared(found, alone)
    assert all(part == pytest.approx(1.0, rel=0.01) for one in found for part in one["most"])


def test_divided_weights_are_whole_nowhere(alone, divided, tmp_path):
    for found in (divided[1], run(tmp_path, 4, "shard")):
        work_is_shared(found, alone)
        for one in found:  # of weights, averaged weights, momentum; parts are padded to one size
            assert all(part < 1.3 / len(found) for part in one["most"])


@pytest.mark.parametrize(("processes", "kind"), [(1, "whole"), (4, "shard")])
def test_a_state_of_two_goes_on_in_one_and_in_four(divided, tmp_path, processes, kind):
    shutil.copytree(divided[0], tmp_path / "copy")
    found = run(tmp_path / "copy", processes, kind)
    assert [(one["resumed"], one["fitted"]) for one in found] == [(12, [2, False])] * processes


def test_tensors_written_one_by_one_are_those_written_at_once(tmp_path):
    tensors = {"b": torch.arange(3), "a.weight": torch.randn(3, 2), "half": torch.randn(5).bfloat16(),
               "one": torch.tensor(2.5), "flag": torch.tensor([True, False, True]), "none": torch.zeros(0)}  # fmt: skip
    asked = []
    about = {"spec": "é", "n": 3}
    storage.write_each_tensor(tmp_path / "w", tensors, lambda name: asked.append(name) or tensors[name], about)
    found = storage.read_tensors(tmp_path / "w")
    assert asked == storage.in_order(tensors)
    assert all(torch.equal(found[name], value) for name, value in tensors.items())
    assert storage.read_about(tmp_path / "w") == about
