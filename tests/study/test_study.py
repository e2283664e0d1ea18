import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from inceptionlab import ConfigError, RunError, build, get_spec
from inceptionlab.cli import main
from inceptionlab.nn.initialise import initialise
from inceptionlab.runs.options import Machine
from inceptionlab.studies.loading import load_study
from inceptionlab.studies.results import gather
from inceptionlab.studies.running import in_turn, runs_of
from inceptionlab.studies.study import study as run_study
from inceptionlab.training.callbacks import Callbacks

HERE = in_turn(Machine("cpu"), Callbacks(say=lambda _: None))
STUDY = """
model = "small_fast | widen(0.25)"
data = "digits"
seeds = [0, 1]
limit_train = 200
limit_test = 60
[settings]
epochs = 2
[factors.residual]
off = ""
on = "residual(1.0)"
[factors.smoothing]
none = ""
some = { settings = { label_smoothing = 0.1 } }
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "tiny.toml").write_text(STUDY)
    return tmp_path / "tiny.toml"


def test_designs(file):
    study = load_study(file)
    assert [tuple(cell.values()) for cell in study.cells()] == [
        ("off", "none"), ("off", "some"), ("on", "none"), ("on", "some"),
    ]  # fmt: skip
    file.write_text('design = "one"\n' + STUDY)
    assert len(load_study(file).cells()) == 3
    assert study.setup(study.cells()[3], 1).recipe.label_smoothing == 0.1
    assert "residual(1)" in study.setup(study.cells()[3], 1).spec.title


def test_shared_layers_begin_alike_whatever_rules_add():
    plain, changed = build(get_spec("small_fast")), build(get_spec("small_fast | residual(1.0) | attend(se)"))
    for network in (plain, changed):
        initialise(network, seed=3)
    mine, theirs = plain.state_dict(), changed.state_dict()
    assert torch.equal(mine["module2.one.conv.weight"], theirs["module2.body.block.one.conv.weight"])
    assert torch.equal(mine["fc.linear.weight"], theirs["fc.linear.weight"])
    initialise(changed, seed=4)
    assert not torch.equal(mine["conv1.conv.weight"], changed.state_dict()["conv1.conv.weight"])


def test_a_study_runs_reports_and_computes_only_what_is_missing(file, tmp_path, capsys):
    out = tmp_path / "out"
    main(["study", "plan", str(file)])
    planned = capsys.readouterr().out
    assert "4 cells x 2 seeds = 8 runs" in planned
    cells = planned.split("residual=")[1:]
    assert cells[0].endswith("\n    the reference\n")
    assert cells[1].endswith("\n    label_smoothing 0.05 → 0.1\n")  # the network is the reference's
    assert "wrapped in Residual" in cells[3]
    assert "\n    label_smoothing 0.05 → 0.1\n" in cells[3]
    main(["study", "run", str(file), "--out", str(out), "--device", "cpu"])
    printed = capsys.readouterr().out
    assert "8 runs, 0 done before" in printed
    assert "residual: on against off: " in printed
    assert "smoothing with residual=on against with residual=off" in printed
    record = json.loads((out / "results.json").read_text())
    assert {c["factor"] for c in record["comparisons"]} == {"residual", "smoothing", "residual x smoothing"}
    assert set(record["comparisons"][0]) >= {
        "factor", "a", "b", "metric", "difference", "low", "high", "p", "p_corrected", "effect", "n", "verdict",
    }  # fmt: skip
    page = (out / "report.html").read_text()
    assert page.index("Verdicts") < page.index("Effects") < page.index("Runs")
    assert 'src="http' not in page
    assert "A trial: limited to 200 training images and 60 test images." in page.replace("\n", " ")
    assert "cannot be estimated from 2 pairs" in page
    assert 'href="#verdicts"' in page
    assert all(len(row["band"]) == 2 for row in record["cells"])
    assert (out / "runs.csv").read_text().count("\n") == 9
    assert r"\begin{tabular}" in (out / "table.tex").read_text()
    assert r"\midrule" in (out / "table.tex").read_text()
    assert (out / "report.md").read_text().startswith("# tiny")
    main(["study", "run", str(file), "--out", str(out), "--device", "cpu"])
    assert "8 runs, 8 done before" in capsys.readouterr().out
    main(["study", "report", str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == str(out / "report.html")
    head = next(i for i, line in enumerate(lines) if "95 % interval" in line and "cell" in line)
    end = lines[head].index("top-1, %") + len("top-1, %")
    assert all(line[end - 3] == "." and line[end] == " " for line in lines[head + 2 : head + 6])


def test_a_run_that_fails_is_noted_and_the_rest_goes_on(file, tmp_path):
    file.write_text(
        STUDY.replace("some = { settings = { label_smoothing = 0.1 } }", "some = { settings = { lr = 1e30 } }")
    )
    study = load_study(file)
    runs = run_study(study, tmp_path / "out", HERE, say=lambda _: None).runs
    assert [bool(run.score) for run in runs] == [True, False, True, False] * 2
    assert all("not a finite number" in run.error for run in runs if not run.score)
    found = gather(study, tmp_path / "out")
    assert [c.factor for c in found.comparisons] == ["residual"]  # on the cells of the level that did not fail
    assert found.comparisons[0].n == 2


SCRIPT = """
import sys
from pathlib import Path
from inceptionlab.studies.loading import load_study
from inceptionlab.studies.running import in_turn
from inceptionlab.studies.study import study as run_study
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.runs.options import Machine
say = lambda text: print(text, flush=True)
run_study(load_study(Path(sys.argv[1])), Path(sys.argv[2]), in_turn(Machine("cpu"), Callbacks(say=say)), say)
"""


def test_a_killed_study_goes_on(file, tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(file), str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("3/8"):
                process.send_signal(signal.SIGKILL)
                break
    study = load_study(file)
    assert sum(run.score is not None for run in runs_of(study, tmp_path / "out")) >= 3
    said = []
    runs = run_study(study, tmp_path / "out", HERE, say=said.append).runs
    assert said[0].startswith("tiny: 8 runs, ")
    assert "0 done before" not in said[0]
    assert all(run.score for run in runs)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("model =", "modle ="), "a study has no field 'modle'; did you mean 'model'"),
        (('data = "digits"', 'data = "digit"'), "did you mean 'digits'"),
        (("residual(1.0)", "residul(1.0)"), "'residul' is unknown"),
        (('off = ""\n', ""), "needs at least two levels"),
        (("[0, 1]", "[0, 0]"), "give at least one, each once"),
        (("seeds", "design = 'half'\nseeds"), "design = 'half'"),
        (("seeds", "equal = 'width'\nseeds"), "equal = 'width'"),
        (("seeds", "design = 'fraction'\nseeds"), "one in 2 of the cells of 2 factors"),
        (("epochs = 2", "epoch = 2"), "a recipe has no field 'epoch'"),
        (("limit_train = 200", "limit_train = "), "is not TOML"),
        (("[factors.residual]", "[factors.残差]"), 'stands in quotes: "残差"'),
        (("off = ", "无 = "), 'stands in quotes: "无"'),
    ],
)
def test_what_is_wrong_in_a_study_is_said(file, change, words):
    file.write_text(STUDY.replace(*change, 1))
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
        load_study(file)


def test_a_set_of_the_hub_needs_its_number_of_classes(file):
    text = STUDY.replace('"digits"', '"stream:some/insects"')
    file.write_text(text)
    with pytest.raises(
        ConfigError, match=r"'stream:some/insects' is not read before training; say classes = its number"
    ):
        load_study(file)
    file.write_text("classes = 7\n" + text)
    assert load_study(file).classes == 7


def test_nothing_to_report_is_said(file, tmp_path):
    with pytest.raises(RunError, match="no run of the study is finished yet"):
        gather(load_study(file), tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["study", "report", str(tmp_path / "none")])
    assert stop.value.code == 2


def test_the_shipped_study_is_one():
    from pathlib import Path

    for path in sorted((Path(__file__).parents[2] / "studies").glob("*.toml")):
        assert len(load_study(path).cells()) >= 2


def test_two_single_runs_are_compared_by_their_images(file, tmp_path):
    file.write_text(STUDY.replace("[0, 1]", "[0]").split("[factors.smoothing]")[0])
    study = load_study(file)
    run_study(study, tmp_path / "out", HERE, say=lambda _: None)
    (found,) = gather(study, tmp_path / "out").comparisons
    assert (found.unit, found.n) == ("images", 60)
    tests = [run.score.top1 for run in runs_of(study, tmp_path / "out")]
    assert found.difference == pytest.approx(tests[1] - tests[0])
    assert found.low < found.difference < found.high


def test_a_cell_shows_its_costs_and_its_curve(file, tmp_path):
    study = load_study(file)
    run_study(study, tmp_path / "out", HERE, say=lambda _: None)
    for row in gather(study, tmp_path / "out").cells:
        assert row.step_ms > 0
        assert row.memory > 4 * row.params / 100
        assert len(row.curve) == 2


def test_what_training_keeps_is_counted():
    from inceptionlab.spec import Conv, Linear, Pool, Seq
    from inceptionlab.spec.network import Input, Network
    from inceptionlab.studies.running import kept_bytes

    spec = Network("one", Seq(), Seq(conv=Conv(4, 3, norm=None, act=None)),
                   Seq(pool=Pool("avg", to=1), fc=Linear()), Input(3, 8, 8), classes=2)  # fmt: skip
    # the image, which the convolution reads, and the averages, which the classifier reads; a mean needs no value
    assert kept_bytes(spec) == 4 * (3 * 8 * 8 + 4)


def test_a_report_needs_no_data(tmp_path, capsys):
    """The set lay in a folder that only the run was told of, and is gone when its report is written again."""
    rng = np.random.default_rng(0)
    for label, low in (("ant", 0), ("bee", 120)):
        for split in ("train", "test"):
            (tmp_path / "sets" / "insects" / split / label).mkdir(parents=True)
            for i in range(12):
                pixels = rng.integers(low, low + 120, (16, 16, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "sets" / "insects" / split / label / f"{i}.png")
    (tmp_path / "s.toml").write_text(
        'model = "small_fast | widen(0.25)"\ndata = "insects"\ninput_size = 32\nseeds = [0]\n'
        '[settings]\nepochs = 1\nbatch_size = 8\n[factors.step]\noff = ""\n"<b>$x" = "residual(1.0)"\n'
    )
    out = tmp_path / "out"
    main(["study", "run", str(tmp_path / "s.toml"), "--out", str(out), "--device", "cpu", "--data-dir",
          str(tmp_path / "sets")])  # fmt: skip
    written = (out / "results.json").read_text()
    shutil.rmtree(tmp_path / "sets")
    main(["study", "report", str(out)])
    assert (out / "results.json").read_text() == written
    assert json.loads(written)["comparisons"][0]["n"] == 24
    page = (out / "report.html").read_text()
    assert "&lt;b&gt;$x" in page
    assert "<b>$x" not in page


def test_a_stopped_study_is_a_result_and_goes_on(file, tmp_path):
    file.write_text(STUDY.split("[factors.smoothing]")[0])
    steps = iter(range(1, 1000))
    stopping = in_turn(Machine("cpu"), Callbacks(say=lambda _: None, stop=lambda: next(steps) == 6))
    results = run_study(file, tmp_path / "out", stopping, say=lambda _: None)
    assert not results.complete
    assert not (tmp_path / "out" / "report.html").exists()
    assert results.comparisons == []
    results = run_study(file, tmp_path / "out", HERE, say=lambda _: None)
    assert results.complete
    assert len(results.comparisons) == 1
    table = results._repr_html_()
    assert "residual: on against off" in table
    assert table.count("<tr>") == 1 + len(results.cells)
