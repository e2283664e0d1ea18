import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from inceptionlab import get_spec, list_models
from inceptionlab.cli import COMMANDS, main
from inceptionlab.data.registry import digits
from inceptionlab.spec.codec import dumps

MODEL = "inception_net | small_stem(32) | norm(batch) | widen(0.25)"
TRAIN = ["train", "--model", MODEL, "--data", "digits", "--limit-train", "200", "--limit-test", "60", "--device", "cpu"]


def run(capsys, *arguments):
    """(exit code, standard output, standard error) of a command."""
    code = 0
    try:
        main(list(arguments))
    except SystemExit as stop:
        code = stop.code or 0
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    main([*TRAIN, "--epochs", "2", "--out", str(folder)])
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(capsys, command):
    code, out, _ = run(capsys, *command.split(), "--help")
    assert code == 0
    assert f"Examples:\n  inceptionlab {command}" in out
    for example in COMMANDS[command]["examples"]:  # on one line of a narrow terminal, so that it can be copied
        assert f"  {example}" in (line.rstrip() for line in out.splitlines())


def test_help_and_specs_import_no_torch():
    script = (
        "import sys; from inceptionlab.cli import main\n"
        "for line in (['--help'], ['show', 'inception_v3'], ['list'], ['show', 'googlenet', '--json']):\n"
        "    try:\n        main(line)\n    except SystemExit:\n        pass\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules, 'imported'"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_list(capsys):
    _, out, _ = run(capsys, "list", "--json")
    records = json.loads(out)
    assert [r["name"] for r in records] == list_models()
    assert set(records[0]) == {
        "name", "member", "form", "year", "params", "params_with_aux", "macs", "input", "top1", "source",
    }  # fmt: skip
    _, out, _ = run(capsys, "list", "small_*")
    assert "small_v1" in out
    assert "inception_v3" not in out
    assert run(capsys, "list", "zzz")[0] == 2


def test_show(capsys):
    _, out, _ = run(capsys, "show", "googlenet.paper")
    assert "inception3a" in out
    assert "13,378,280" in out
    assert "field: receptive field in pixels of the input, along the shortest … the longest path" in out
    _, out, _ = run(capsys, "show", "inception_net", "--json")
    assert json.loads(out)[0]["path"] == "conv1"
    _, out, _ = run(capsys, "show", "googlenet.gray", "--explain", "conv1")
    assert out.startswith("H_out = floor((224 + 2·3 − 7)/2) + 1 = 112\n")
    _, out, _ = run(capsys, "show", "googlenet.gray", "--explain", "inception3a.*", "--json")
    assert list(json.loads(out)) == [f"inception3a.{branch}" for branch in ("one", "three", "five", "pool")]
    _, out, _ = run(capsys, "show", "inception_net", "--layers")
    assert "Conv2d-1" in out
    assert "Total params: 326,122" in out
    _, out, _ = run(capsys, "show", "inception_net", "--layers", "--json")
    assert json.loads(out)["params"] == 326_122
    code, _, err = run(capsys, "show", "googlenet.gray", "--explain", "**.poool")
    assert code == 2
    assert "no node that matches '**.poool'; did you mean" in err
    code, _, err = run(capsys, "show", "inception_v3", "--input-size", "32", "--stem", "imagenet")
    assert code == 2
    assert "error: inception_v3.torchvision at 32x32: mixed6a" in err
    assert run(capsys, "show", "inception_v3", "--input-size", "32")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"], ["list", "small_*", "--json"], ["show", "inception_v3 | widen(0.333)"],
        ["show", "inception_next_tiny", "--depth", "3"], ["show", "xception", "--explain", "**"],
        ["show", "dilated_cnn", "--json"], ["show", "dilated_cnn", "--layers", "--json"],
    ],
)  # fmt: skip
def test_no_number_has_sixteen_digits(capsys, arguments):
    _, out, _ = run(capsys, *arguments)
    assert not re.search(r"\d\.\d{7}", out)


def test_diff_and_draw(capsys, tmp_path, monkeypatch):
    _, out, _ = run(capsys, "diff", "small_v1", "small_v1 | without_branch(pool)", "--all")
    assert "- inception3a.pool:" in out
    _, out, _ = run(capsys, "diff", "small_v1", "small_v1 | without_branch(pool)")
    assert out.startswith("9 modules (inception3a … inception5b): branch pool removed; -601,920 parameters")
    assert out.splitlines()[-1].startswith("parameters 5,179,078 → 4,575,958 (-11.6%), MACs ")
    _, out, _ = run(capsys, "diff", "small_v1", "small_v2", "--json")
    assert isinstance(json.loads(out)["changes"], list)
    assert json.loads(out)["params"] == [5_179_078, 4_714_344]
    _, out, _ = run(capsys, "diff", "small_v1", "small_v1")
    assert out.startswith("equal: small_v1 and small_v1 are the same network")
    target = tmp_path / "x.svg"
    _, out, _ = run(capsys, "draw", "googlenet", "--node", "inception3a", "-o", str(target))
    assert out == f"{target}\n"
    assert target.read_text().startswith("<svg")
    assert run(capsys, "draw", "googlenet", "-o", str(tmp_path / "none" / "x.svg"))[0] == 2
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.json").write_text(dumps(get_spec("dilated_cnn | widen(2.0)")), encoding="utf-8")
    assert run(capsys, "draw", "own.json")[1] == "dilated_cnn.svg\n"
    assert run(capsys, "draw", "small_v1 | residual(0.1)", "--node", "inception3a")[1] == "small_v1.inception3a.svg\n"
    module = ("draw", "small_v1", "--node", "inception3a", "--layout", "horizontal", "--params", "-o")
    assert run(capsys, *module, str(tmp_path / "x.png"), "--width", "800", "--theme", "dark")[0] == 0
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    code, _, err = run(capsys, *module, str(tmp_path / "x.gif"))
    assert code == 2
    assert err.endswith("x.gif ends in .gif: a drawing is written as .svg, .png or .pdf\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "inceptoin_v3"], "did you mean 'inception_v3'"),
        (["show", "small_v1 | residul"], "did you mean 'residual'"),
        (["train", "--model", "small_v1"], "--model and --data"),
        ([*TRAIN, "--set", "ema"], "write NAME=VALUE"),
        ([*TRAIN, "--set", "emma=0.9"], "did you mean 'ema'"),
        ([*TRAIN, "--recipe", "digit"], "did you mean 'digits'"),
        (["train", "--model", "small_v1", "--data", "no/such/folder"], "no data set and no folder"),
        (["train", "--resume", "no/such/run"], "is not a run folder"),
        (["evaluate", "no/such/run"], "is not a run folder (it does not exist)"),
        ([*TRAIN, "--epochs", "1.5"], "'1.5' is no whole number"),
        ([*TRAIN, "--seed", "2.5"], "'2.5' is no whole number"),
        (["evaluate", "runs/x", "--limit-test", "0"], "limit_test = 0: give a whole number of at least 1"),
        (["evaluate", "runs/x", "--crops", "3"], "Choose from: 1, 10, 12, 144"),
        (["check-data", "digits", "-o", "x.txt"], "give a name that ends in .html"),
        (["predict", "no/such/run", "a.png"], "is not a run folder"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(capsys, arguments, words):
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert err.startswith("error: ")
    assert words in err


@pytest.mark.parametrize(
    "arguments", [["shwo"], ["show"], ["show", "googlenet", "--dept", "2"], ["train", "--epochs", "x"]]
)
def test_a_wrong_command_line_exits_with_2(capsys, arguments):
    assert run(capsys, *arguments)[0] == 2


def test_train_prints_the_run_folder_last(capsys, tmp_path):
    code, out, err = run(capsys, *TRAIN, "--epochs", "1", "--out", str(tmp_path / "r"), "--set", "augment.pad=1")
    assert code == 0
    assert out.splitlines()[-1] == str(tmp_path / "r")
    assert "95 % interval" in out
    assert "epoch   1/1" in err
    code, _, err = run(capsys, *TRAIN, "--epochs", "1", "--out", str(tmp_path / "r"), "--set", "augment.pad=1")
    assert code == 2
    assert "holds a finished run" in err


def test_evaluate(capsys, finished):
    _, out, _ = run(capsys, "evaluate", str(finished), "--json")
    again, test = json.loads(out), json.loads((finished / "test.json").read_text())
    assert (again["top1"], again["n"]) == (pytest.approx(test["top1"], abs=0.05), 60)
    assert len(again["classes"]) == len(again["confusion"]) == 10
    code, out, _ = run(capsys, "evaluate", str(finished), "--limit-test", "30")
    assert code == 0
    assert "precision" in out


def test_reading_data_writes_nothing_to_standard_output(capsys, tmp_path):
    for part in ("train", "test"):
        for name in ("a", "b"):
            for i in range(10):
                path = tmp_path / "set" / part / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (40, 40), (i, 0, 0)).save(path)
    arguments = ["--data", str(tmp_path / "set"), "--input-size", "32", "--epochs", "1", "--out", str(tmp_path / "r")]
    main(["train", "--model", "inception_net | widen(0.1)", *arguments])
    capsys.readouterr()
    _, out, _ = run(capsys, "evaluate", str(tmp_path / "r"), "--json")
    assert out.startswith("{")


def test_predict(capsys, finished, tmp_path):
    paths = []
    for i in range(2):
        path = tmp_path / f"{i}.png"
        Image.fromarray(digits().test.images[i, :, :, 0].numpy()).resize((50, 40)).save(path)
        paths.append(str(path))
    _, out, _ = run(capsys, "predict", str(finished), *paths, "--top", "3", "--json")
    results = [json.loads(line) for line in out.splitlines()]
    assert [r["path"] for r in results] == paths
    top = results[0]["top"]
    assert len(top) == 3
    assert set(top[0]) == {"label", "index", "probability"}
    assert top[0]["probability"] >= top[1]["probability"]
    _, out, _ = run(capsys, "predict", str(finished), paths[0])
    assert "%" in out
    for arguments in ([], [str(tmp_path / "none.png")], [paths[0], "--top", "0"]):
        assert run(capsys, "predict", str(finished), *arguments)[0] == 2


def test_bad_images_are_refused_by_predict(capsys, finished, tmp_path):
    Image.new("L", (1, 1)).save(tmp_path / "one.png")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for name in ("one", "huge", "cut"):
        code, _, err = run(capsys, "predict", str(finished), str(tmp_path / f"{name}.png"))
        assert code == 2
        assert f"{name}.png" in err


def test_a_run_without_weights_cannot_predict(capsys, finished, tmp_path):
    for name in ("config.toml", "spec.json"):
        (tmp_path / name).write_text((finished / name).read_text())
    code, _, err = run(capsys, "predict", str(tmp_path), "a.png")
    assert code == 2
    assert "has no trained weights yet" in err


def test_ctrl_c_stops_after_the_step_and_resume_goes_on(tmp_path):
    command = [
        sys.executable,
        "-c",
        "from inceptionlab.cli import main; main()",
        *TRAIN,
        "--epochs",
        "60",
        "--out",
        str(tmp_path / "r"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        for line in process.stderr:
            if line.startswith("epoch   2"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130
    assert f"inceptionlab train --resume {tmp_path / 'r'}" in rest
    assert list(Path(tmp_path / "r" / "state").glob("*.pt"))


def test_libraries_say_nothing_before_a_commands_own_words(tmp_path):
    command = [sys.executable, "-m", "inceptionlab", *TRAIN, "--epochs", "1", "--precision", "bf16", "--out"]
    done = subprocess.run([*command, str(tmp_path / "r")], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[0].startswith("a trial on 200 of ")
    again = subprocess.run([*command, str(tmp_path / "r")], capture_output=True, text=True)
    assert again.stderr.startswith("error: ")
    script = (
        "import logging\n"
        "from inceptionlab.runs.fitting import make_fabric\n"
        "loggers = [logging.getLogger(name) for name in ('', 'lightning_fabric')]\n"
        "before = [(len(logger.handlers), logger.level) for logger in loggers]\n"
        "make_fabric('cpu', 'bf16')\n"
        "assert before == [(len(logger.handlers), logger.level) for logger in loggers]\n"
    )
    quiet = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_help_shows_guides_and_the_help_of_commands(capsys):
    main(["help"])
    assert "training" in capsys.readouterr().out
    main(["help", "studies"])
    text = capsys.readouterr().out
    assert text.startswith("# Studies")
    assert "<!--" not in text
    main(["help", "study run"])
    assert "Examples:" in capsys.readouterr().out


def test_help_on_nothing_known_names_the_nearest(capsys):
    with pytest.raises(SystemExit) as end:
        main(["help", "trainin"])
    assert end.value.code == 2
    assert "training" in capsys.readouterr().err
