import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from inceptionlab import DataError
from inceptionlab.cli import main
from inceptionlab.data.registry import load_data
from inceptionlab.data.stores.lazy import LazyImages
from inceptionlab.errors import MissingExtra
from inceptionlab.spec.network import Input

datasets = pytest.importorskip("datasets")
PICTURE = Input(3, 32, 32, crop=1.0)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    return tmp_path


def png(number):
    pixels = np.random.default_rng(number).integers(0, 255, (40, 36, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


@pytest.fixture
def parquet(cache):
    """A set as the hub has them: Parquet files, whose schema says what is a picture and what is a label."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["ant", "bee"])})
    place = cache / "insects"
    place.mkdir()
    for split, count in (("train", 24), ("test", 8)):
        rows = {"image": [png(i) for i in range(count)], "label": [i % 2 for i in range(count)]}
        datasets.Dataset.from_dict(rows, features=features).to_parquet(str(place / f"{split}-00000-of-00001.parquet"))
    return place


def test_a_set_of_the_hub_is_read_when_it_is_needed(parquet):
    data = load_data(f"hf:{parquet}", PICTURE)
    assert isinstance(data.train.images, LazyImages)
    assert (data.name, len(data.train), len(data.test)) == ("insects", 24, 8)
    assert data.train.classes == ("ant", "bee")
    assert data.train.labels[:4].tolist() == [0, 1, 0, 1]
    assert data.train.images[torch.tensor([3, 5])].shape == (2, 32, 32, 3)
    assert data.train.digest() == load_data(f"hf:{parquet}", PICTURE).train.digest()


def test_a_network_trains_on_it(parquet, tmp_path, capsys):
    main(["train", "--model", "inception_net | widen(0.25)", "--data", f"hf:{parquet}", "--input-size", "32",
          "--epochs", "1", "--batch-size", "8", "--set", "validation=0.3", "--out", str(tmp_path / "run")])  # fmt: skip
    assert "8 pictures" in capsys.readouterr().out


def test_what_is_no_set_of_pictures_is_said(cache, parquet):
    with pytest.raises(DataError, match="cannot be loaded"):
        load_data(f"hf:{cache}/nothing", PICTURE)
    (cache / "words").mkdir()
    datasets.Dataset.from_dict({"text": ["a", "b"]}).to_parquet(str(cache / "words" / "train.parquet"))
    with pytest.raises(DataError, match="has the columns text and none of pictures"):
        load_data(f"hf:{cache}/words", PICTURE)


def test_without_datasets_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"pip install 'inceptionlab\[hub\]'"):
        load_data("hf:anything", PICTURE)
