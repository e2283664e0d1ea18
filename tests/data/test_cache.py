import os

import numpy as np
import pytest
import torch
from PIL import Image

from inceptionlab.data.dataset import Samples
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.sources import folder
from inceptionlab.data.stores.decoded import folder_of, in_memory
from inceptionlab.spec.network import Input
from inceptionlab.storage import cache_folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "inceptionlab"


PIXELS = torch.arange(48, dtype=torch.uint8).view(4, 2, 2, 3)


def remembered(files, settings, calls=None):
    """Four images, and how often the first was decoded."""

    def read(number):
        if calls is not None and number == 0:
            calls.append(1)
        return PIXELS[number].numpy()

    images = in_memory(folder_of(files, settings), 4, (2, 2, 3), read, "four images")
    return Samples(images, torch.tensor([0, 1, 0, 1]), ("a", "b"), ("v", "w", "x", "y"))


def test_the_second_time_nothing_is_read(tmp_path, cache):
    (tmp_path / "x.bin").write_bytes(b"1")
    calls = []
    for _ in range(3):
        kept = remembered([tmp_path / "x.bin"], ["size", 2], calls)
        assert torch.equal(kept.images[:], PIXELS)
        assert torch.equal(kept.labels, torch.tensor([0, 1, 0, 1]))
        assert (kept.classes, kept.paths) == (("a", "b"), ("v", "w", "x", "y"))
    assert len(calls) == 1
    kept.images[:].zero_()  # changes stay in memory
    assert remembered([tmp_path / "x.bin"], ["size", 2], calls).images[:].sum() > 0
    remembered([tmp_path / "x.bin"], ["size", 3], calls)
    os.utime(tmp_path / "x.bin", ns=(1, 1))
    remembered([tmp_path / "x.bin"], ["size", 2], calls)
    assert len(calls) == 3


def test_a_damaged_or_forbidden_cache_is_done_without(tmp_path, cache, monkeypatch):
    (tmp_path / "x.bin").write_bytes(b"1")
    remembered([tmp_path / "x.bin"], 0)
    (array,) = cache.rglob("pixels.npy")
    whole = array.read_bytes()
    array.write_bytes(whole[:20])
    assert torch.equal(remembered([tmp_path / "x.bin"], 0).images[:], PIXELS)
    array.write_bytes(whole[:-5] + b"wrong")  # found by its checksum
    assert torch.equal(remembered([tmp_path / "x.bin"], 0).images[:], PIXELS)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder() == tmp_path / "file" / "inceptionlab"
    assert len(remembered([tmp_path / "x.bin"], 0)) == 4


def test_a_folder_of_images_is_decoded_once(tmp_path, cache, monkeypatch):
    for name in ("ants", "bees"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(6):
            pixels = np.random.default_rng(i).integers(0, 255, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    first = folder.load(tmp_path / "data", Preprocess(Input(3, 16, 16)))
    monkeypatch.setattr(Preprocess, "read", None)
    second = folder.load(tmp_path / "data", Preprocess(Input(3, 16, 16)))
    assert first.train.digest() == second.train.digest()
    assert first.train.paths == second.train.paths
