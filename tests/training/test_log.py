"""What training writes down of each epoch: accuracy on its images, what a spreadsheet reads, lines that are added."""

import csv
from dataclasses import fields, replace

import pytest
import torch

from inceptionlab.data.batches import Augment
from inceptionlab.data.policies import Targets
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.registry import digits
from inceptionlab.evaluation.predictions import logits_of
from inceptionlab.runs.folder import RunFolder
from inceptionlab.runs.log import MetricsLog
from inceptionlab.runs.options import Machine
from inceptionlab.runs.prediction import load_run
from inceptionlab.runs.setup import Config, training_and_validation
from inceptionlab.runs.testing import train
from inceptionlab.spec import Linear, Pool, Seq
from inceptionlab.training.balance import class_weights, unevenness
from inceptionlab.training.records import Epoch
from tests.training.test_run import QUIET, RECIPE, SETUP

EPOCH = Epoch(1, 5, 1.5, 1.25, 0.5, 0.1, 90.0, 3.0, 0.25, 270)
OLD = (
    '{"epoch": 1, "step": 5, "train_loss": 1.5, "val_loss": 1.25, "val_top1": 0.5, "lr": 0.1, "seconds": 90.0, '
    '"images_per_second": 3.0}'
)


@pytest.fixture(scope="module")
def data():
    return digits()


def test_accuracy_on_the_training_images_is_that_of_the_weights_of_each_step(tmp_path, data):
    plain = replace(RECIPE, lr=1e-12, epochs=1, freeze_bn="all", ema=0.0, augment=Augment(0, False, 0))
    spec = replace(SETUP.spec, head=Seq(pool=Pool("avg", to=1), fc=Linear()))
    setup = replace(SETUP, spec=spec, recipe=plain)
    train(setup, tmp_path, Machine("cpu"), QUIET, data)
    (epoch,) = RunFolder(tmp_path).epochs()
    images, _ = training_and_validation(data, setup)
    logits = logits_of(load_run(tmp_path).network, images, Preprocess(spec.input))
    assert epoch.images == len(images) == 270
    assert epoch.train_top1 == pytest.approx((logits.argmax(1) == images.labels).float().mean().item())


def test_mixed_targets_have_no_accuracy(tmp_path, data):
    mixed = replace(RECIPE, epochs=1, augment=Augment(0, False, 0, mixup=0.2))
    train(replace(SETUP, recipe=mixed), tmp_path, Machine("cpu"), QUIET, data)
    assert RunFolder(tmp_path).epochs()[0].train_top1 is None


def test_a_spreadsheet_has_every_column(tmp_path, data):
    train(SETUP, tmp_path, Machine("cpu"), QUIET, data)
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    epochs = RunFolder(tmp_path).epochs()
    assert list(rows[0]) == [field.name for field in fields(Epoch)]
    assert [float(row["train_top1"]) for row in rows] == [epoch.train_top1 for epoch in epochs]
    assert [int(row["images"]) for row in rows] == [270] * 3


def test_an_epoch_adds_a_line_and_leaves_the_others_alone(tmp_path):
    run = RunFolder(tmp_path)
    run.write_epochs([EPOCH])
    before = (tmp_path / "metrics.jsonl").stat().st_ino
    log = MetricsLog(run, tensorboard=False)
    log.add(replace(EPOCH, epoch=2, train_top1=None))
    assert (tmp_path / "metrics.jsonl").stat().st_ino == before
    assert [epoch.epoch for epoch in run.epochs()] == [1, 2]
    assert (tmp_path / "metrics.csv").read_text().splitlines()[2] == "2,5,1.5,1.25,0.5,0.1,90.0,3.0,,270"


@pytest.mark.parametrize("cut", [1, 10, 150])
def test_a_line_that_was_cut_off_is_dropped_and_written_again(tmp_path, cut):
    run = RunFolder(tmp_path)
    run.write_epochs([EPOCH, replace(EPOCH, epoch=2)])
    for name in ("metrics.jsonl", "metrics.csv"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: max(len(whole) - cut, len(whole) // 2)])
    run.write_epochs([epoch for epoch in run.epochs() if epoch.epoch < 2])  # as going on does
    run.add_epoch(replace(EPOCH, epoch=2))
    assert [epoch.epoch for epoch in run.epochs()] == [1, 2]
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 3


def test_logs_and_configurations_of_before_are_read(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(OLD + "\n")
    assert RunFolder(tmp_path).epochs() == [replace(EPOCH, train_top1=None, images=None)]
    RunFolder(tmp_path / "run").claim(SETUP)
    config = tmp_path / "run" / "config.toml"
    later = ("nesterov", "betas", "class_weights")
    lines = [line for line in config.read_text().splitlines() if not line.startswith(later)]
    kept = "\n".join(lines).replace("    0.9,\n    0.999,\n]\n", "")
    config.write_text(kept)
    assert RunFolder(tmp_path / "run").config() == Config.of(SETUP)
    RunFolder(tmp_path / "run").claim(SETUP)


def test_balanced_weights_are_those_of_a_set_whose_rare_images_stand_there_twice():
    logits, labels = torch.randn(6, 2, dtype=torch.float64), torch.tensor([0, 0, 1, 1, 1, 1])
    weights = class_weights(labels, 2)
    assert weights.tolist() == [1.5, 0.75]
    twice = torch.tensor([0, 0, 1, 1, 2, 3, 4, 5])
    for smoothing in (0.0, 0.1):
        weighted = Targets(labels).loss(logits, smoothing, weights)
        torch.testing.assert_close(weighted, Targets(labels[twice]).loss(logits[twice], smoothing))
    others = labels.flip(0)
    parts = [Targets(one).loss(logits, 0.1, weights) for one in (labels, others)]
    torch.testing.assert_close(Targets(labels, others, 0.3).loss(logits, 0.1, weights), 0.3 * parts[0] + 0.7 * parts[1])
    halves = [Targets(labels[part]).loss(logits[part], 0.1, weights) for part in (slice(0, 3), slice(3, 6))]
    torch.testing.assert_close(sum(halves) / 2, Targets(labels).loss(logits, 0.1, weights))  # as two processes add up


def test_classes_without_images_weigh_nothing():
    weights = class_weights(torch.tensor([0, 0, 2, 2, 2, 2]), 4)
    assert weights.tolist() == [1.5, 0.0, 0.75, 0.0]


def test_uneven_classes_are_said():
    labels = torch.tensor([0] * 10 + [1] * 3)
    assert "10 training images of 'cat', 3 of 'dog'; --set class_weights=balanced" in unevenness(labels, ("cat", "dog"))
    assert unevenness(torch.tensor([0] * 9 + [1] * 3), ("cat", "dog")) == ""


def test_balanced_training_finds_the_rare_class_likelier(tmp_path, data):
    rare = torch.cat([(data.train.labels == 1).nonzero()[:8, 0], (data.train.labels != 1).nonzero()[:400, 0]])
    uneven = replace(data, train=data.train.subset(rare), validation=data.test)
    likely = {}
    for name in ("none", "balanced"):
        recipe = replace(RECIPE, epochs=8, optimizer="adam", lr=0.01, ema=0.0, class_weights=name)
        train(replace(SETUP, recipe=recipe, limit_train=None), tmp_path / name, Machine("cpu"), QUIET, uneven)
        likely[name] = RunFolder(tmp_path / name).predictions().logits.softmax(1)[:, 1].mean().item()
    assert likely["balanced"] > 1.5 * likely["none"]
