"""Weights of the network of the Frechet distance, random but shaped as the released ones, and sets of small images."""

import numpy as np
import pytest
import torch
from PIL import Image

from inceptionlab import create_model


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A checkpoint under our names."""
    torch.manual_seed(0)
    network = create_model("inception_v3.fid")
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def sets(tmp_path_factory):
    """Two folders: 9 and 12 images of several sizes, the last of the first a copy of one of the second."""
    root, drawn = tmp_path_factory.mktemp("sets"), np.random.default_rng(0)
    for name, count in (("a", 8), ("b", 12)):
        (root / name / "below").mkdir(parents=True)
        for i in range(count):
            size = (20 + 3 * i, 30 + 2 * (i % 3), 3)
            place = root / name / ("below" if i % 2 else ".") / f"{i:02}.png"
            Image.fromarray(drawn.integers(0, 256, size, dtype=np.uint8)).save(place)
    (root / "a/copy.png").write_bytes((root / "b/04.png").read_bytes())
    return root


@pytest.fixture(autouse=True)
def _a_cache_of_each_test(tmp_path, monkeypatch):
    monkeypatch.setenv("INCEPTIONLAB_HOME", str(tmp_path / "home"))
