"""Predictions of many images as they come, in Python and by the command: what is shown, where, and the exit code."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from inceptionlab import ConfigError, DataError, Prediction, Unreadable, create_model, predict, predictions
from inceptionlab.cli import main
from inceptionlab.runs.prediction import Trained, with_engine
from inceptionlab.spec.codec import to_json
from inceptionlab.storage import write_tensors
from inceptionlab.zoo.imagenet import imagenet_classes

CLASSES = tuple("abcdefghij")


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    return Trained(create_model("small_fast").eval(), CLASSES)


@pytest.fixture(scope="module")
def weights(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    about = {"spec": to_json(trained.network.spec), "classes": list(CLASSES)}
    write_tensors(path, trained.network.state_dict(), about)
    return str(path)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Fourteen images of many sizes in photos/, of which 03.png and 07.jpg cannot be read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    generator = np.random.default_rng(0)
    for number in range(14):
        pixels = generator.integers(256, size=(30 + 5 * number, 60 - number, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photos/{number:02}.{'jpg' if number % 2 else 'png'}")
    (tmp_path / "photos/03.jpg").write_bytes(b"no image")
    (tmp_path / "photos/07.jpg").write_bytes((tmp_path / "photos/09.jpg").read_bytes()[:200])
    return tmp_path / "photos"


def run(capsys, *arguments):
    """(exit code, standard output, standard error) of `predict`."""
    code = 0
    try:
        main(["predict", *map(str, arguments)])
    except SystemExit as stop:
        code = stop.code or 0
    return code, *capsys.readouterr()


@pytest.mark.parametrize("engine", [None, "torch", "onnxruntime"])
def test_batches_give_what_each_image_gives_alone(trained, photos, engine):
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
    work = with_engine(trained, engine, 4)[0] if engine else trained
    found = list(predictions(work, photos, top=10, batch=4, workers=2))
    assert [one.path for one in found] == sorted(map(str, photos.iterdir()))
    assert [i for i, one in enumerate(found) if isinstance(one, Unreadable)] == [3, 7]
    assert found[3].error.startswith(f"{photos / '03.jpg'} cannot be read as an image")
    for one in found:
        if isinstance(one, Prediction):
            (alone,) = predict(trained, [one.path], top=10)
            wanted = {row.index: row.probability for row in alone.top}
            assert [wanted[row.index] for row in one.top] == pytest.approx(
                [row.probability for row in one.top], abs=1e-5
            )


def test_a_list_raises_for_what_cannot_be_read_and_an_iterator_goes_on(trained, photos):
    with pytest.raises(DataError, match=r"03\.jpg cannot be read as an image"):
        predict(trained, photos)
    assert len(predict(trained, [photos / "00.png", "photos/01.jpg", Image.new("RGB", (9, 9))])) == 3
    assert [one.path for one in predict(trained, "photos/*.png", 1)][:2] == ["photos/00.png", "photos/02.png"]
    assert predict(trained, np.zeros((9, 9, 3), np.uint8))[0].label in CLASSES
    assert predict(trained, np.zeros((2, 9, 9, 3), np.uint8))[1].path == "image 1"
    none = next(predictions(trained, photos, threshold=1.0))
    assert (none.top, none.label) == ((), "")


@pytest.mark.parametrize(("numbers", "words"), [
    ({"top": 0}, "at least 1 class"), ({"batch": 0}, "at least 1 image"), ({"threshold": 1.5}, "from 0 to 1"),
    ({"threshold": float("nan")}, "from 0 to 1"), ({"workers": -1}, "number of threads"),
])  # fmt: skip
def test_numbers_that_mean_nothing_are_refused_at_once(trained, numbers, words):
    with pytest.raises(ConfigError, match=words):
        predictions(trained, ["none.png"], **numbers)


def test_images_are_decoded_by_threads_and_not_before_they_are_near(trained, photos, monkeypatch):
    decoding, read = set(), type(trained.preprocess).read
    monkeypatch.setattr(
        type(trained.preprocess), "read", lambda *all_: (decoding.add(threading.get_ident()), read(*all_))[1]
    )
    answers = predictions(trained, [str(photos / "00.png")] * 1000, batch=2)
    next(answers)
    answers.close()
    assert decoding
    assert threading.get_ident() not in decoding


def test_json_lines_hold_every_image_and_why_some_are_not_read(capsys, weights, photos):
    code, out, err = run(capsys, weights, "photos", "none.png", "--json", "--top", 2, "--batch-size", 4)
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, len(rows), set(rows[0]), len(rows[0]["top"])) == (1, 15, {"path", "top", "engine"}, 2)
    assert [(row["path"], row["error"]) for row in rows if "error" in row][2] == ("none.png", "none.png does not exist")
    assert err.splitlines()[2:] == ["none.png does not exist", "3 images of 15 cannot be read"]


def test_csv_has_a_row_a_class_and_one_for_what_is_not_read(capsys, weights, photos):
    code, out, _ = run(capsys, weights, "photos/**", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, len(rows), set(rows[0])) == (1, 14, {"path", "rank", "label", "probability", "error"})
    assert rows[0]["label"] in CLASSES
    assert (rows[3]["label"], "cannot be read" in rows[3]["error"]) == ("", True)
    code, out, _ = run(capsys, weights, "photos/00.png", "photos/02.png", "--csv", "--top", 3)
    assert [row["rank"] for row in csv.DictReader(io.StringIO(out))] == ["1", "2", "3"] * 2
    assert code == 0


def test_many_images_are_a_table_and_few_a_list(capsys, weights, photos):
    (photos / "猫").mkdir()
    (photos / "00.png").rename(photos / "猫/00.png")
    code, out, err = run(capsys, weights, "photos")
    lines = out.splitlines()
    assert (code, len(lines), len(err.splitlines())) == (1, 12, 3)
    assert len({line.index("%") for line in lines[:-1]}) == 1
    assert lines[-1].index("%") == lines[0].index("%") - 1  # a letter of two columns
    code, out, _ = run(capsys, weights, "photos/01.jpg", "--top", 2)
    assert [line[:2] for line in out.splitlines()] == ["ph", "  ", "  "]
    _, out, _ = run(capsys, weights, "photos/01.jpg", "photos/02.png", "--threshold", "0.9")
    assert out.splitlines()[1::2] == ["  none above 90 %"] * 2
    assert run(capsys, weights, "photos", "--threshold", "0.999")[1].splitlines()[0].endswith("  none above 99.9 %")


def test_classes_of_imagenet_are_named_in_chinese(capsys, trained, photos, tmp_path):
    english, chinese = (imagenet_classes(lang)[:10] for lang in ("en", "zh"))
    about = {"spec": to_json(trained.network.spec), "classes": list(english)}
    write_tensors(tmp_path / "named.safetensors", trained.network.state_dict(), about)
    found = []
    for lang in ("en", "zh"):
        code, out, _ = run(
            capsys, tmp_path / "named.safetensors", photos / "00.png", "--top", "1", "--json", "--lang", lang
        )
        assert code == 0
        found.append(json.loads(out)["top"][0]["label"])
    assert found[1] == chinese[english.index(found[0])]


def test_exit_codes(capsys, weights, photos):
    assert run(capsys, weights, "photos/00.png")[0] == 0
    code, out, err = run(capsys, weights, "photos/03.jpg")
    assert (code, out, err.count("03.jpg")) == (2, "", 1)
    code, _, err = run(capsys, weights, "photos/03.jpg", "none.png")
    assert (code, err.splitlines()[-1]) == (2, "error: none of 2 images can be read")
    for arguments, words in (
        ([], "no image was given"), (["photos", "fotos"], "there is no folder 'fotos'"),
        (["photos", "--csv", "--json"], "--csv and --json are two forms"), (["photos", "--tpo", "3"], "Unknown option"),
        (["photos", "--threshold", "50"], "a probability is from 0 to 1"), (["photos", "--top", "0"], "at least 1"),
    ):  # fmt: skip
        code, out, err = run(capsys, weights, *arguments)
        assert (code, out, words in err) == (2, "", True)


def test_standard_input_is_an_image_or_names(capsys, weights, photos, monkeypatch):
    wanted = json.loads(run(capsys, weights, "photos/02.png", "--json")[1])["top"]
    for content, path in (((photos / "02.png").read_bytes(), "standard input"), (b"photos\nphotos/02.png\n",) * 2):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        code, out, _ = run(capsys, weights, "-", "--json")
        found = json.loads(out)
        assert (code, found["top"], found["path"]) == (0, wanted, path if isinstance(path, str) else "photos/02.png")


def test_a_bar_leaves_standard_output_where_it_goes(capsys, weights, photos, monkeypatch):
    """Where standard error is a terminal and output goes to a file."""
    monkeypatch.setattr("inceptionlab.data.progress.watched", lambda _: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, out, err = run(capsys, weights, "photos", "--csv")
    assert (code, len(out.splitlines()), out.splitlines()[0]) == (1, 15, "path,rank,label,probability,error")
    assert "predicting" in err
    assert "03.jpg cannot be read" in err


SLOW = """
import sys, time
from inceptionlab.cli import main
from inceptionlab.runs import predicting
compute = predicting._logits
def slowly(trained, pixels, calls=[]):
    calls.append(1)
    if len(calls) > 2:
        for _ in range(600):  # a signal just before one long sleep would wait for its end
            time.sleep(0.1)
    return compute(trained, pixels)
predicting._logits = slowly
main(["predict", *sys.argv[1:]])
"""


def test_what_is_stopped_has_printed_what_it_knew(weights, photos):
    command = [sys.executable, "-c", SLOW, weights, "photos", "--json", "--batch-size", "2", "--workers", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.splitlines()[-1]) == (130, "", "interrupted")
    assert [json.loads(line)["path"] for line in lines] == [
        f"photos/0{i}.{'jpg' if i % 2 else 'png'}" for i in range(4)
    ]


def test_a_reader_that_goes_away_is_no_error(weights, photos):
    command = [sys.executable, "-m", "inceptionlab", "predict", weights, "photos", "--batch-size", "1", "--csv"]
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, text=True) as process:
        os.close(writing)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
