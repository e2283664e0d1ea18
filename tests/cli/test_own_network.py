"""A network of one's own by every command: from its file to a run, a study and an export."""

import json
import shutil
import sys

import pytest
from PIL import Image

from inceptionlab.runs.folder import RunFolder
from tests.cli.test_cli import run
from tests.test_naming import MINE

FEW = ["--limit-train", "100", "--limit-test", "30", "--device", "cpu", "-e", "1", "--recipe", "digits"]
STUDY = """
model = "../mine.py:NAME"
data = "Digits"
seeds = [0]
limit_train = 100
limit_test = 30
recipe = "digits"
[settings]
epochs = 1
[factors.attention]
off = ""
on = "attend(se)"
[factors.base]
own = ""
other = { model = "../mine.py:value" }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    (tmp_path / "neighbour.py").write_text("WIDTH = 16\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("neighbour", None)


def test_every_command_that_takes_a_name_takes_a_file(capsys, folder):
    for name in ("mine.py:mine", "mine.py:mine | residual(0.1)", "mine.py:own"):
        assert run(capsys, "show", name)[0] == 0
        assert run(capsys, "show", name, "--json")[0] == 0
    assert run(capsys, "diff", "mine.py:mine", "mine.py:own")[0] == 0
    assert run(capsys, "draw", "mine.py:mine") == (0, "mine.svg\n", "")
    code, out, _ = run(capsys, "export", "mine.py:mine", "--to", "torch")
    assert (code, out.splitlines()[0]) == (0, "mine.pt2")
    code, _, err = run(capsys, "show", "mine.py:mien")
    assert (code, err) == (2, "error: mine.py has no 'mien'; did you mean 'mine'?\n")


def test_a_run_of_a_file_is_taken_as_a_network(capsys, folder):
    code, out, _ = run(capsys, "train", "mine.py:mine", "digits", *FEW)
    assert code == 0
    run_folder = out.splitlines()[-1]
    assert run_folder.startswith("runs/mine-digits-")
    for command in (["show", run_folder], ["show", f"{run_folder} | attend(se)"], ["show", f"{run_folder}/spec.json"]):
        assert run(capsys, *command)[0] == 0
    (folder / "deeper").mkdir()
    for name in ("mine.py", "neighbour.py"):
        shutil.copy(name, folder / "deeper")
    code, _, err = run(capsys, "train", "deeper/mine.py:mine", "digits", *FEW)
    assert code == 2  # the same network elsewhere is the same run
    assert f"{run_folder} holds a finished run" in err
    code, out, _ = run(capsys, "train", "-m", run_folder, "-d", "digits", *FEW, "--seed", "1")
    assert code == 0


def test_a_run_with_code_of_ones_own_needs_its_file_named(capsys, folder):
    assert run(capsys, "train", "mine.py:own", "digits", *FEW, "-o", "run")[0] == 0
    Image.new("L", (32, 32), 99).save("a.png")
    (folder / "run" / "mine.py").write_text("raise AssertionError('code in a run folder was run')", encoding="utf-8")
    shutil.copytree("run", "stopped")
    for name in ("test.json", "fit.json"):
        (folder / "stopped" / name).unlink()
    resume = ["train", "--resume", "stopped"]
    for command in (["predict", "run", "a.png"], ["evaluate", "run"], ["export", "run", "--to", "torch"], resume):
        code, _, err = run(capsys, *command)
        assert code == 2
        assert "a run holds no code" in err
        assert "--code mine.py" in err
        assert run(capsys, *command, "--code", "mine.py")[0] == 0
    assert RunFolder(folder / "stopped").is_tested
    assert run(capsys, "show", "run")[0] == 0  # to look at it no code is needed
    code, _, err = run(capsys, "predict", "run", "a.png", "--code", "none.py")
    assert (code, err) == (2, "error: the file none.py cannot be read: No such file or directory\n")


@pytest.mark.parametrize("name", ["mine", "own"])
def test_a_study_of_a_file_is_read_where_its_folder_is(capsys, folder, name):
    (folder / "studies").mkdir()
    (folder / "studies" / "own.toml").write_text(STUDY.replace("NAME", name), encoding="utf-8")
    code, out, _ = run(capsys, "study", "plan", "studies/own.toml", "--json")
    assert code == 0
    assert [cell["spec"] for cell in json.loads(out)][:2] == [name, "mine"]
    code, _, err = run(capsys, "study", "run", "studies/own.toml", "-o", "out", "--device", "cpu")
    assert code == 0, err
    shutil.move("out", "sent")
    (folder / "mine.py").unlink()
    code, _, err = run(capsys, "study", "report", "sent")
    if name == "mine":
        assert code == 0, err
        assert '<p class="soft">mine on Digits' in (folder / "sent" / "report.html").read_text(encoding="utf-8")
        assert "| network | mine |" in (folder / "sent" / "report.md").read_text(encoding="utf-8")
        assert str(folder) not in (folder / "sent" / "study.toml").read_text(encoding="utf-8")
    else:
        assert code == 2
        assert "a report runs no code" in err


def test_a_report_runs_no_code_that_a_folder_names(capsys, folder):
    (folder / "sent").mkdir()
    (folder / "sent" / "evil.py").write_text("raise AssertionError('run')", encoding="utf-8")
    text = STUDY.replace("../mine.py:NAME", "evil.py:mine").replace("../mine.py:value", "small_v1")
    (folder / "sent" / "study.toml").write_text(text, encoding="utf-8")
    code, _, err = run(capsys, "study", "report", "sent")
    assert code == 2
    assert "and a report runs none" in err
