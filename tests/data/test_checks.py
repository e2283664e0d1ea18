import json
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from inceptionlab import DataError
from inceptionlab.cli import main
from inceptionlab.data.audit import check_folder, check_set
from inceptionlab.data.registry import digits
from inceptionlab.report.data_page import data_report


def image(seed, size=(48, 40)):
    """A smooth random image, as photographs are."""
    rough = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), np.uint8)
    return Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def faulty(tmp_path):
    for split, count in (("train", 6), ("test", 3)):
        for label in ("ant", "bee"):
            (tmp_path / split / label).mkdir(parents=True)
            for i in range(count):
                image(crc32(f"{split}{label}{i}".encode())).save(tmp_path / split / label / f"{i}.png")
    image(1).save(tmp_path / "train" / "ant" / "leak.png")
    image(1).save(tmp_path / "test" / "ant" / "leak.png")  # the same file in both splits
    image(2).save(tmp_path / "train" / "bee" / "near.png")
    image(2).resize((96, 80), Image.Resampling.BICUBIC).save(tmp_path / "test" / "bee" / "near.jpg", quality=60)
    image(3).save(tmp_path / "train" / "ant" / "both.png")
    image(3).save(tmp_path / "train" / "bee" / "both.png")
    (tmp_path / "train" / "bee" / "broken.jpg").write_bytes(b"not an image")
    image(4).convert("L").save(tmp_path / "train" / "bee" / "grey.png")
    return tmp_path


def test_everything_that_is_wrong_is_found(faulty):
    found = check_folder(faulty)
    assert found.counts == {"train": {"ant": 8, "bee": 9}, "test": {"ant": 4, "bee": 4}}
    assert [name for name, _ in found.unreadable] == [str(faulty / "train" / "bee" / "broken.jpg")]
    leaks = {(a.name.rpartition("/")[2], b.name.rpartition("/")[2]) for a, b in found.leaks}
    assert leaks == {("leak.png", "leak.png"), ("near.png", "near.jpg")}
    assert [(a.label, b.label) for a, b in found.conflicts] == [("ant", "bee")]
    assert found.modes == {"RGB": 24, "L": 1}
    assert found.imbalance == pytest.approx(9 / 8)
    report = data_report("faulty", found)
    assert "1 image that cannot be read, 2 leaks between splits, 1 image under two classes" in report
    assert "http" not in report


def test_the_command_says_it_and_fails(faulty, capsys, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "report.html"
    with pytest.raises(SystemExit) as stop:
        main(["check-data", str(faulty), "-o", str(out)])
    assert stop.value.code == 1
    printed = capsys.readouterr().out
    assert "leaks between splits: 2" in printed
    assert printed.splitlines()[-1] == str(out)
    with pytest.raises(SystemExit):
        main(["check-data", str(faulty), "--json"])
    assert len(json.loads(capsys.readouterr().out)["leaks"]) == 2


def test_a_good_folder_passes(tmp_path, capsys):
    for i, label in enumerate(("ant", "bee")):
        (tmp_path / label).mkdir()
        for j in range(3):
            image(10 * i + j).save(tmp_path / label / f"{j}.png")
    main(["check-data", str(tmp_path)])
    assert "leaks between splits: 0" in capsys.readouterr().out
    assert "nothing is wrong" in data_report("good", check_folder(tmp_path))


def test_sets_in_memory_are_checked_too():
    found = check_set(digits())
    assert sum(found.counts["train"].values()) == 1438
    assert list(found.sizes) == [((32, 32), 1797)]
    assert list(found.exact) == []


def test_what_is_no_folder_is_said(tmp_path):
    with pytest.raises(DataError, match="none does not exist"):
        check_folder(tmp_path / "none")
    with pytest.raises(DataError, match=r"has 0 class folders"):
        check_folder(tmp_path)
