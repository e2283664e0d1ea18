"""Files that lie: each ends in a sentence, soon, and without taking the memory it asks for."""

import contextlib
import gzip
import io
import os
import pickle
import struct
import sys
import tracemalloc
from time import monotonic

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from inceptionlab import DataError, Input
from inceptionlab.data.audit import check_data
from inceptionlab.data.decode import decode, fitted
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.registry import load_data
from inceptionlab.data.sources import cifar, folder, idx, parquet
from inceptionlab.data.sources.pickled import read_plain_pickle

MEMORY, SECONDS = 300 << 20, 20.0


@pytest.fixture(autouse=True)
def _little():
    """Every test stays within some memory and time."""
    tracemalloc.start(1)
    began = monotonic()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY
    assert monotonic() - began < SECONDS


# --- images ----------------------------------------------------------------------------------------------------------

EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 40 40
%%EndComments
(ghostscript ran) print
showpage
%%EOF
"""


def dds(code=b"DX10"):
    head = struct.pack("<7I44x", 124, 0x1007, 16, 16, 0, 0, 0) + struct.pack("<2I4s5I", 32, 4, code, 0, 0, 0, 0, 0)
    return b"DDS " + head + bytes(20) + struct.pack("<5I", 999, 3, 0, 1, 0) + bytes(64)


FOREIGN = {
    "eps": EPS, "dds": dds(), "dds of another code": dds(b"ABCD"), "blp": b"BLP2" + bytes(200),
    "avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(100), "psd": b"8BPS\0\1" + bytes(60),
    "icns": b"icns" + bytes(60), "nothing": b"", "tiff": b"II*\0" + bytes(60), "gif": b"GIF89a" + bytes(5),
    "webp": b"RIFF\x20\0\0\0WEBPVP8 " + bytes(20), "bmp": b"BM" + bytes(80), "ppm": b"P6\n99999999 9999999\n255\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_pillow_raises_is_a_sentence(kind, tmp_path, monkeypatch):
    def started(*_, **__):
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen", started)
    (tmp_path / "1.jpg").write_bytes(FOREIGN[kind])
    with pytest.raises(DataError, match=r"1.jpg (cannot be read as an image|is)"):
        decode(tmp_path / "1.jpg", "1.jpg", 3)
    with pytest.raises(DataError, match="the image"):
        Preprocess(Input()).prepare(io.BytesIO(FOREIGN[kind]), "the image")


@pytest.mark.parametrize("error", [NotImplementedError("BLP3"), struct.error("cut"), KeyError("x"), RecursionError()])
def test_so_is_whatever_a_format_of_pillow_raises(error, tmp_path, monkeypatch):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")

    def fails(*_, **__):
        raise error

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fails)
    with pytest.raises(DataError, match=r"a.png cannot be read as an image"):
        decode(tmp_path / "a.png", "a.png", 3)


def test_what_is_wrong_with_a_file_is_said_in_words(tmp_path):
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    for name, content, why in (
        ("a.jpg", b"", "it is empty"),
        ("b.jpg", whole[:300], "it ends too early; copy or download it anew"),
        ("c.jpg", whole[:1200], "it ends too early; copy or download it anew"),
    ):
        (tmp_path / name).write_bytes(content)
        for file in (tmp_path / name, io.BytesIO(content)):
            with pytest.raises(DataError) as error:
                decode(file, name, 3)
            assert str(error.value) == f"{name} cannot be read as an image: {why}"


def test_many_readers_leave_the_warnings_of_the_process_as_they_were(tmp_path):
    import warnings
    from concurrent.futures import ThreadPoolExecutor

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: decode(tmp_path / "a.png", "a", 3), range(400)))
    assert warnings.filters == before


def test_a_long_strip_is_not_made_larger_than_it_must():
    strip = Image.new("L", (4, 2_000_000))
    assert fitted(strip, (256, 256), 0.875, "bilinear").size == (256, 256)
    assert fitted(strip.transpose(Image.Transpose.ROTATE_90), (256, 200), 1.0, "bicubic").size == (200, 256)


# --- folders ---------------------------------------------------------------------------------------------------------


def make(root):
    for name in ("ants", "bees"):
        (root / name / "deep").mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (8, 8), (i, i, i)).save(root / name / "deep" / f"{i}.png")
    return root


def test_a_circle_of_symbolic_links_is_named(tmp_path):
    make(tmp_path)
    for i in range(3):
        (tmp_path / "ants" / "deep" / f"again{i}").symlink_to(tmp_path / "ants", target_is_directory=True)
    with pytest.raises(DataError, match=r"deep/again\d leads to a folder of .*ants a second time"):
        folder.load(tmp_path, Preprocess(Input()))
    with pytest.raises(DataError, match="a second time"):
        check_data(tmp_path)


def test_a_link_to_itself_and_a_link_to_nothing_are_no_images(tmp_path):
    make(tmp_path)
    (tmp_path / "bees" / "loop.png").symlink_to(tmp_path / "bees" / "loop.png")
    with pytest.raises(DataError, match=r"loop.png cannot be read: Too many levels of symbolic links"):
        folder.load(tmp_path, Preprocess(Input()))
    (tmp_path / "bees" / "loop.png").unlink()
    (tmp_path / "bees" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert len(folder.load(tmp_path, Preprocess(Input())).train) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("place", ["ants/deep/b\udcff.png", "z\udcff/0.png"])
def test_a_name_that_is_not_utf_8_is_named(tmp_path, place):
    make(tmp_path)
    (tmp_path / place).parent.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(os.fsencode(tmp_path / place))
    with pytest.raises(DataError, match=r"\\udcff.* has a name that is not UTF-8; rename it") as caught:
        folder.load(tmp_path, Preprocess(Input()))
    str(caught.value).encode()


@pytest.mark.parametrize("name", ["", "x" * 300, "a\0b", "hf:", "stream:"])
def test_what_can_be_no_name_is_said(name):
    with pytest.raises(DataError):
        load_data(name)


# --- IDX -------------------------------------------------------------------------------------------------------------


def head(*sizes, kind=8, dimensions=None):
    return bytes([0, 0, kind, dimensions or len(sizes)]) + b"".join(size.to_bytes(4) for size in sizes)


@pytest.mark.parametrize(("content", "words"), [
    (b"", "is not an IDX file"),
    (head(2**31, 2**31, 4), "announces 2147483648x2147483648x4 bytes"),
    (head(2**32 - 1, 2**16, 2**16), "announces"),
    (head(0, 28, 28), "announces 0x28x28 bytes"),
    (head(3, 28), "of 2 dimension"),
    (head(3, 28, 28, dimensions=255), "of 255 dimension"),
    (head(3, dimensions=3), "must have 3"),
    (head(3, 2, 2) + bytes(11), "should hold 3x2x2 bytes and holds 11"),
    (head(3, 2, 2) + bytes(13), "and holds more"),
    (head(3, 2, 2, kind=13) + bytes(48), "is not an IDX file of bytes"),
])  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_that_lie(content, words, packed, tmp_path):
    path = tmp_path / ("x.gz" if packed else "x")
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError, match=words):
        idx.read_idx(path, 3)


def test_a_bomb_is_not_unpacked(tmp_path):
    with gzip.open(tmp_path / "x.gz", "wb", compresslevel=1) as file:
        file.write(head(3, 2, 2))
        for _ in range(64):
            file.write(bytes(16 << 20))
    with pytest.raises(DataError, match="should hold 3x2x2 bytes and holds more"):
        idx.read_idx(tmp_path / "x.gz", 3)


def test_damaged_gzip_is_a_sentence(tmp_path):
    whole = bytearray(gzip.compress(head(3, 20, 20) + os.urandom(1200)))
    for place in (12, 40, len(whole) // 2):
        damaged = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        (tmp_path / "x.gz").write_bytes(damaged)
        with pytest.raises(DataError, match=r"x.gz"):
            idx.read_idx(tmp_path / "x.gz", 3)


def write_mnist(place, images, labels, test=None):
    for name in idx.FILES:
        array = (images if name.startswith("train") or test is None else test) if "images" in name else labels
        (place / name).write_bytes(head(*array.shape) + array.tobytes())


def test_idx_sets_that_do_not_fit_together(tmp_path):
    images, labels = np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 2, 3], np.uint8)
    write_mnist(tmp_path, images, labels[:3])
    with pytest.raises(DataError, match="4 images have 3 labels"):
        load_data("mnist", data_dir=tmp_path)
    write_mnist(tmp_path, images, labels + 7)
    with pytest.raises(DataError, match="labels run from 7 to 10"):
        load_data("mnist", data_dir=tmp_path)
    write_mnist(tmp_path, images, labels, test=np.zeros((4, 9, 9), np.uint8))
    with pytest.raises(DataError, match="training images are 8x8x1, those of the test 9x9x1"):
        load_data("mnist", data_dir=tmp_path)


# --- CIFAR -----------------------------------------------------------------------------------------------------------

LAYOUT = cifar.LAYOUTS["cifar10"]
PIXELS = np.zeros((2, 3072), np.uint8)


def nested():
    found = [0]
    for _ in range(40):
        found = [found] * 10
    return found


@pytest.mark.parametrize(("batch", "words"), [
    ([1, 2], "cannot be read"),
    ({"labels": [0, 1]}, "cannot be read"),
    ({"data": PIXELS}, "cannot be read"),
    ({"data": PIXELS.astype(np.float64), "labels": [0, 1]}, "an array n x 3072 of bytes"),
    ({"data": PIXELS[:, :100], "labels": [0, 1]}, "an array n x 3072 of bytes"),
    ({"data": nested(), "labels": [0, 1]}, "an array n x 3072 of bytes"),
    ({"data": PIXELS, "labels": nested()}, "a list of whole numbers"),
    ({"data": PIXELS, "labels": [0.5, 1.0]}, "a list of whole numbers"),
    ({"data": PIXELS, "labels": ["cat", "dog"]}, "a list of whole numbers"),
    ({"data": PIXELS, "labels": [True, False]}, "a list of whole numbers"),
])  # fmt: skip
def test_cifar_pickles_that_lie(batch, words):
    with pytest.raises(DataError, match=words):
        cifar._python(pickle.dumps(batch, protocol=2), LAYOUT)


def test_pickles_that_ask_for_memory_do_not_get_it():
    far = b"\x80\x02K\x01r\xff\xff\xff\x7f."  # a place in the memo behind two thousand million others
    with pytest.raises(DataError, match="asks for more memory"):
        read_plain_pickle(far)
    huge = b"cnumpy\nndarray\n(I4000000000\nI4000000000\ntR."
    with pytest.raises((DataError, TypeError)):
        read_plain_pickle(huge)
    shaped = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I4000000000\nI40000\ntC\x01btR."
    assert read_plain_pickle(shaped).size == 0
    assert read_plain_pickle(pickle.dumps({"data": PIXELS}, protocol=2))["data"].shape == (2, 3072)


@pytest.mark.parametrize("data", [b"", b".", b"\x80\x02", b"(((((((", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f."])
def test_what_is_no_pickle_is_a_sentence(data):
    with pytest.raises(DataError, match="cannot be read"):
        cifar._python(data, LAYOUT)


def test_a_file_larger_than_cifar_is_not_read(tmp_path):
    place = tmp_path / LAYOUT.folders[0]
    place.mkdir()
    for name in (*LAYOUT.train, *LAYOUT.test):
        with (place / f"{name}.bin").open("wb") as file:
            file.truncate(3073 << 20)  # sparse: 3 GB that take no room
    with pytest.raises(DataError, match="a file of CIFAR has at most 268,435,456"):
        load_data("cifar10", data_dir=tmp_path)


# --- Parquet ---------------------------------------------------------------------------------------------------------


def png(size=(32, 32)):
    buffer = io.BytesIO()
    Image.new("RGB", size, (1, 2, 3)).save(buffer, "PNG")
    return buffer.getvalue()


def write(place, columns):
    place.mkdir(exist_ok=True)
    for part in ("train", "test"):
        pq.write_table(pa.table(columns), place / f"{part}-0.parquet")


def cells(*contents):
    return [{"bytes": one, "path": None} for one in contents]


@pytest.mark.parametrize(("labels", "words"), [
    ([0.5, 1.0], "of the type double; they must be whole numbers"),
    (["cat", "dog"], "of the type string"),
    ([0, None], "none missing"),
    ([[0], [1]], "of the type list"),
    ([-1, 3], "labels run from -1 to 3"),
    ([0, 10], "labels run from 0 to 10"),
])  # fmt: skip
def test_parquet_labels_that_are_none(labels, words, tmp_path):
    write(tmp_path / "cifar10", {"img": cells(png(), png()), "label": labels})
    with pytest.raises(DataError, match=words):
        load_data("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize(("images", "words"), [
    (cells(png(), png((8, 8))), "row 1 is an image of 8x8, not 32x32"),
    (cells(png((16, 16)), png((16, 16))), "row 0 is an image of 16x16, not 32x32"),
    (cells(png(), None), "row 1 holds no encoded image"),
    ([1, 2], "row 0 holds no encoded image"),
    (["a", "b"], "row 0 holds no encoded image"),
    (cells(png(), EPS), "row 1 cannot be read as an image"),
])  # fmt: skip
def test_parquet_images_that_are_none(images, words, tmp_path):
    write(tmp_path / "cifar10", {"img": images, "label": [0, 1]})
    with pytest.raises(DataError, match=words):
        load_data("cifar10", data_dir=tmp_path)


def test_parquet_that_unpacks_to_gigabytes(tmp_path, monkeypatch):
    rows = pa.array([0] * 1600, pa.int32())
    same = pa.DictionaryArray.from_arrays(rows, pa.array([bytes(4 << 20)]))
    place = tmp_path / "cifar10"
    place.mkdir()
    for part in ("train", "test"):
        table = pa.table({"img": pa.StructArray.from_arrays([same], ["bytes"]), "label": rows})
        pq.write_table(table, place / f"{part}-0.parquet", compression="zstd")
    assert (place / "train-0.parquet").stat().st_size < 20_000
    monkeypatch.setattr(parquet, "MOST_ENCODED", 64 << 20)
    with pytest.raises(DataError, match="unpacks to more than 64 MiB"):
        load_data("cifar10", data_dir=tmp_path)


def test_parquet_that_announces_too_many_rows(tmp_path, monkeypatch):
    write(tmp_path / "cifar10", {"img": cells(png(), png()), "label": [0, 1]})
    monkeypatch.setattr(parquet, "MOST_ROWS", 1)
    with pytest.raises(DataError, match="announces 2 rows; a set that fits memory has at most 1"):
        load_data("cifar10", data_dir=tmp_path)


def test_parquet_cut_anywhere_is_a_sentence(tmp_path):
    write(tmp_path / "cifar10", {"img": cells(*[png()] * 8), "label": list(range(8))})
    whole = (tmp_path / "cifar10" / "train-0.parquet").read_bytes()
    for place in range(0, len(whole), 61):
        damaged = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        for content in (whole[:place], damaged):
            (tmp_path / "cifar10" / "train-0.parquet").write_bytes(content)
            with contextlib.suppress(DataError):
                load_data("cifar10", data_dir=tmp_path)
