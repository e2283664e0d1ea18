"""What a network may be called: a name, a function of a file, a file of a spec, a run folder."""

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import inceptionlab as il
from inceptionlab import (
    ConfigError,
    DataError,
    SpecError,
    blocks_of,
    build,
    create_model,
    get_spec,
    list_models,
    measure,
    network_of,
)
from inceptionlab.spec.codec import digest, dumps, loads
from inceptionlab.zoo.naming import beside, state_of

MINE = '''
"""Networks of a student."""
from neighbour import WIDTH
from inceptionlab import Input, Network
from inceptionlab.spec import Block, Concat, Conv, Linear, Pool, Seq


def swish(channels):
    from torch import nn

    return nn.SiLU()


def mine(width=16):
    mix = Concat(one=Conv(width), three=Seq(Conv(8), Conv(WIDTH, 3)))
    return Network("mine", Seq(conv=Conv(16, 3)), Seq(mix=mix), Seq(avg=Pool("avg", to=1), fc=Linear()),
                   Input(1, 32, 32), 10)


def own():
    base = mine()
    return Network("own", base.stem, Seq(**dict(base.body.children), swish=Block(swish)), base.head, base.input, 10)


def wide(width, depth):
    return mine()


def node():
    return Conv(3)


def number():
    return 3


def broken():
    return 1 / 0


def wrong():
    return Conv(0)


class Net:
    def forward(self, x):
        return x


value = mine()
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    (tmp_path / "neighbour.py").write_text("WIDTH = 16\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("neighbour", None)


def test_a_function_a_value_a_spec_and_a_run_folder_are_the_same_network(folder):
    found = network_of("mine.py:mine")
    assert (found.name, found.classes, found.input.shape) == ("mine", 10, (1, 32, 32))
    (folder / "run").mkdir()
    for place in ("mine.json", "run/spec.json"):
        (folder / place).write_text(dumps(found), encoding="utf-8")
    for text in ("mine.py:value", "./mine.py:mine", str(folder / "mine.py:mine"), "mine.json", "run", "run/"):
        assert network_of(text) == found
        assert digest(network_of(text)) == digest(found)
    changed = network_of("run | residual(0.1) | attend(se)")
    assert changed.title == "mine | residual(0.1) | attend(se)"
    assert changed == network_of("mine.py:mine|residual(0.1)|attend(se)")
    assert network_of("googlenet | dropout(0.1)") == get_spec("googlenet | dropout(0.1)")
    assert create_model("mine.py:mine", 3).spec.classes == 3


def test_looking_at_a_network_of_ones_own_waits_for_no_torch(folder):
    script = "import sys; from inceptionlab.cli import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"
    for name in ("mine.py:mine", "mine.py:own"):
        subprocess.run([sys.executable, "-c", script, "show", name], check=True, capture_output=True)
    assert "neighbour" not in sys.modules or str(folder) not in sys.path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mine.py", "name the function too"),
        ("mine.py:", "name the function too"),
        ("none.py:mine", "the file none.py cannot be read: No such file"),
        ("mine.py:mien", "mine.py has no 'mien'; did you mean 'mine'?"),
        ("mine.py:wide", "mine.py:wide asks for width, depth; a network is made without arguments"),
        ("mine.py:node", r"is no network but a node \(Conv\), which is a part of one; a network is Network\("),
        ("mine.py:number", "mine.py:number is no network but 3"),
        ("mine.py:Net", r"the class Net; a module of torch stands in a network as Block\(factory\)"),
        ("mine.py:broken", "mine.py, line 38: ZeroDivisionError: division by zero"),
        ("mine.py:wrong", r"mine.py, line 42: Conv\(out=0\): give a whole number"),
        ("syntax.py:mine", "syntax.py, line 2: "),
        ("raises.py:mine", "raises.py, line 3: ModuleNotFoundError: No module named 'nothing_like_this'"),
        ("leaves.py:mine", "leaves.py, line 1: SystemExit: bye"),
        ("empty", "empty is a folder without spec.json, so it is no run"),
        ("no/such/run", "there is no no/such/run; a network is a name, FILE.py:FUNCTION, FILE.json or a run folder"),
        ("none.json", "none.json cannot be read"),
        ("broken.json", "broken.json: the spec is not JSON"),
        ("node.json", r"node.json holds a node \(Seq\), not a whole network"),
        ("googelnet", "did you mean 'googlenet'"),
    ],
)
def test_errors_are_sentences(folder, text, words):
    (folder / "empty").mkdir()
    files = {
        "syntax.py": "x = 1\ndef mine(:\n",
        "raises.py": "\n\nimport nothing_like_this\n",
        "leaves.py": "raise SystemExit('bye')\n",
        "broken.json": "{",
        "node.json": dumps(get_spec("small_v1").head),
    }
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises((SpecError, OSError), match=words):
        network_of(text)


def test_the_hash_of_a_network_follows_its_code_and_not_its_place(folder):
    first = network_of("mine.py:own")
    (folder / "deeper").mkdir()
    for name in ("mine.py", "neighbour.py"):
        (folder / "deeper" / name).write_text((folder / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert digest(network_of("deeper/mine.py:own")) == digest(first)
    assert network_of("deeper/mine.py:own") == first
    changed = MINE.replace("nn.SiLU()", "nn.GELU()")
    (folder / "mine.py").write_text("# another comment\n" + MINE, encoding="utf-8")
    assert digest(network_of("mine.py:own")) == digest(first)
    (folder / "mine.py").write_text(changed, encoding="utf-8")
    assert digest(network_of("mine.py:own")) != digest(first)
    assert digest(network_of("mine.py:mine")) == digest(network_of("deeper/mine.py:mine"))


def test_a_file_that_was_written_anew_is_read_anew(folder):
    before, state = network_of("mine.py:mine"), state_of("mine.py:mine")
    (folder / "mine.py").write_text(MINE.replace("width=16", "width=24"), encoding="utf-8")
    os.utime(folder / "mine.py", ns=(1, state + 10**9))
    assert state_of("mine.py:mine") != state
    assert measure(network_of("mine.py:mine")).params > measure(before).params


def test_code_that_a_spec_names_is_run_only_where_the_file_is_named(folder):
    own = network_of("mine.py:own")
    text = dumps(own)
    (folder / "own.json").write_text(text, encoding="utf-8")
    (folder / "mine.py").write_text("raise AssertionError('reading a spec runs no code')", encoding="utf-8")
    seen = network_of("own.json")
    assert seen == own
    assert measure(seen).params == measure(own).params
    with pytest.raises(SpecError, match="code that a run only names is not run; give the file: --code mine.py"):
        build(seen)
    with pytest.raises(SpecError, match="hand its factory over: --code mine.py"):
        loads(text)
    with pytest.raises(SpecError, match="AssertionError"):
        loads(text, blocks_of("mine.py"))
    (folder / "mine.py").write_text(MINE, encoding="utf-8")
    assert build(loads(text, blocks_of("mine.py"))).spec == own
    assert build(network_of("own.json", blocks_of("mine.py"))).spec == own
    (folder / "other.py").write_text("", encoding="utf-8")
    with pytest.raises(SpecError, match="hand its factory over"):
        loads(text, blocks_of("other.py"))
    (folder / "mine.py").write_text("def other(): pass", encoding="utf-8")
    with pytest.raises(SpecError, match="mine.py has no 'swish'"):
        loads(text, blocks_of("mine.py"))


def test_a_network_with_code_goes_to_another_process(folder):
    own = network_of("mine.py:own")
    assert build(pickle.loads(pickle.dumps(own))).spec == own
    script = "import pickle, sys; from inceptionlab import build; build(pickle.loads(sys.stdin.buffer.read()))"
    done = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(own), cwd="/", capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_what_stands_in_a_file_means_its_neighbours(folder):
    (folder / "run").mkdir()
    elsewhere = folder / "run"
    assert beside("mine.py:mine", folder) == f"{folder / 'mine.py'}:mine"
    assert beside("../mine.py:mine | residual(0.1)", elsewhere) == f"{folder / 'mine.py'}:mine | residual(0.1)"
    assert beside("run", folder) == str(folder / "run")
    for name in ("googlenet", "small_v1 | residual(0.1)", "googelnet"):
        assert beside(name, folder) == name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("GoogLeNet", "googlenet.torchvision"),
        ("Inception-v3", "inception_v3.torchvision"),
        ("inception-v3", "inception_v3.torchvision"),
        ("InceptionV3", "inception_v3.torchvision"),
        ("inceptionv3", "inception_v3.torchvision"),
        ("Inception-ResNet-v2", "inception_resnet_v2.released"),
        ("BN-Inception", "bn_inception.caffe"),
        ("GoogLeNet.BN", "googlenet.bn"),
    ],
)
def test_a_name_is_known_however_it_is_written(written, name):
    assert network_of(written).name == get_spec(written).name == name


def test_a_word_finds_the_names_that_hold_it():
    assert list_models("inception")[0] == "bn_inception.caffe"
    assert {"inception_v3.fid", "inception_next_base", "inception_net"} < set(list_models("inception"))
    assert list_models("V3") == ["inception_v3.torchvision", "inception_v3.tf_slim", "inception_v3.fid", "small_v3"]
    assert list_models("Inception-ResNet") == [*list_models("inception_resnet*"), "small_resnet"]
    assert list_models("zzz") == list_models("!") == []
    assert json.dumps(list_models("")) == "[]"


def test_published_weights_name_a_network_too():
    found = network_of("inception_next_base@timm/sail_in1k_384 | dropout(0.1)")
    assert (found.name, found.input.shape, found.input.crop) == ("inception_next_base", (3, 384, 384), 1.0)
    assert found.title.endswith("| dropout(0.1)")
    assert network_of("inception_v3.fid@pytorch-fid").classes == 1008
    assert network_of("inception_v3@timm") == replace(
        get_spec("inception_v3.torchvision"), input=replace(get_spec("inception_v3").input, interpolation="bicubic")
    )
    with pytest.raises(DataError, match="inception_v3 has no weights called 'tmi'; known are torchvision, timm/tf"):
        network_of("inception_v3@tmi")


def test_what_is_asked_of_a_network_takes_its_name(tmp_path):
    spec, other = get_spec("small_v1"), get_spec("small_v1 | residual(0.1)")
    assert il.measure("small_v1") == il.measure(spec)
    assert il.smallest_input("small_v1") == il.smallest_input(spec)
    assert il.explain("small_v1", "*") == il.explain(spec, "*")
    assert il.diff("small_v1", other).lines == il.diff(spec, "small_v1 | residual(0.1)").lines
    assert il.draw("small_v1", depth=1) == il.draw(spec, depth=1)
    assert il.save_drawing("small_v1", tmp_path / "a.svg", depth=1).read_text(encoding="utf-8") == il.draw(
        spec, depth=1
    )
    with pytest.raises(SpecError, match="a network is needed .* an object of the type int was given"):
        il.measure(3)


def test_commands_that_look_at_a_network_take_weights_by_name(capsys, tmp_path):
    from inceptionlab.cli import main

    name = "inception_v3.fid@pytorch-fid"
    main(["show", name, "--depth", "0"])
    assert "1008 classes" in capsys.readouterr().out
    main(["draw", name, "--depth", "1", "-o", str(tmp_path / "a.svg")])
    main(["diff", name, "inception_v3.fid", "--json"])
    assert '"classes"' in capsys.readouterr().out
    main(["code", name, "-o", str(tmp_path / "a.py")])
    assert "1008" in (tmp_path / "a.py").read_text(encoding="utf-8")


def test_weights_are_named_once_and_not_by_a_study(tmp_path):
    from inceptionlab.runs.configuring import configure
    from inceptionlab.runs.options import Choices
    from inceptionlab.studies.design import Level

    levels = {"se": {"no": Level(), "yes": Level(rules="attend(se)")}}
    with pytest.raises(ConfigError, match="inception_v3@timm and weights = a.pth: name weights once"):
        configure("inception_v3@timm", "digits", None, Choices(weights=Path("a.pth")))
    with pytest.raises(ConfigError, match="inception_v3@timm.* names weights, and a study trains every network from"):
        il.Study("x", "inception_v3@timm", "digits", levels).setup({"se": "yes"}, 0)
