"""Images read from Parquet files as they are needed: from a folder, over HTTP, and as the hub serves them."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from inceptionlab import rng
from inceptionlab.data.batches import ordered_batches, train_batches
from inceptionlab.data.registry import load_data
from inceptionlab.data.stores.lazy import LazyImages
from inceptionlab.errors import DataError
from inceptionlab.spec.network import Input

from .hub_server import serving

datasets = pytest.importorskip("datasets")
from inceptionlab.data.stores import streaming  # noqa: E402  (of the same extra)

IMAGE = Input(3, 16, 16, crop=1.0)
ROWS = 4
"""Images in a block."""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(streaming, "PAUSES", (0.0, 0.0))
    return tmp_path / "cache"


def write(place, split, labels):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["ant", "bee"])})
    cells = []
    for number in range(len(labels)):
        buffer = io.BytesIO()
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (40, 36, 3), np.uint8)).save(buffer, "PNG")
        cells.append({"bytes": buffer.getvalue(), "path": None})
    rows = datasets.Dataset.from_dict({"image": cells, "label": labels}, features=features)
    rows.to_parquet(str(place / f"{split}-00000-of-00001.parquet"), batch_size=ROWS)


@pytest.fixture
def insects(cache, tmp_path):
    place = tmp_path / "insects"
    place.mkdir()
    write(place, "train", [i % 2 for i in range(96)])
    write(place, "test", [i % 2 for i in range(8)])
    return place


def test_a_stream_gives_the_images_of_the_kept_set(insects):
    kept, stream = (load_data(f"{kind}:{insects}", IMAGE) for kind in ("hf", "stream"))
    assert stream.name == kept.name
    assert torch.equal(stream.test.images[:], kept.test.images[:])
    assert torch.equal(stream.test.labels, kept.test.labels)
    samples = {image.numpy().tobytes(): int(label) for image, label in
                zip(kept.train.images[:], kept.train.labels, strict=True)}  # fmt: skip
    for part in (stream.train, stream.validation):
        for images, labels in ordered_batches(part, 7):
            assert [samples.pop(image.numpy().tobytes()) for image in images] == labels.tolist()
    assert not samples  # training and validation are all there is, each once
    assert stream.train.digest() == load_data(f"stream:{insects}", IMAGE).train.digest()
    assert stream.train.digest() != load_data(f"stream:{insects}", Input(3, 8, 8, crop=1.0)).train.digest()


def test_validation_takes_whole_blocks_so_that_training_needs_no_part_of_them(insects):
    data = load_data(f"stream:{insects}", IMAGE)
    assert "5% of the blocks" in data.note
    blocks = [set((part.images.index // ROWS).tolist()) for part in (data.train, data.validation)]
    assert len(data.validation) == ROWS
    assert not blocks[0] & blocks[1]


def test_an_epoch_is_random_within_windows_of_random_blocks(insects, monkeypatch):
    monkeypatch.setattr(streaming, "WINDOW", 3 * ROWS)
    train = load_data(f"stream:{insects}", IMAGE).train
    order, again, other = (train.order(rng.stream(0, "order", epoch)) for epoch in (1, 1, 2))
    assert torch.equal(order, again)
    assert not torch.equal(order, other)
    assert torch.equal(order.sort().values, torch.arange(len(train)))
    blocks = train.images.index[order] // ROWS
    windows = [set(part.tolist()) for part in blocks.split(3 * ROWS)]
    assert all(len(window) == 3 for window in windows[:-1])
    assert sum(map(len, windows)) == len(set(blocks.tolist()))  # no block stands in two windows
    assert any(len(set(part.tolist())) == 3 for part in blocks.split(ROWS))  # mixed within


def test_an_epoch_taken_up_in_the_middle_goes_on_as_it_would_have(insects, monkeypatch):
    monkeypatch.setattr(streaming, "WINDOW", 2 * ROWS)
    train = load_data(f"stream:{insects}", IMAGE).train
    sizes = [8] * 11 + [4]
    whole = list(train_batches(train, sizes, seed=3, epoch=1))
    rest = list(train_batches(load_data(f"stream:{insects}", IMAGE).train, sizes, seed=3, epoch=1, first=5))
    assert len(whole) == 12
    for (x, labels), (y, same) in zip(whole[5:], rest, strict=True):
        assert torch.equal(x, y)
        assert torch.equal(labels, same)


def test_two_windows_are_held_and_no_more(insects, monkeypatch):
    monkeypatch.setattr(streaming, "WINDOW", 3 * ROWS)
    images = load_data(f"stream:{insects}", IMAGE).train.images
    fetched = []
    fetch = streaming.Stream._fetch
    monkeypatch.setattr(streaming.Stream, "_fetch", lambda self, block: fetched.append(block) or fetch(self, block))
    for _ in train_batches(load_data(f"stream:{insects}", IMAGE).train, [4] * 23, seed=0, epoch=0):
        pass
    assert len(fetched) == len(set(fetched)) == 23  # each once
    images[torch.arange(92)]
    assert len(images.store.held) <= 6


def test_what_was_fetched_for_an_epoch_cut_short_does_not_hold_up_the_next(insects, monkeypatch):
    monkeypatch.setattr(streaming, "WINDOW", 2 * ROWS)
    train = load_data(f"stream:{insects}", IMAGE).train
    for epoch in range(3):
        next(train_batches(train, [4] * 23, seed=0, epoch=epoch))
    assert sum(len(labels) for _, labels in train_batches(train, [4] * 23, seed=0, epoch=3)) == 92
    store = train.images.store
    assert not store.coming
    assert len(store.held) <= 4


@pytest.fixture
def served(insects):
    with serving(insects) as (address, hub):
        yield f"{address}/datasets/user/insects/resolve/main/train-00000-of-00001.parquet", hub


def stream_of(url):
    files = streaming.open_files([url])
    store = streaming.Stream(
        files, "image", (16, 16, 3), lambda file, _: np.asarray(Image.open(file).resize((16, 16))), "x"
    )
    return LazyImages(store, torch.arange(96))


def test_over_http_only_the_blocks_in_use_are_read(served, insects):
    url, hub = served
    images = stream_of(url)
    hub.ranges.clear()
    images[torch.tensor([5, 6])]
    block = images.store.files[0].footer.row_group(1)
    assert sum(last - first for first, last in hub.ranges) <= block.total_byte_size + 200
    hub.ranges.clear()
    assert streaming.read_labels(images.store.files, "label").tolist() == [i % 2 for i in range(96)]
    assert sum(last - first for first, last in hub.ranges) < 10_000
    hub.ranges.clear()
    streaming.read_labels(images.store.files, "label")
    assert not hub.ranges  # they are in the cache


def test_a_request_that_fails_is_made_again(served):
    url, hub = served
    images = stream_of(url)
    hub.failures = 2
    assert images[3].shape == (16, 16, 3)
    hub.failures = 99
    with pytest.raises(DataError, match=r"train-00000-of-00001.parquet could not be read in 3 attempts: .*503"):
        images[90]
    hub.failures = 0
    assert images[90].shape == (16, 16, 3)


def test_files_that_cannot_be_read_are_named(cache, tmp_path):
    with pytest.raises(DataError, match=r"nothing.parquet is not there"):
        streaming.open_files([str(tmp_path / "nothing.parquet")])
    (tmp_path / "words.parquet").write_text("words")
    with pytest.raises(DataError, match=r"words.parquet is not a Parquet file that can be read"):
        streaming.open_files([str(tmp_path / "words.parquet")])


def test_an_image_that_cannot_be_decoded_is_named(cache, tmp_path):
    place = tmp_path / "broken"
    place.mkdir()
    rows = {"image": [{"bytes": b"no image", "path": None}] * 6, "label": [0, 1] * 3}
    features = datasets.Features({"image": datasets.Image(decode=False), "label": datasets.ClassLabel(2)})
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(place / "train.parquet"))
    data = load_data(f"stream:{place}", IMAGE)
    with pytest.raises(DataError, match=r"image \d of .*train.parquet"):
        data.train.images[:]


def test_what_cannot_be_streamed_is_said(cache, tmp_path, monkeypatch):
    place = tmp_path / "photos" / "train" / "a"
    place.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(place / "0.png")
    with pytest.raises(DataError, match=r"stream:.*photos: it (is not kept in Parquet files|cannot be loaded)"):
        load_data(f"stream:{tmp_path / 'photos'}", IMAGE)

    def full(*_, **__):
        raise OSError("Not enough disk space. Needed: 138 GiB")

    monkeypatch.setattr(datasets, "load_dataset", full)
    with pytest.raises(DataError, match=r"no room for it; stream:some/set reads it without keeping it"):
        load_data("hf:some/set", IMAGE)


@pytest.mark.parametrize("kind", ["hf", "stream"])
def test_a_split_whose_labels_are_withheld_is_left_out(cache, tmp_path, kind):
    place = tmp_path / "contest"
    place.mkdir()
    write(place, "train", [0, 1] * 4)
    write(place, "validation", [1, 0] * 2)
    write(place, "test", [-1] * 4)
    data = load_data(f"{kind}:{place}", IMAGE)
    assert (len(data.train), len(data.test), data.validation) == (8, 4, None)
    assert data.test.labels.tolist() == [1, 0, 1, 0]


def test_a_network_trains_on_a_set_of_the_hub_and_keeps_no_image(insects, tmp_path):
    with serving(insects) as (address, _):
        environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"),
                       "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "*"}  # fmt: skip
        command = ["train", "--model", "inception_net | widen(0.25)", "--data", "stream:user/insects", "--input-size",
                   "16", "--epochs", "1", "--batch-size", "16", "--out", str(tmp_path / "run")]  # fmt: skip
        done = subprocess.run([sys.executable, "-m", "inceptionlab", *command], env=environment, capture_output=True,
                              text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "8 images" in done.stdout
    kept = [p for home in ("cache", "home") for p in (tmp_path / home).rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in kept) < 60_000 < (insects / "train-00000-of-00001.parquet").stat().st_size
