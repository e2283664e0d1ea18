import json

import numpy as np
import pytest
import torch
from PIL import Image

from inceptionlab.cli import main
from inceptionlab.data import preprocess
from inceptionlab.data.batches import ordered_batches, train_batches
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.sources import folder
from inceptionlab.data.stores.decoded import disk_images
from inceptionlab.data.stores.lazy import LazyImages
from inceptionlab.errors import DataError
from inceptionlab.spec.network import Input

IMAGE = Input(3, 16, 16, crop=1.0)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(folder, "EAGER", 4)
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path):
    for split, count in (("train", 8), ("val", 4)):
        for name in ("a", "b"):
            place = tmp_path / "photos" / split / name
            place.mkdir(parents=True)
            for i in range(count):
                pixels = np.random.default_rng(i).integers(0, 255, (24, 20 + i, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{i}.png")
    return tmp_path / "photos"


def test_a_large_folder_gives_the_images_of_a_small_one(photos, cache, monkeypatch):
    lazy = folder.load(photos, Preprocess(IMAGE))
    monkeypatch.setattr(folder, "EAGER", 1000)
    eager = folder.load(photos, Preprocess(IMAGE))
    assert isinstance(lazy.train.images, LazyImages)
    assert lazy.train.images.shape == eager.train.images.shape
    for one, two in ((lazy.train, eager.train), (lazy.train.limited(5), eager.train.limited(5))):
        assert torch.equal(one.images[:], two.images[:])
        assert torch.equal(one.labels, two.labels)
        assert one.paths == two.paths
        assert torch.equal(one.images[2], two.images[2])
    sizes = [5, 5, 6]
    for batches in ((train_batches(p, sizes, 0, 1) for p in (lazy.train, eager.train)),
                    (ordered_batches(p, 3) for p in (lazy.test, eager.test))):  # fmt: skip
        for (x, labels), (y, same) in zip(*batches, strict=True):
            assert torch.equal(x, y)
            assert torch.equal(labels, same)


def test_each_image_is_decoded_once_for_all_starts(photos, cache, monkeypatch):
    read = []
    decode = preprocess.decode
    monkeypatch.setattr(preprocess, "decode", lambda *a, **k: read.append(1) or decode(*a, **k))
    first = folder.load(photos, Preprocess(IMAGE)).train
    assert not read  # nothing is decoded before it is asked for
    before = first.images[torch.tensor([3, 1])]
    assert len(read) == 2
    again = folder.load(photos, Preprocess(IMAGE)).train
    assert torch.equal(again.images[torch.tensor([3, 1])], before)
    assert len(read) == 2
    assert again.digest() == first.digest()
    (photos / "train" / "a" / "0.png").write_bytes((photos / "train" / "a" / "1.png").read_bytes())
    assert folder.load(photos, Preprocess(IMAGE)).train.digest() != first.digest()  # other files are another set


def test_an_image_whose_bytes_were_lost_is_decoded_again(tmp_path):
    made = disk_images(tmp_path / "set", 3, (2, 2, 1), lambda i: np.full((2, 2, 1), i + 1, np.uint8), "x")
    assert made[torch.tensor([0, 2])].unique().tolist() == [1, 3]
    made.store.pixels[2] = 0  # as a power failure leaves it
    made.store.pixels.flush()
    again = disk_images(tmp_path / "set", 3, (2, 2, 1), lambda i: np.full((2, 2, 1), i + 1, np.uint8), "x")
    assert again[2].unique().tolist() == [3]


def test_a_full_disk_and_a_damaged_store_are_said(tmp_path):
    def nothing(i):
        return np.zeros((1000, 1000, 3), np.uint8)

    with pytest.raises(DataError, match="GiB free; give a smaller --input-size"):
        disk_images(tmp_path / "set", 10**9, (1000, 1000, 3), nothing, "x")
    disk_images(tmp_path / "set", 2, (2, 2, 3), nothing, "x")
    with pytest.raises(DataError, match="are others than those of the set"):
        disk_images(tmp_path / "set", 3, (2, 2, 3), nothing, "x")
    (tmp_path / "set" / "pixels.npy").write_bytes(b"x")
    with pytest.raises(DataError, match="remove that folder"):
        disk_images(tmp_path / "set", 2, (2, 2, 3), nothing, "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot take the decoded images"):
        disk_images(tmp_path / "file" / "set", 2, (2, 2, 3), nothing, "x")


def test_an_unreadable_image_of_a_large_folder_stops_training_with_its_name(photos, cache, tmp_path, capsys):
    (photos / "train" / "a" / "3.png").write_bytes(b"no image")
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--model", "inception_net | widen(0.25)", "--data", str(photos), "--input-size", "32",
              "--epochs", "1", "--batch-size", "8", "--out", str(tmp_path / "run")])  # fmt: skip
    assert stopped.value.code == 2
    assert "3.png cannot be read as an image" in capsys.readouterr().err


def test_training_on_a_large_folder_is_training_on_a_small_one(photos, cache, tmp_path, monkeypatch, capsys):
    arguments = ["train", "--model", "inception_net | widen(0.25)", "--data", str(photos), "--input-size", "32",
                 "--epochs", "2", "--batch-size", "8", "--set", "validation=0.3", "--device", "cpu"]  # fmt: skip
    main([*arguments, "--out", str(tmp_path / "disk")])
    monkeypatch.setattr(folder, "EAGER", 1000)
    main([*arguments, "--out", str(tmp_path / "memory")])
    curves = [(tmp_path / run / "metrics.jsonl").read_text().splitlines() for run in ("disk", "memory")]
    losses = [[json.loads(line)["train_loss"] for line in lines] for lines in curves]
    assert losses[0] == losses[1]


def test_a_large_jpeg_is_unpacked_at_reduced_scale(tmp_path):
    from inceptionlab.data.decode import decode

    Image.fromarray(np.zeros((1600, 1200, 3), np.uint8)).save(tmp_path / "big.jpg")
    assert decode(tmp_path / "big.jpg", "big", 3).size == (1200, 1600)
    assert decode(tmp_path / "big.jpg", "big", 3, least=(64, 64)).size == (150, 200)
    assert decode(tmp_path / "big.jpg", "big", 3, least=(400, 400)).size == (1200, 1600)
