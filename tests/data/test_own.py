"""Data sets of a user's own, as torch and torchvision have them."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from inceptionlab import DataError, predict
from inceptionlab.data.audit import check_data
from inceptionlab.data.batches import ordered_batches
from inceptionlab.data.own import as_dataset
from inceptionlab.runs.configuring import configure
from inceptionlab.runs.evaluating import evaluate
from inceptionlab.runs.options import Machine
from inceptionlab.runs.prediction import load_run
from inceptionlab.runs.testing import train
from inceptionlab.spec.network import Input
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.training.recipe import Recipe


class Stripes(Dataset):
    """Written like torchvision's CIFAR10: arrays, targets, names of classes, a transform."""

    classes = ("across", "down")

    def __init__(self, count, transform=None, seed=0):
        random = np.random.default_rng(seed)
        self.data = random.integers(0, 60, (count, 32, 32, 3), np.uint8)
        self.targets = [i % 2 for i in range(count)]
        for image, label in zip(self.data, self.targets, strict=True):
            image[:: 1 + (label == 0), :: 1 + (label == 1)] += 150
        self.transform = transform
        self.read = 0

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        self.read += 1
        image = Image.fromarray(self.data[index])
        return (self.transform(image) if self.transform else image), self.targets[index]


class Plain:
    """Nothing but items."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def test_images_are_read_when_they_are_needed():
    own = Stripes(40)
    data = as_dataset(own, Stripes(20, seed=1), name="stripes")
    assert own.read <= 17  # the first, and some that it is known by
    assert (data.name, data.size, data.train.classes) == ("stripes", 32, ("across", "down"))
    assert data.train.images.shape == (40, 32, 32, 3)
    read = torch.cat([images for images, _ in ordered_batches(data.train, 7)])
    assert torch.equal(read, torch.from_numpy(own.data))
    assert data.train.labels.tolist() == own.targets
    assert data.train.digest() == as_dataset(Stripes(40), Stripes(20), name="stripes").train.digest()
    assert data.train.digest() != as_dataset(Stripes(40, seed=2), Stripes(20), name="stripes").train.digest()


@pytest.mark.parametrize("form", [
    np.asarray,
    lambda image: torch.from_numpy(np.array(image)).permute(2, 0, 1),
    lambda image: torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255,
])  # fmt: skip
def test_images_come_in_the_forms_that_transforms_give(form):
    data = as_dataset(Stripes(6, form), DataLoader(Stripes(4, form)))
    assert torch.equal(data.train.images[:], torch.from_numpy(Stripes(6).data))
    assert len(data.test) == 4


def test_grey_images_and_labels_without_names():
    items = [(np.full((12, 16), i, np.uint8), np.int64(i % 3)) for i in range(6)]
    data = as_dataset(Plain(items), Plain(items))
    assert data.train.images.shape == (6, 12, 16, 1)
    assert (data.size, data.train.classes) == ((12, 16), ("0", "1", "2"))
    assert as_dataset(Plain(items), Plain(items), classes=["x", "y", "z"]).test.classes == ("x", "y", "z")


def test_photographs_are_fitted_to_an_input():
    items = [(Image.new("RGB", (30 + i, 40)), i % 2) for i in range(4)]
    data = as_dataset(Plain(items), Plain(items), input=Input(3, 28, 28))
    assert data.train.images.shape == (4, 32, 32, 3)
    assert data.size is None


GOOD = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize(("items", "words"), [
    ([(GOOD, 0), (np.zeros((9, 8, 3), np.uint8), 1)], r"image 1 of mine \(train\) is 9x8 and the first is 8x8"),
    ([("x.png", 0)] * 2, "is of the type str; it must be an image of Pillow"),
    ([(GOOD.astype(float), 0)] * 2, "8x8x3 of float64"),
    ([(torch.full((3, 8, 8), -1.5), 0)] * 2, "values outside of 0 to 1; leave its normalisation"),
    ([(GOOD, "cat"), (GOOD, "dog")], "label 0 of mine .* is 'cat'; it must be a whole number"),
    ([(GOOD, 0), (GOOD, 1.5)], "label 1 of mine .* is 1.5"),
    ([GOOD, GOOD], r"an item is a pair \(image, label\)"),
    ([(GOOD, -1)] * 2, "labels run from -1"),
    ([], "cannot be read"),
])  # fmt: skip
def test_what_is_no_set_of_images_is_said(items, words):
    with pytest.raises(DataError, match=words):
        as_dataset(Plain(items), Plain(items)).train.images[:]


def test_a_set_of_ones_own_trains_tests_and_predicts(tmp_path):
    data = as_dataset(Stripes(80), Stripes(24, seed=1), name="stripes")
    recipe = Recipe(epochs=3, batch_size=16, precision="fp32", validation=0.2)
    setup, _ = configure("small_fast | widen(0.25)", data, recipe)
    quiet = Callbacks(say=lambda _: None)
    score = train(setup, tmp_path / "run", Machine("cpu"), quiet, data)
    assert score.n == 24
    found = evaluate(tmp_path / "run", data=data, machine=Machine("cpu"))
    assert (found.score.top1, found.score.loss) == (score.top1, pytest.approx(score.loss, rel=1e-5))
    trained = load_run(tmp_path / "run")
    assert trained.network.spec.input.crop == 1.0
    one, two = (predict(trained, [image])[0].top[0].probability for image in (data.test.images[0].numpy(),
                                                                             Stripes(1, seed=1)[0][0]))  # fmt: skip
    assert one == two
    assert json.loads((tmp_path / "run" / "classes.json").read_text()) == ["across", "down"]


def test_it_is_checked_like_any_other():
    found = check_data(as_dataset(Stripes(10), Stripes(10)))  # the same images in both
    assert len(found.leaks) == 10
    assert not found.is_clean
