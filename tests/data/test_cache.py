import os

import numpy as np
import pytest
import torch
from PIL import Image

from inceptionlab.data.dataset import Pictures
from inceptionlab.data.sources import folder
from inceptionlab.data.stores.cache import remembered
from inceptionlab.spec.network import Input
from inceptionlab.storage import cache_folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "inceptionlab"


def pictures():
    return Pictures(
        torch.arange(48, dtype=torch.uint8).view(4, 2, 2, 3), torch.tensor([0, 1, 0, 1]), ("a", "b"), ("w",)
    )


def test_the_second_time_nothing_is_read(tmp_path, cache):
    (tmp_path / "x.bin").write_bytes(b"1")
    calls = []

    def read():
        calls.append(1)
        return pictures()

    for _ in range(3):
        kept = remembered([tmp_path / "x.bin"], ["size", 2], read)
        assert torch.equal(kept.images, pictures().images)
        assert torch.equal(kept.labels, pictures().labels)
        assert (kept.classes, kept.paths) == (("a", "b"), ("w",))
    assert len(calls) == 1
    kept.images.zero_()  # changes stay in memory
    assert remembered([tmp_path / "x.bin"], ["size", 2], read).images.sum() > 0
    remembered([tmp_path / "x.bin"], ["size", 3], read)
    os.utime(tmp_path / "x.bin", ns=(1, 1))
    remembered([tmp_path / "x.bin"], ["size", 2], read)
    assert len(calls) == 3


def test_a_damaged_or_forbidden_cache_is_done_without(tmp_path, cache, monkeypatch):
    (tmp_path / "x.bin").write_bytes(b"1")
    remembered([tmp_path / "x.bin"], 0, pictures)
    (array,) = cache.rglob("images.npy")
    array.write_bytes(array.read_bytes()[:20])
    assert torch.equal(remembered([tmp_path / "x.bin"], 0, pictures).images, pictures().images)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder() == tmp_path / "file" / "inceptionlab"
    assert len(remembered([tmp_path / "x.bin"], 0, pictures)) == 4


def test_a_folder_of_pictures_is_decoded_once(tmp_path, cache, monkeypatch):
    for name in ("ants", "bees"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(6):
            pixels = np.random.default_rng(i).integers(0, 255, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    first = folder.load(tmp_path / "data", Input(3, 16, 16))
    monkeypatch.setattr(folder, "_decoded", None)
    second = folder.load(tmp_path / "data", Input(3, 16, 16))
    assert first.train.digest() == second.train.digest()
    assert first.train.paths == second.train.paths
