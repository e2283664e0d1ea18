"""Everything random in training: a stream for each purpose, and the caller's generators stay as they were."""

import random
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from inceptionlab import build, rng
from inceptionlab.data.batches import Augment, Rows, augmented, cut_out, train_batches
from inceptionlab.data.dataset import Samples
from inceptionlab.data.policies import coloured_and_cropped
from inceptionlab.data.registry import digits
from inceptionlab.data.stores.images import InMemory
from inceptionlab.runs.folder import RunFolder
from inceptionlab.runs.options import Machine
from inceptionlab.runs.testing import train
from inceptionlab.training.averaging import evaluated
from tests.training.test_run import QUIET, RECIPE, SETUP, TINY


def test_no_two_purposes_seeds_or_steps_share_numbers():
    purposes = ("order", "crop", "cutout", "policy", "mix", "dropout", "validation", "split", "init")
    found = [
        rng.sequence(seed, purpose, epoch, batch).generate_state(4).tobytes()
        for seed in (0, 1, 2) for purpose in purposes for epoch in (0, 1, 2) for batch in (0, 1, 2)
    ]  # fmt: skip
    assert len(set(found)) == len(found)
    drawn = [torch.rand(64, generator=rng.stream(s, p, 0, 0)) for s in (0, 1) for p in purposes]
    assert not any(torch.isin(a, b).any() for a, b in combinations(drawn, 2))


def test_training_leaves_the_callers_generators_as_they_were(tmp_path):
    recipe = replace(RECIPE, epochs=1, augment=Augment(area=0.3, colour=0.2, mixup=1.0, cutmix=1.0, cutout=4))
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    train(replace(SETUP, recipe=recipe), tmp_path, Machine("cpu"), QUIET, digits())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


@pytest.mark.gpu
def test_training_on_a_gpu_follows_the_seed_and_leaves_its_generator(tmp_path):
    torch.cuda.manual_seed(5)
    before = torch.cuda.get_rng_state()
    for name in ("one", "two"):
        torch.rand(3, device="cuda")  # what the caller drew before does not matter
        state = torch.cuda.get_rng_state()
        train(replace(SETUP, recipe=replace(RECIPE, epochs=1)), tmp_path / name, Machine("cuda"), QUIET, digits())
        assert torch.equal(torch.cuda.get_rng_state(), state)
    assert not torch.equal(torch.cuda.get_rng_state(), before)
    losses = [RunFolder(tmp_path / name).epochs()[0].train_loss for name in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def images(count, size=16, channels=3):
    return torch.randint(0, 256, (count, size, size, channels), dtype=torch.uint8)


PARTS = [slice(0, 3), slice(3, 5), slice(5, 7)]


AUGMENTS = [Augment(), Augment(cutout=6), Augment(area=0.3), Augment(colour=0.5), Augment(policy="rand"),
            Augment(policy="trivial"), Augment(area=0.1, colour=0.4, policy="rand")]  # fmt: skip


@pytest.mark.parametrize("augment", AUGMENTS, ids=repr)
@pytest.mark.filterwarnings("ignore")
def test_parts_of_a_batch_are_changed_as_the_whole_is(augment):
    batch = images(7)

    def changed(own):
        rows = Rows(7, own)
        with rng.scope(3, "policy", 0, 1):
            x = coloured_and_cropped(batch[own], augment, (16, 16), rows)
        x = augmented(x, augment, (16, 16), rng.stream(3, "crop", 0, 1), rows).permute(0, 3, 1, 2).float()
        return cut_out(x, augment.cutout, rng.stream(3, "cutout", 0, 1), rows)

    whole = changed(slice(0, 7))
    torch.testing.assert_close(torch.cat([changed(part) for part in PARTS]), whole, rtol=0, atol=1e-3)


def test_an_inception_crop_is_not_moved_again_by_the_pad():
    batch, augment = images(8), Augment(flip=False, area=0.5)
    assert augment.pad == 4
    assert torch.equal(augmented(batch, augment, (16, 16), rng.stream(0, "crop")), batch)


def test_a_process_reads_its_own_rows_alone():
    store = Samples(InMemory(images(20)), torch.arange(20) % 2, ("a", "b"))
    whole = list(train_batches(store, [8, 8, 4], 1, 0))
    for part in (lambda n: slice(0, n // 2), lambda n: slice(n // 2, n)):
        own = list(train_batches(store, [8, 8, 4], 1, 0, 0, part))
        assert [len(labels) for _, labels in own] == [4, 4, 2]
        for (x, labels), (y, all_labels) in zip(own, whole, strict=True):
            assert torch.equal(x, y[part(len(y))])
            assert torch.equal(labels, all_labels[part(len(y))])


def test_evaluation_gives_back_each_parts_mode_and_weights():
    network = build(TINY).train()
    network.conv.norm.eval()
    own = {name: value.clone() for name, value in network.state_dict().items()}
    average = {name: torch.full_like(value, 2) for name, value in own.items()}

    def fail():
        with evaluated(network, average):
            assert not any(part.training for part in network.modules())
            assert all((value == 2).all() for value in network.state_dict().values())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert network.training
    assert not network.conv.norm.training
    assert all(torch.equal(value, own[name]) for name, value in network.state_dict().items())
    assert all((value == 2).all() for value in average.values())
