import io
import re
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from inceptionlab import DataError
from inceptionlab.cli import main
from inceptionlab.data.audit import check_data
from inceptionlab.data.registry import load_data
from inceptionlab.data.stores.lazy import LazyImages
from inceptionlab.errors import MissingExtra, install_command
from inceptionlab.spec.network import Input

datasets = pytest.importorskip("datasets")
IMAGE = Input(3, 32, 32, crop=1.0)


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
    """A set as the hub has them: Parquet files, whose schema says what is an image and what is a label."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["ant", "bee"])})
    place = cache / "insects"
    place.mkdir()
    for split, count in (("train", 24), ("test", 8)):
        rows = {"image": [png(i) for i in range(count)], "label": [i % 2 for i in range(count)]}
        datasets.Dataset.from_dict(rows, features=features).to_parquet(str(place / f"{split}-00000-of-00001.parquet"))
    return place


def test_a_set_of_the_hub_is_read_when_it_is_needed(parquet):
    data = load_data(f"hf:{parquet}", IMAGE)
    assert isinstance(data.train.images, LazyImages)
    assert (data.name, len(data.train), len(data.test)) == ("insects", 24, 8)
    assert data.train.classes == ("ant", "bee")
    assert data.train.labels[:4].tolist() == [0, 1, 0, 1]
    assert data.train.images[torch.tensor([3, 5])].shape == (2, 32, 32, 3)
    assert data.train.digest() == load_data(f"hf:{parquet}", IMAGE).train.digest()


def test_it_is_checked_like_any_other(parquet):
    found = check_data(f"hf:{parquet}")
    assert {split: sum(counts.values()) for split, counts in found.counts.items()} == {"train": 24, "test": 8}
    assert len(found.leaks) == 8  # the test images are the first of training
    assert len(check_data(f"stream:{parquet}").leaks) == 8


@pytest.mark.parametrize("kind", ["hf", "stream"])
@pytest.mark.parametrize("label", ["missing", "fractions"])
def test_labels_that_are_none_are_said(cache, kind, label):
    place = cache / "odd"
    place.mkdir()
    names = datasets.ClassLabel(names=["ant", "bee"])
    features = datasets.Features({"image": datasets.Image(), "label": names})
    rows = datasets.Dataset.from_dict({"image": [png(0)] * 4, "label": [0, 1, 0, None]}, features=features)
    rows.to_parquet(str(place / "train.parquet"))
    if label == "fractions":
        path = place / "train.parquet"
        table = pq.read_table(path)
        odd = table.set_column(1, "label", pa.array([0.5, 1.0, 0.0, 1.0]))
        pq.write_table(odd.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(DataError, match=r"odd: .*(whole numbers|none of class labels|cannot be loaded)"):
        load_data(f"{kind}:{place}", IMAGE)


def test_a_network_trains_on_it(parquet, tmp_path, capsys):
    main(["train", "--model", "inception_net | widen(0.25)", "--data", f"hf:{parquet}", "--input-size", "32",
          "--epochs", "1", "--batch-size", "8", "--set", "validation=0.3", "--out", str(tmp_path / "run")])  # fmt: skip
    assert "8 images" in capsys.readouterr().out


def test_what_is_no_set_of_images_is_said(cache, parquet):
    with pytest.raises(DataError, match="cannot be loaded"):
        load_data(f"hf:{cache}/nothing", IMAGE)
    (cache / "words").mkdir()
    datasets.Dataset.from_dict({"text": ["a", "b"]}).to_parquet(str(cache / "words" / "train.parquet"))
    with pytest.raises(DataError, match="has the columns text and none of images"):
        load_data(f"hf:{cache}/words", IMAGE)


def test_without_datasets_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=re.escape(install_command("hub"))):
        load_data("hf:anything", IMAGE)
