import functools
import gzip
import hashlib
import http.server
import io
import pickle
import tarfile
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from inceptionlab import DataError, Input, rng
from inceptionlab.data.batches import (
    Augment,
    augmented,
    batch_sizes,
    cut_out,
    ordered_batches,
    train_batches,
)  # fmt: skip
from inceptionlab.data.dataset import DataSet, Samples, array_set
from inceptionlab.data.decode import decode, fitted
from inceptionlab.data.preprocess import Preprocess, centred
from inceptionlab.data.registry import cifar, folder, idx, load_data
from inceptionlab.data.sources.download import Source, fetch
from inceptionlab.data.split import stratified
from inceptionlab.data.stores.images import InMemory


def step_generator(seed, step):
    return rng.stream(seed, "step", step)


def samples(n=12, size=8, channels=3, classes=3):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, size, size, channels), generator=generator, dtype=torch.uint8)
    return Samples(InMemory(images), torch.arange(n) % classes, tuple("abc"[:classes]))


@pytest.fixture
def server(tmp_path):
    """A server on this machine over an empty folder: (folder, address)."""
    root = tmp_path / "served"
    root.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=root)) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield root, f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_labels_and_counts_are_checked():
    images = InMemory(torch.zeros(3, 4, 4, 3, dtype=torch.uint8))
    with pytest.raises(DataError, match="labels run from 0 to 7, but there are 2 classes"):
        Samples(images, torch.tensor([0, 1, 7]), ("a", "b"))
    with pytest.raises(DataError, match="3 images have 2 labels"):
        Samples(images, torch.tensor([0, 1]), ("a", "b"))
    with pytest.raises(DataError, match="no image"):
        Samples(InMemory(images[:0]), torch.tensor([]), ("a", "b"))
    with pytest.raises(DataError, match="differ"):
        DataSet("d", samples(), samples(classes=2))


def test_splits_are_stratified_and_recorded_by_the_seed():
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 3)
    rest, part = stratified(labels, 0.1, seed=1)
    assert torch.bincount(labels[part]).tolist() == [5, 3, 1]
    assert sorted([*rest.tolist(), *part.tolist()]) == list(range(83))
    assert torch.equal(stratified(labels, 0.1, seed=1)[1], part)
    assert not torch.equal(stratified(labels, 0.1, seed=2)[1], part)
    with pytest.raises(DataError, match="too few to split"):
        stratified(torch.tensor([0, 0, 1]), 0.5, seed=0)
    with pytest.raises(DataError, match="below 1"):
        stratified(labels, 1.0, seed=0)
    rest, part = stratified(torch.tensor([0, 0, 1]), 0.5, seed=0, lone="keep")
    assert (len(rest), len(part)) == (2, 1)
    assert 2 in rest
    with pytest.raises(DataError, match="3 image.* of 3 class.* are too few"):
        stratified(torch.arange(3), 0.5, seed=0, lone="keep")


def test_a_limit_takes_all_classes():
    assert set(samples(30).limited(10).labels.tolist()) == {0, 1, 2}
    assert len(samples().limited(None)) == 12
    with pytest.raises(DataError, match="at least 1"):
        samples().limited(0)


def test_a_last_batch_of_one_joins_the_one_before():
    assert batch_sizes(9, 4) == [4, 5]
    assert batch_sizes(8, 4) == [4, 4]
    assert batch_sizes(3, 8) == [3]
    assert batch_sizes(11, 8, processes=2) == [11]
    for count, size in ((1, 8), (5, 1)):
        with pytest.raises(DataError, match="at least 2"):
            batch_sizes(count, size)
    counts = [len(labels) for _, labels in train_batches(samples(9), [4, 5], seed=0, epoch=0)]
    assert counts == [4, 5]


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own():
    store = samples(12)
    epochs = [torch.cat([i for i, _ in train_batches(store, batch_sizes(len(store), 5), 3, e)]) for e in (0, 1, 0)]
    assert torch.equal(epochs[0], epochs[2])
    assert not torch.equal(epochs[0], epochs[1])
    assert sorted(epochs[1].flatten(1).sum(1).tolist()) == sorted(store.images[:].flatten(1).sum(1).tolist())
    later = list(train_batches(store, batch_sizes(len(store), 5), 3, 0, first=1))
    assert torch.equal(later[0][0], epochs[0][5:10])


def test_augmentation_crops_and_flips_reflected_images():
    images = samples(64, 8).images[:]
    out = augmented(images, Augment(pad=2), (8, 8), step_generator(0, 5))
    assert out.shape == images.shape
    assert torch.equal(out, augmented(images, Augment(pad=2), (8, 8), step_generator(0, 5)))
    still = augmented(images, Augment(pad=0, flip=False), (8, 8), step_generator(0, 5))
    assert torch.equal(still, images)
    flipped = augmented(images, Augment(pad=0), (8, 8), step_generator(0, 5))
    kinds = [torch.equal(a, b) or torch.equal(a, b.flip(1)) for a, b in zip(flipped, images, strict=True)]
    assert all(kinds)
    padded = np.pad(images.numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    crops = augmented(images, Augment(pad=2, flip=False), (8, 8), step_generator(0, 5)).numpy()
    for crop, whole in zip(crops, padded, strict=True):
        assert any((crop == whole[i : i + 8, j : j + 8]).all() for i in range(5) for j in range(5))
    assert augmented(images, Augment(), (5, 6), step_generator(0, 0)).shape == (64, 5, 6, 3)
    assert centred(images, (4, 6)).shape == (64, 4, 6, 3)


def test_input_is_normalised_channels_last_and_resized():
    x = Preprocess(Input(3, 8, 8, mean=(0.5,) * 3, std=(0.25,) * 3)).to_input(samples(4, 8).images[:])
    expected = (samples(4, 8).images[:].permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
    torch.testing.assert_close(x, expected, atol=1e-5, rtol=0)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert Preprocess(Input(3, 16, 12)).to_input(samples(4, 8).images[:]).shape == (4, 3, 16, 12)
    with pytest.raises(DataError, match="3 channel"):
        Preprocess(Input(1, 8, 8)).to_input(samples(4, 8).images[:])


def test_erasing_sets_a_square_to_the_mean():
    y = cut_out(torch.ones(50, 3, 16, 16), 4, step_generator(0, 0))
    gone = (y == 0).sum((1, 2, 3)) / 3
    assert gone.max() == 16
    assert gone.min() >= 4
    assert cut_out(torch.ones(1, 3, 4, 4), 0, step_generator(0, 0)).min() == 1


def test_ordered_batches_cover_a_set():
    assert torch.equal(torch.cat([labels for _, labels in ordered_batches(samples(), 5)]), samples().labels)


# --- images from files ---------------------------------------------------------------------------------------------


def save(path, size=(40, 30), mode="RGB", colour=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour or (0 if mode != "RGB" else (10, 20, 30))).save(path)
    return path


def test_images_are_turned_upright_and_converted(tmp_path):
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    assert decode(tmp_path / "a.jpg", "a", 3).size == (20, 40)
    assert decode(save(tmp_path / "b.png", mode="RGBA"), "b", 3).mode == "RGB"
    assert decode(save(tmp_path / "c.png", mode="P"), "c", 1).mode == "L"


@pytest.mark.parametrize("crop", [0.875, 1.0])
def test_the_centre_crop_has_the_size_asked_for(crop):
    for size in ((40, 30), (7, 100), (33, 33)):
        assert fitted(Image.new("RGB", size), (24, 20), crop, "bicubic").size == (20, 24)


def test_bad_images_are_named(tmp_path):
    with pytest.raises(DataError, match="tiny.png is 1x1 pixels; an image needs at least 4x4"):
        decode(save(tmp_path / "tiny.png", (1, 1)), "tiny.png", 3)
    huge = save(tmp_path / "huge.png", (20_000, 20_000), "1")
    with pytest.raises(DataError, match=r"20,000x20,000 pixels|larger than 100,000,000"):
        decode(huge, "huge.png", 3)
    whole = save(tmp_path / "a.jpg", (200, 200)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("hello")
    for name in ("cut.jpg", "text.png"):
        with pytest.raises(DataError, match=f"{name} cannot be read as an image"):
            decode(tmp_path / name, name, 3)
    with pytest.raises(DataError, match="does not exist"):
        decode(tmp_path / "none.png", "none.png", 3)
    with pytest.raises(DataError, match="is a folder"):
        decode(tmp_path, "here", 3)


def make_folder(root, parts, classes=("ants", "bees"), count=10):
    for part in parts:
        for i, name in enumerate(classes):
            for j in range(count):
                save(root / part / name / f"{j}.png", (20, 16), colour=(100 * i, 5 * j, 0))


def test_a_folder_with_all_parts(tmp_path):
    make_folder(tmp_path, ("train", "val", "test"))
    loaded = folder.load(tmp_path, Preprocess(Input(3, 14, 14)))
    assert loaded.train.images.shape == (20, 16, 16, 3)
    assert (len(loaded.validation), len(loaded.test)) == (20, 20)
    assert loaded.train.classes == ("ants", "bees")
    assert loaded.size is None


def test_a_folder_without_a_test_set_keeps_val_for_the_end(tmp_path):
    make_folder(tmp_path, ("train", "val"))
    loaded = folder.load(tmp_path, Preprocess(Input(3, 14, 14)))
    assert loaded.validation is None
    assert "val/ is the test set" in loaded.note
    assert loaded.test.paths[0].endswith("val/ants/0.png")


def test_class_folders_alone_are_split(tmp_path):
    make_folder(tmp_path, (".",))
    loaded = folder.load(tmp_path, Preprocess(Input(1, 14, 14)))
    assert (len(loaded.train), len(loaded.test), loaded.train.channels) == (16, 4, 1)
    assert not set(loaded.train.paths) & set(loaded.test.paths)


def test_bad_folders_are_refused(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"0 class folder"):
        folder.load(tmp_path, Preprocess(Input()))
    make_folder(tmp_path, ("train", "val"))
    (tmp_path / "train" / "wasps").mkdir()
    with pytest.raises(DataError, match="wasps holds no image"):
        folder.load(tmp_path, Preprocess(Input()))
    save(tmp_path / "train" / "wasps" / "a.png")
    with pytest.raises(DataError, match="differ"):
        folder.load(tmp_path, Preprocess(Input(3, 14, 14)))
    (tmp_path / "train" / "ants" / "3.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(DataError, match=r"train/ants/3\.png cannot be read"):
        folder.load(tmp_path, Preprocess(Input(3, 14, 14)))
    monkeypatch.setattr(folder, "MOST_BYTES", 1000)
    with pytest.raises(DataError, match="smaller --input-size"):
        folder.load(tmp_path, Preprocess(Input(3, 14, 14)))


def test_unknown_data_are_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("INCEPTIONLAB_DATA", raising=False)
    with pytest.raises(DataError, match="did you mean 'cifar10'"):
        load_data("cifra10")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file"):
        load_data(str(tmp_path / "file"))


# --- archives and downloads ------------------------------------------------------------------------------------------


def tiny_cifar(monkeypatch, kind):
    """An archive as the official ones are laid out, with 4 images a file, and its images."""
    generator = np.random.default_rng(0)
    buffer = io.BytesIO()
    contents = []
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
            labels, pixels = generator.integers(0, 10, 4), generator.integers(0, 256, (4, 3072), dtype=np.uint8)
            if kind == "binary":
                data, name = np.concatenate([labels[:, None].astype(np.uint8), pixels], 1).tobytes(), f"{name}.bin"
            else:
                data = pickle.dumps({"data": pixels, "labels": labels.tolist()}, protocol=2)
            info = tarfile.TarInfo(f"folder/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
            contents.append((pixels, labels))
    data = buffer.getvalue()
    layout = cifar.LAYOUTS["cifar10"]
    source = Source(getattr(layout, kind).file, "http://127.0.0.1:9", hashlib.md5(data).hexdigest())
    values = {slot: getattr(layout, slot) for slot in layout.__slots__} | {kind: source}
    monkeypatch.setitem(cifar.LAYOUTS, "cifar10", cifar.Layout(**values))
    return data, source, contents


@pytest.mark.parametrize("kind", ["binary", "python"])
def test_cifar_archives(tmp_path, monkeypatch, kind):
    data, source, contents = tiny_cifar(monkeypatch, kind)
    (tmp_path / source.file).write_bytes(data)
    loaded = load_data("cifar10", data_dir=tmp_path)
    assert (len(loaded.train), len(loaded.test), loaded.size) == (20, 4, 32)
    pixels, labels = contents[0]
    assert loaded.train.labels[:4].tolist() == labels.tolist()
    assert np.array_equal(loaded.train.images[0].numpy(), pixels[0].reshape(3, 32, 32).transpose(1, 2, 0))


@pytest.mark.parametrize("kind", ["binary", "python"])
def test_cifar_archives_that_were_unpacked(tmp_path, monkeypatch, kind):
    data, _, contents = tiny_cifar(monkeypatch, kind)
    target = tmp_path / cifar.LAYOUTS["cifar10"].folders[kind == "python"]
    target.mkdir()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive.getmembers():
            (target / member.name.rpartition("/")[2]).write_bytes(archive.extractfile(member).read())
    loaded = load_data("cifar10", data_dir=tmp_path)
    assert loaded.test.labels.tolist() == contents[-1][1].tolist()
    victim = next(target.glob("data_batch_3*"))
    victim.write_bytes(victim.read_bytes()[:500])
    with pytest.raises(DataError, match="cannot be read|bytes"):
        load_data("cifar10", data_dir=tmp_path)
    victim.unlink()
    with pytest.raises(DataError, match="has no file data_batch_3"):
        load_data("cifar10", data_dir=tmp_path)


def test_cifar100_has_two_labels_an_image_and_100_names():
    row = np.concatenate([np.array([7, 42], np.uint8), np.zeros(3072, np.uint8)])
    _, labels = cifar._binary(row.tobytes(), cifar.LAYOUTS["cifar100"])
    assert cifar.CIFAR100[labels[0]] == "leopard"
    assert len(cifar.CIFAR100) == 100


def test_cifar_is_downloaded_once_with_its_checksum(tmp_path, monkeypatch, server):
    monkeypatch.delenv("INCEPTIONLAB_DATA", raising=False)
    data, source, _ = tiny_cifar(monkeypatch, "binary")
    root, address = server
    (root / source.file).write_bytes(data)
    loaded = load_data("cifar10", data_dir=tmp_path / "data", mirror=address)
    assert len(loaded.train) == 20
    (root / source.file).unlink()
    assert len(load_data("cifar10", data_dir=tmp_path / "data", mirror=address).test) == 4
    monkeypatch.setenv("INCEPTIONLAB_MIRROR", address)
    (root / source.file).write_bytes(data)
    assert len(load_data("cifar10", data_dir=tmp_path / "other").test) == 4


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(tmp_path, server):
    root, address = server
    (root / "a.bin").write_bytes(b"not what was published")
    source = Source("a.bin", address, "0" * 32)
    with pytest.raises(DataError, match="its makers publish 0{32}"):
        fetch(source, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    (tmp_path / "cache" / "a.bin").write_bytes(b"old")
    with pytest.raises(DataError, match="remove it to have it fetched anew"):
        fetch(source, tmp_path / "cache")


def test_an_address_that_does_not_answer(tmp_path, server):
    _, address = server
    for base in (address, "http://127.0.0.1:9"):
        with pytest.raises(DataError, match="could not be downloaded"):
            fetch(Source("missing.bin", base, "0" * 32), tmp_path)
    assert list(tmp_path.glob("*.part")) == []


def test_damaged_archives_are_refused(tmp_path, monkeypatch):
    data, source, _ = tiny_cifar(monkeypatch, "binary")
    cut = data[: len(data) // 2]
    monkeypatch.setattr(cifar, "check", lambda *_: None)
    (tmp_path / source.file).write_bytes(cut)
    with pytest.raises(DataError, match="not a readable archive|has no member|bytes"):
        load_data("cifar10", data_dir=tmp_path)


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_pickle_in_an_archive_runs_no_code(capsys):
    with pytest.raises(DataError, match=r"builtins\.print"):
        cifar._python(pickle.dumps({"data": Evil()}), cifar.LAYOUTS["cifar10"])
    assert capsys.readouterr().out == ""


def parquet(folder_, rows, name="img", label="label"):
    folder_.mkdir(exist_ok=True)
    for part in ("train", "test"):
        table = pa.table({name: [{"bytes": b, "path": None} for b, _ in rows], label: [y for _, y in rows]})
        pq.write_table(table, folder_ / f"{part}-00000-of-00001.parquet")


def png():
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (1, 2, 3)).save(buffer, "PNG")
    return buffer.getvalue()


def test_cifar_from_parquet(tmp_path):
    parquet(tmp_path / "cifar10", [(png(), 3), (png(), 9)])
    loaded = load_data("cifar10", data_dir=tmp_path)
    assert loaded.train.images[0, 0, 0].tolist() == [1, 2, 3]
    assert loaded.train.labels.tolist() == [3, 9]


def test_bad_parquet_is_refused(tmp_path):
    parquet(tmp_path / "cifar10", [(png(), 3), (png(), 10)])
    with pytest.raises(DataError, match="labels run from 3 to 10"):
        load_data("cifar10", data_dir=tmp_path)
    parquet(tmp_path / "cifar10", [(png(), 3), (png()[:40], 1)])
    with pytest.raises(DataError, match="row 1 cannot be read"):
        load_data("cifar10", data_dir=tmp_path)
    parquet(tmp_path / "cifar10", [(png(), 3)], name="pixels")
    with pytest.raises(DataError, match="it needs 'img' and 'label'"):
        load_data("cifar10", data_dir=tmp_path)
    for path in (tmp_path / "cifar10").iterdir():
        path.write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        load_data("cifar10", data_dir=tmp_path)


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4) for n in array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def test_idx_files(tmp_path, monkeypatch, server):
    monkeypatch.setattr(idx, "DEBIAN", tmp_path / "nothing")
    monkeypatch.delenv("INCEPTIONLAB_DATA", raising=False)
    root, address = server
    images, labels = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4), np.array([0, 1, 2, 3, 9], np.uint8)
    for name in idx.FILES:
        write_idx(root / f"{name}.gz", images if "images" in name else labels)
    sums = tuple(hashlib.md5((root / f"{name}.gz").read_bytes()).hexdigest() for name in idx.FILES)
    monkeypatch.setitem(idx.MD5, "mnist", sums)
    loaded = load_data("mnist", data_dir=tmp_path / "data", mirror=address)
    assert loaded.train.images.shape == (5, 4, 4, 1)
    assert loaded.test.labels.tolist() == labels.tolist()


def test_bad_idx_files_are_refused(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(b"not gzip")
    with pytest.raises(DataError, match="cannot be unpacked"):
        idx.read_idx(path, 1)
    path.write_bytes(gzip.compress(b"\0\0\x09\1"))
    with pytest.raises(DataError, match="not an IDX file"):
        idx.read_idx(path, 1)
    path.write_bytes(gzip.compress(b"\0\0\x08\1\0\0\0\7abc"))
    with pytest.raises(DataError, match="should hold 7 bytes and holds 3"):
        idx.read_idx(path, 1)


def test_digits_are_the_scans_of_scikit_learn():
    loaded = load_data("digits")
    assert (len(loaded.train), len(loaded.test)) == (1438, 359)
    assert loaded.train.images.shape[1:] == (32, 32, 1)


def test_arrays_that_are_read_only_are_copied():
    array = np.zeros((2, 4, 4), np.uint8)
    array.setflags(write=False)
    assert array_set(array, np.array([0, 1]), ("a", "b")).images.shape == (2, 4, 4, 1)


# --- the real sets ---------------------------------------------------------------------------------------------------


def test_the_real_cifar10(data_dir):
    loaded = load_data("cifar10", data_dir=data_dir)
    assert loaded.train.images.shape == (50_000, 32, 32, 3)
    assert torch.bincount(loaded.train.labels).tolist() == [5000] * 10
    assert torch.bincount(loaded.test.labels).tolist() == [1000] * 10
    mean = loaded.train.images[:].float().mean((0, 1, 2)) / 255
    assert mean.tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)


def test_the_real_photographs(data_dir):
    loaded = load_data("hymenoptera", Input(3, 56, 56), data_dir=data_dir)
    assert loaded.train.classes == ("ants", "bees")
    assert len(loaded.train) + len(loaded.test) == 398
    assert loaded.train.images.shape[1:] == (64, 64, 3)


def test_the_real_fashion_mnist(fashion):
    loaded = load_data(fashion)
    assert loaded.train.images.shape == (60_000, 28, 28, 1)
    assert torch.bincount(loaded.test.labels).tolist() == [1000] * 10


def test_every_image_has_a_name(tmp_path):
    make_folder(tmp_path, ("train", "test"))
    loaded = folder.load(tmp_path, Preprocess(Input(3, 14, 14)))
    assert loaded.test.name(0) == "test/ants/0.png"
    assert loaded.train.subset(torch.tensor([3, 1])).name(1) == "train/ants/1.png"
    samples = array_set(np.zeros((6, 4, 4), np.uint8), np.zeros(6, np.int64), ("a",))
    part = samples.subset(torch.tensor([5, 2, 4])).subset(torch.tensor([2, 1]))
    assert [samples.name(3), part.name(0), part.name(1)] == ["image 3", "image 4", "image 2"]


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A folder of which two files hold no image."""
    monkeypatch.setenv("INCEPTIONLAB_HOME", str(tmp_path / "home"))
    make_folder(tmp_path / "set", ("train", "test"))
    for name in ("train/ants/3.png", "train/bees/0.png"):
        (tmp_path / "set" / name).write_bytes(b"nothing")
    return tmp_path / "set"


@pytest.mark.parametrize("eager", [4_000, 5], ids=["in memory", "on disk"])
def test_what_cannot_be_read_is_left_out_where_that_is_asked(broken, monkeypatch, eager):
    monkeypatch.setattr(folder, "EAGER", eager)
    for _ in range(2):  # from the files, and from what was kept of them
        found = load_data(str(broken), Input(3, 14, 14), skip_unreadable=True)
        assert found.left_out == ("train/ants/3.png", "train/bees/0.png")
        assert found.what_is_left_out == "2 images cannot be read and are left out: train/ants/3.png, train/bees/0.png"
        assert (len(found.train), len(found.test)) == (18, 20)
        assert [found.train.name(i) for i in (2, 3, 9)] == ["train/ants/2.png", "train/ants/4.png", "train/bees/1.png"]
        assert found.train.images[:].float().amax((1, 2, 3))[9:].min() > 90
    with pytest.raises(DataError, match=r"ants/3\.png cannot be read.*--skip-unreadable leaves out"):
        load_data(str(broken), Input(3, 14, 14)).train.images[:]


def test_without_it_the_error_counts_what_cannot_be_read(broken):
    with pytest.raises(DataError, match=r"3\.png cannot be read .* \(and so is 1 other image\); --skip-unreadable"):
        load_data(str(broken), Input(3, 14, 14))


def test_whole_data_are_the_same_with_and_without_it(tmp_path):
    make_folder(tmp_path, ("train", "test"))
    one, two = (load_data(str(tmp_path), Input(3, 14, 14), skip_unreadable=skip) for skip in (False, True))
    assert (one.train.digest(), two.left_out) == (two.train.digest(), ())


def test_a_class_of_which_nothing_can_be_read_is_refused(broken):
    for i in range(10):
        (broken / "train" / "ants" / f"{i}.png").write_bytes(b"")
    with pytest.raises(DataError, match="no image of ants in .* can be read; inceptionlab check-data"):
        load_data(str(broken), Input(3, 14, 14), skip_unreadable=True)


def test_only_files_of_folders_are_left_out():
    with pytest.raises(DataError, match="digits is no folder"):
        load_data("digits", skip_unreadable=True)


def test_classes_that_differ_are_named_and_not_all_of_them(tmp_path):
    make_folder(tmp_path, ("train",), classes=[f"c{i:04}" for i in range(30)], count=1)
    make_folder(tmp_path, ("test",), classes=["c0000", "other"], count=1)
    with pytest.raises(DataError, match=r"only train has c0001, .*, c0006 and 23 more; only test has other$"):
        folder.load(tmp_path, Preprocess(Input(3, 14, 14)))


def test_a_set_is_printed_without_its_pixels():
    samples = array_set(np.zeros((6, 4, 4), np.uint8), np.zeros(6, np.int64), ("ants", "bees"))
    assert repr(samples) == "Samples(6 images 4x4x1, 2 classes: ants, bees)"
