"""`Fidelity`, told a batch at a time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import inceptionlab
from inceptionlab.distances.measuring import fidelity
from inceptionlab.errors import ConfigError, DataError
from tests.distances.test_fidelity import Tiny


@pytest.fixture(scope="module")
def images():
    drawn = np.random.default_rng(0)
    return [
        torch.from_numpy(drawn.integers(0, 200 + 20 * i, (n, 3, 20, 24), dtype=np.uint8)) for i, n in ((0, 30), (1, 40))
    ]


def numbers(found):
    return {name: value for name, value in found.as_record().items() if isinstance(value, float | int)}


def test_batches_give_what_sets_give(images):
    generated, real = images
    metric = inceptionlab.Fidelity(Tiny())
    for part in torch.split(real, 7):
        metric.update(real=part)
    for part in torch.split(generated, 9):
        metric.update(generated=part.float() / 255)
    assert numbers(metric.compute()) == pytest.approx(numbers(fidelity(generated, real, Tiny())), rel=1e-6)
    assert numbers(metric.compute()) == numbers(metric.compute())


def test_moments_alone_give_the_distance(images, monkeypatch):
    monkeypatch.setattr("inceptionlab.distances.told.GATHERED", 10)
    generated, real = images
    metric = inceptionlab.Fidelity(Tiny(), keep=False)
    for part in torch.split(real, 7):
        metric.update(real=part)
    metric.update(generated=generated)
    found = metric.compute()
    assert found.fid == pytest.approx(fidelity(generated, real, Tiny()).fid, rel=1e-6)
    assert (found.n, found.n_real, found.kid, found.fid_low) == (30, 40, None, None)
    assert not metric.real.waiting or sum(map(len, metric.real.waiting)) < 10


def test_reset_keeps_the_real_images(images):
    generated, real = images
    metric = inceptionlab.Fidelity(Tiny())
    metric.update(real=real, generated=real)
    assert metric.compute().fid < 1e-9
    metric.reset()
    metric.update(generated=generated)
    assert metric.compute().fid == pytest.approx(fidelity(generated, real, Tiny()).fid, rel=1e-6)
    metric.reset(real=True)
    with pytest.raises(DataError, match=r"0 generated image\(s\) were told; call update\(generated=images\)"):
        metric.compute()


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (torch.zeros(2, 1, 8, 8), r"2x1x8x8 of torch.float32; give b x 3 x h x w"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int64), "of torch.int64"),
        (torch.full((2, 3, 8, 8), 2.0), "have values from 2 to 2; floats go from 0 to 1"),
        (torch.full((2, 3, 8, 8), float("nan")), "have values from nan to nan"),
    ],
)
def test_what_is_no_batch_is_refused(batch, words):
    with pytest.raises(DataError, match=words):
        inceptionlab.Fidelity(Tiny()).update(real=batch)


@pytest.mark.parametrize("keep", [True, False])
def test_a_killed_loop_goes_on(images, tmp_path, keep):
    def metric():
        return inceptionlab.Fidelity(Tiny(), keep=keep)

    first, second = metric(), metric()
    for part in torch.split(images[1], 9):
        first.update(real=part)
    first.update(generated=images[0][:11])
    first.save(tmp_path / "fidelity.safetensors")
    second.load(tmp_path / "fidelity.safetensors")
    for one in (first, second):
        one.update(generated=images[0][11:])
    assert numbers(second.compute()) == pytest.approx(numbers(first.compute()), rel=1e-9)
    torch.save(first.state_dict(), tmp_path / "state.pt")  # in a checkpoint of one's own, which runs no code
    third = metric()
    third.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert numbers(third.compute()) == pytest.approx(numbers(first.compute()), rel=1e-9)
    metric().save(tmp_path / "nothing.safetensors")
    second.load(tmp_path / "nothing.safetensors")
    with pytest.raises(DataError, match=r"0 generated image\(s\) were told"):
        second.compute()


def test_states_of_another_metric_are_refused(images, tmp_path):
    file, metric = tmp_path / "fidelity.safetensors", inceptionlab.Fidelity(Tiny())
    metric.update(real=images[1])
    metric.save(file)
    for other in (
        inceptionlab.Fidelity(Tiny(), keep=False), inceptionlab.Fidelity(Tiny(), "clean-fid"),
        inceptionlab.Fidelity(Tiny(7)),
    ):  # fmt: skip
        with pytest.raises(DataError, match=r"the state is of '.*, pytorch-fid, fp32, features' and this metric is of"):
            other.load(file)
    state = metric.state_dict()
    for wrong in (torch.zeros(3, 5), torch.zeros(()), torch.full((3, 6), float("nan")), None):
        with pytest.raises(DataError, match=r"the state holds no real.features of 6 features"):
            metric.load_state_dict({**state, "real.features": wrong})
    with pytest.raises(DataError, match="there is no file"):
        metric.load(tmp_path / "none.safetensors")
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(DataError, match="cannot be read"):
        metric.load(file)
    assert len(metric.real.state()["features"]) == 40  # what was told stays


def test_without_torchmetrics_it_says_so():
    try:
        import torchmetrics  # noqa: F401
    except ImportError:
        with pytest.raises(ConfigError, match="pip install torchmetrics"):
            inceptionlab.Fidelity(Tiny()).metric()
    else:
        pytest.skip("torchmetrics is installed; make parity uses it")


def test_the_model_and_the_generators_stay_as_they_are(images):
    model, state = Tiny().train(), torch.get_rng_state()
    fidelity(*images, model)
    inceptionlab.Fidelity(model).update(real=images[0])
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)


SHARED = """
import json, sys, torch
from torch import distributed
import inceptionlab
from tests.distances.test_fidelity import Tiny
distributed.init_process_group("gloo")
metric = inceptionlab.Fidelity(Tiny(), keep=sys.argv[1] == "keep")
images = torch.load(sys.argv[2])
for name, parts in images.items():
    for part in parts[distributed.get_rank() :: 2]:
        metric.update(**{name: part})
found = metric.compute()
if distributed.get_rank() == 0:
    print(json.dumps({"fid": found.fid, "kid_whole": found.kid_whole, "n": found.n}), flush=True)
distributed.barrier()
distributed.destroy_process_group()
import os
os._exit(0)  # without the destructors of torch's threads, one of which aborts now and then
"""


@pytest.mark.parametrize("keep", ["keep", "moments"])
def test_two_processes_give_the_value_of_one(images, tmp_path, keep):
    parts = {name: list(torch.split(one, 8)) for name, one in zip(("generated", "real"), images, strict=True)}
    torch.save(parts, tmp_path / "parts.pt")
    (tmp_path / "shared.py").write_text(SHARED)
    metric = inceptionlab.Fidelity(Tiny(), keep=keep == "keep")
    for name, some in parts.items():
        for part in some:
            metric.update(**{name: part})
    one = metric.compute()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(tmp_path / "shared.py"), keep, str(tmp_path / "parts.pt")]
    known = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(known)}
    two = json.loads(subprocess.run(command, stdout=subprocess.PIPE, env=env, check=True).stdout)
    assert two["n"] == 30
    assert two["fid"] == pytest.approx(one.fid, rel=1e-9)
    assert two["kid_whole"] == (None if keep != "keep" else pytest.approx(one.kid_whole, rel=1e-9))
