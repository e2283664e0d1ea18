"""Names of images wherever a network answers, what cannot be read, and what a training would be."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from inceptionlab import configure, evaluate, load_engine, plan, predict
from inceptionlab.cli import main
from inceptionlab.runs.folder import RunFolder
from inceptionlab.runs.prediction import load_run

TRAIN = ["train", "--model", "inception_net | widen(0.1)", "--input-size", "32", "--epochs", "1", "--device", "cpu",
         "--batch-size", "8"]  # fmt: skip


def run(capsys, *arguments):
    """(exit code, standard output, standard error) of a command."""
    code = 0
    try:
        main([str(one) for one in arguments])
    except SystemExit as stop:
        code = stop.code or 0
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of two classes, one file of which holds no image."""
    root = tmp_path_factory.mktemp("data") / "insects"
    for part, count in (("train", 12), ("val", 4)):
        for i, name in enumerate(("ants", "蜜蜂")):
            for j in range(count):
                path = root / part / name / f"{j}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.random.default_rng(j).integers(0, 80, (40, 36, 3)) + 150 * i
                Image.fromarray(pixels.astype(np.uint8)).save(path)
    (root / "train" / "ants" / "5.png").write_bytes(b"nothing")
    return root


@pytest.fixture(scope="module")
def finished(tmp_path_factory, photos):
    folder = tmp_path_factory.mktemp("runs") / "r"
    main([*TRAIN, "--data", str(photos), "--skip-unreadable", "--out", str(folder)])
    return folder


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_a_broken_file_is_named_with_the_option_that_leaves_it_out(capsys, photos, tmp_path):
    code, _, err = run(capsys, *TRAIN, "--data", photos, "--out", tmp_path / "x")
    assert code == 2
    assert "train/ants/5.png cannot be read as an image" in err
    assert "--skip-unreadable leaves out what cannot be read" in err
    assert not (tmp_path / "x").exists()


def test_what_was_left_out_is_recorded_and_the_same_when_the_run_is_read_again(capsys, finished, photos):
    folder = RunFolder(finished)
    assert folder.config().skip_unreadable
    assert folder.setup().skip_unreadable
    assert folder.environment().left_out == ("train/ants/5.png",)
    assert "1 image left out that cannot be read" in folder.report.read_text(encoding="utf-8")
    assert run(capsys, "evaluate", finished, "--temperature")[0] == 0  # reads the training folder again
    code, out, err = run(capsys, *TRAIN, "--data", photos, "--out", finished.with_name("again"), "--skip-unreadable")
    assert code == 0
    assert "1 image cannot be read and is left out: train/ants/5.png" in err
    assert "top-5" not in out


def test_predictions_are_listed_by_the_names_of_files(capsys, finished, tmp_path):
    rows = rows_of(finished / "predictions.csv")
    assert [row["name"] for row in rows] == [f"val/{c}/{i}.png" for c in ("ants", "蜜蜂") for i in range(4)]
    assert {row["true"] for row in rows} == {"ants", "蜜蜂"}
    score = RunFolder(finished).tested().score
    assert np.mean([row["correct"] == "1" for row in rows]) == pytest.approx(score.top1)
    assert np.mean([row["rank"] == "1" for row in rows]) == pytest.approx(score.top1)
    code, out, _ = run(capsys, "evaluate", finished, "--predictions", tmp_path / "p.csv", "--json")
    record = json.loads(out)
    assert code == 0
    assert [row["name"] for row in rows_of(tmp_path / "p.csv")] == [one["name"] for one in record["answers"]]
    assert "top5" not in record
    assert [sum(row) for row in record["confusion_by_row"]] == pytest.approx([1, 1])
    code, _, err = run(capsys, "evaluate", finished, "--predictions", tmp_path / "p.xlsx")
    assert code == 2
    assert "ends in .csv" in err


def test_classes_are_listed_worst_first(capsys, finished):
    found = evaluate(finished)
    assert [row.f1 for row in found.worst_first] == sorted(row.f1 for row in found.classes)
    _, out, _ = run(capsys, "evaluate", finished)
    lines = [line.split()[0] for line in out.splitlines()]
    start = lines.index("class") + 1
    assert lines[start : start + 2] == [row.label for row in found.worst_first]
    assert "top-5" not in out


@pytest.mark.parametrize(("to", "suffix"), [("onnx", "onnx"), ("openvino", "xml"), ("torch", "pt2")])
def test_exported_files_predict_and_are_evaluated(capsys, finished, photos, tmp_path, to, suffix):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("openvino")
    file = tmp_path / f"m.{suffix}"
    run(capsys, "export", finished, "--to", to, "--out", file)
    image = photos / "val" / "ants" / "0.png"
    (theirs,), (ours,) = predict(file, [image]), predict(finished, [image])
    assert theirs.label == ours.label
    assert theirs.top[0].probability == pytest.approx(ours.top[0].probability, abs=1e-4)
    assert theirs.engine == load_engine(file).name
    code, out, err = run(capsys, "predict", file, image, "--engine", "auto", "--json")
    assert code == 0
    assert err == f"engine: {theirs.engine}, {load_engine(file).why}\n"
    assert json.loads(out)["engine"] == theirs.engine
    code, out, _ = run(capsys, "evaluate", file, "--data", photos, "--skip-unreadable")
    assert code == 0
    assert f"by {theirs.engine}" in out
    assert out.splitlines()[0] == run(capsys, "evaluate", finished)[1].splitlines()[0]
    for arguments, words in (
        (["evaluate", file], "say with --data what to test them on"),
        (["predict", file, image, "--device", "cuda"], "runs on the CPU here"),
        (["predict", tmp_path / f"none.{suffix}", image], "does not exist"),
    ):
        code, _, err = run(capsys, *arguments)
        assert code == 2
        assert words in err


def test_a_file_of_others_is_refused(capsys, photos, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    one, two = (onnx.helper.make_tensor_value_info(name, 1, [1, 3]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [one], [two])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10),
              str(tmp_path / "o.onnx"))  # fmt: skip
    code, _, err = run(capsys, "predict", tmp_path / "o.onnx", photos / "val" / "ants" / "0.png")
    assert code == 2
    assert "does not say what network it holds" in err


def test_auto_says_what_it_chose_and_why(capsys, finished, photos):
    code, out, err = run(capsys, "predict", finished, photos / "val" / "ants" / "0.png", "--engine", "auto", "--json")
    assert code == 0
    engine = json.loads(out)["engine"]
    assert err.startswith(f"engine: {engine}, the fastest here in batches of 1 image ({engine} ")
    assert err.count("\n") == 1
    assert load_run(finished).engine is None


def test_a_dry_run_shows_what_would_be_trained(capsys, photos, tmp_path):
    arguments = [*TRAIN, "--data", photos, "--skip-unreadable", "--dry-run", "--out", tmp_path / "d"]
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert "val/ is the test set, read once, at the end; 1 image left out" in out
    assert "training   21 images of 2 classes, ants: 10, 蜜蜂: 11" in out
    assert "steps    3 per epoch, 1 epoch, 3 in all" in out
    assert not (tmp_path / "d").exists()
    _, out, _ = run(capsys, *arguments, "--json", "--limit-train", "8")
    record = json.loads(out)
    assert record["is_trial"]
    assert record["recipe"]["augment"]["flip"]
    assert {part["name"] for part in record["parts"]} == {"training", "validation", "test"}
    assert record["folder"] == str(tmp_path / "d")
    code, _, err = run(capsys, *TRAIN, "--data", photos, "--json")
    assert code == 2
    assert "--json is for --dry-run" in err


def test_a_plan_is_a_function_too():
    setup, data = configure("inception_net | widen(0.1)", "digits")
    found = plan(setup, "runs/mine", data)
    assert (found.folder, found.is_trial, found.steps) == ("runs/mine", False, 21)
    assert sum(part.images for part in found.parts) == 1797
    assert found.parts[2].classes["0"] == 36


def test_check_data_says_what_training_makes_of_a_folder(capsys, photos, tmp_path):
    code, out, _ = run(capsys, "check-data", photos)
    assert code == 1
    assert "for training: val/ is the test set" in out
    assert "val: 8 images of 2 classes, 4 each" in out
    code, _, err = run(capsys, "check-data", photos, "-o", tmp_path / "x.txt")
    assert code == 2
    assert "would hold the report, which is HTML; give a name that ends in .html" in err
    assert not (tmp_path / "x.txt").exists()
