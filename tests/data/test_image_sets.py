"""What people call images, as one set: nothing is read before it is asked for."""

import io
import os
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from inceptionlab.data.ahead import AHEAD, in_batches, read_ahead
from inceptionlab.data.image_sets import gathered, image_set
from inceptionlab.errors import DataError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with photos/b.png, photos/sub/a.PNG, photos/labels.txt, one.jpg and rows.parquet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos/sub").mkdir(parents=True)
    for number, name in enumerate(("one.jpg", "photos/b.png", "photos/sub/a.PNG")):
        Image.new("RGB", (8 + number, 8), (90 * number, 0, 0)).save(name)
    (tmp_path / "photos/labels.txt").write_text("no image")
    return tmp_path


def piped(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def named(images):
    return [images.where(i) for i in range(images.count)]


BELOW = ["photos/b.png", "photos/sub/a.PNG"]


@pytest.mark.parametrize(("source", "names"), [
    ("photos", BELOW), ("photos/**", BELOW), ("photos/*.png", BELOW[:1]), ("p*/s?b/[a]*", BELOW[1:]),
    ("one.jpg", ["one.jpg"]), ("missing.JPG", ["missing.JPG"]), ("photos/labels.txt", ["photos/labels.txt"]),
    ("https://127.0.0.1/x", ["https://127.0.0.1/x"]),
])  # fmt: skip
def test_a_text_is_files_or_an_address(source, names):
    assert named(image_set(source)) == names
    assert named(gathered([source])) == names


def test_sources_are_joined_in_their_order():
    pixels = np.zeros((1, 6, 6, 3), np.uint8)
    found = gathered(["one.jpg", "photos", Image.new("L", (5, 5)), pixels[0], torch.from_numpy(pixels), "no.png"])
    assert named(found) == ["one.jpg", *BELOW, "image 3", "image 4", "image 0", "no.png"]
    assert [found.pixels(i).shape for i in (0, 1, 2, 3, 4, 5)] == [(8, 8 + i, 3) for i in range(3)] + [
        (5, 5, 3), (6, 6, 3), (6, 6, 3)]  # fmt: skip
    assert found.name == "one.jpg and 3 more"
    with pytest.raises(DataError, match=r"no\.png does not exist"):
        found.pixels(6)
    assert image_set(found) is found


def test_a_set_is_known_by_the_content_of_its_images(here):
    folder = gathered(["photos"]).digest
    assert folder == gathered(BELOW).digest == gathered(["photos/**"]).digest
    assert len({folder, gathered(BELOW[::-1]).digest, gathered(["one.jpg", "photos"]).digest}) == 3
    assert gathered(["photos", "none.png"]).digest != folder
    (here / "photos/b.png").write_bytes(b"other")
    assert gathered(["photos"]).digest != folder


def test_named_sets_and_parquet_files_have_splits_and_rows(here):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [(here / name).read_bytes() for name in ("one.jpg", "photos/b.png")]
    parquet.write_table(pyarrow.table({"image": [*rows, b"broken"]}), "rows.parquet")
    found = gathered(["digits#test", "*.parquet"])
    start = image_set("digits#test").count
    assert found.where(start + 1) == "rows.parquet, row 1"
    assert found.pixels(start + 1).shape == (8, 9, 3)
    with pytest.raises(DataError, match=r"rows\.parquet, row 2 cannot be read as an image"):
        found.pixels(start + 2)
    with pytest.raises(DataError, match="digits has no split 'tost'; did you mean 'test'"):
        gathered(["digits#tost"])


def test_standard_input_is_an_image_or_a_list_as_its_first_bytes_tell(here, monkeypatch):
    for suffix in ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM"):
        content = io.BytesIO()
        Image.new("RGB", (40, 30), "red").save(content, suffix)
        piped(monkeypatch, content.getvalue())
        found = gathered(["-"])
        assert (named(found), found.pixels(0).shape, found.pixels(0).shape) == (
            ["standard input"], (30, 40, 3), (30, 40, 3))  # fmt: skip
    piped(monkeypatch, "photos\nphotos/b.png\r\n\nphotos/sub\nhttps://x/y.jpg\n猫.jpg\nBMW.png".encode())
    assert named(image_set("-")) == ["photos/b.png", "https://x/y.jpg", "猫.jpg", "BMW.png"]
    piped(monkeypatch, b"file:///etc/passwd\n")
    with pytest.raises(DataError, match="is not fetched"):
        image_set("-").source(0)
    for content, words in ((b"", "holds nothing"), (b"photos\n", "holds folders alone")):
        piped(monkeypatch, content)
        with pytest.raises(DataError, match=f"standard input {words}"):
            image_set("-")
    monkeypatch.setattr("inceptionlab.data.image_sets.MOST_READ", 10)
    piped(monkeypatch, b"a" * 11)
    with pytest.raises(DataError, match="standard input gives more than"):
        image_set("-")


@pytest.mark.parametrize(("source", "words"), [
    ("cifra10", "did you mean 'cifar10'"), ("no*where.png", "holds no image"), ("none.parquet", "there is no file"),
    ("ftp://x/y.jpg", "is not fetched: images come from http and https"), ("file:///etc/passwd", "is not fetched"),
    ("data:image/png;base64,AA", "is not fetched"), ("http:///y.jpg", "names no host"),
    ("http://[1/y.jpg", "is no address"), ("empty", "empty holds no image"), ([], "no image was given"),
])  # fmt: skip
def test_what_names_no_images_is_a_sentence(here, source, words):
    (here / "empty").mkdir()
    with pytest.raises(DataError, match=words):
        image_set(source)


def test_a_folder_that_cannot_be_listed_is_a_sentence(monkeypatch):
    def failing(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(DataError, match="photos cannot be read: Permission denied"):
        image_set("photos")


def test_a_hundred_thousand_names_take_little_memory_and_nothing_is_opened(monkeypatch):
    piped(monkeypatch, b"".join(b"photos/a/long/path/to/image-%d.jpg\n" % i for i in range(100_000)))
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("opened"))
    tracemalloc.start()
    found = gathered(["-", "photos"])
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert found.count == 100_002
    assert held < 20 << 20


def test_images_are_read_ahead_in_order_and_what_fails_stands_in_its_place():
    begun = []

    def read(number):
        begun.append(number)
        if number == 3:
            raise DataError("three")
        return 10 * number

    batches = read_ahead(in_batches(40, 2), read, 3)
    first, second = next(batches), next(batches)
    assert (first, second[0], str(second[1])) == ([0, 10], 20, "three")
    batches.close()
    assert len(begun) <= 2 * (2 + AHEAD)
    assert [len(one) for one in read_ahead(in_batches(5, 2), float)] == [2, 2, 1]


def test_another_error_is_raised_and_no_further_image_is_read():
    def read(number):
        raise RuntimeError("broken program")

    with pytest.raises(RuntimeError, match="broken program"):
        list(read_ahead(in_batches(1000, 2), read, 1))
