"""What is decoded, whatever a file is called: Pillow knows formats that start other programs."""

import pytest
from PIL import EpsImagePlugin, Image

from inceptionlab import DataError, check_data, load_data
from inceptionlab.data.decode import decode

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%Page: 1 1\nshowpage\n%%EOF\n"


@pytest.fixture
def no_ghostscript(monkeypatch):
    def started(*_, **__):
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)


@pytest.fixture
def folder(tmp_path):
    """Two classes of small images, and an EPS with the name of a JPEG."""
    for label, colour in (("cat", "red"), ("dog", "blue")):
        (tmp_path / label).mkdir()
        for i in range(12):
            Image.new("RGB", (8, 8), colour).save(tmp_path / label / f"{i}.png")
    (tmp_path / "cat" / "1.jpg").write_bytes(EPS)
    return tmp_path


def test_a_file_that_starts_another_program_is_refused_unread(folder, no_ghostscript):
    with pytest.raises(DataError, match=r"1\.jpg cannot be read as an image: it is of no format that is known here"):
        decode(folder / "cat" / "1.jpg", "1.jpg", 3)


def test_a_folder_with_one_is_refused_by_its_name(folder, no_ghostscript):
    with pytest.raises(DataError, match=r"cat/1\.jpg cannot be read as an image"):
        load_data(str(folder))
    assert [path for path, _ in check_data(folder).unreadable] == [str(folder / "cat" / "1.jpg")]
