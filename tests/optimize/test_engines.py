import json
import logging
import re
import sys

import onnx
import pytest
import torch
from PIL import Image

from inceptionlab import build, create_model, load_run
from inceptionlab.cli import main
from inceptionlab.errors import ConfigError, ExportError, MissingExtra, install_command
from inceptionlab.exporting import choosing
from inceptionlab.exporting.engines import load_engine
from inceptionlab.exporting.pixels import normalised
from inceptionlab.exporting.quantizing import quantize
from inceptionlab.exporting.writers import compared, export, quiet, written
from inceptionlab.runs.options import Machine
from inceptionlab.runs.prediction import with_engine
from inceptionlab.runs.setup import Setup
from inceptionlab.runs.testing import train
from inceptionlab.spec import Conv, Linear
from inceptionlab.spec.tree import walk
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.training.recipe import Recipe
from inceptionlab.zoo.configure import configured

pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")
CLASSES = tuple("0123456789")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A network that knows the digits well enough to be quantised."""
    folder = tmp_path_factory.mktemp("run") / "digits"
    spec = configured("small_fast | widen(0.5)", 10, 1, 32)
    setup = Setup(spec, Recipe(epochs=3, batch_size=32, lr=0.1, precision="fp32"), "digits", limit_test=200)
    train(setup, folder, Machine("cpu"), Callbacks(say=lambda _: None))
    return folder


@pytest.mark.parametrize("to", ["torch", "onnx", "openvino", "executorch"])
@pytest.mark.parametrize("name", ["small_fast", "inception_next_atto"])
def test_an_export_computes_the_same(name, to, tmp_path):
    network = create_model(name, 10, input_size=32).eval()
    done = export(network, CLASSES, to, tmp_path / "net")
    assert done.file.exists()
    assert done.difference <= 1e-5


def test_an_onnx_file_knows_its_network_its_input_and_its_classes(tmp_path):
    import onnx

    network = create_model("small_fast").eval()
    facts = {
        p.key: p.value
        for p in onnx.load(str(export(network, CLASSES, "onnx", tmp_path / "n.onnx").file)).metadata_props
    }
    assert json.loads(facts["classes"]) == list(CLASSES)
    assert json.loads(facts["input"])["mean"] == [0.5, 0.5, 0.5]
    assert facts["network"] == "small_fast"


@pytest.mark.parametrize("name", ["small_fast", "inception_v3", "inception_resnet_v1.facenet"])
def test_a_file_may_take_pixels(name, tmp_path):
    spec = configured(name, 10, 3, 96 if name != "small_fast" else 32, stem="imagenet", aux=False)
    done = export(build(spec).eval(), CLASSES, "onnx", tmp_path / "net", pixels=True)
    assert done.difference <= 2e-5


def test_the_normalisation_goes_into_a_convolution_that_pads_nothing():
    from inceptionlab.exporting.pixels import Normalised, taking_pixels
    from inceptionlab.optimization.exactness import exact

    for name, inside in (("inception_v3", True), ("small_fast", False)):
        network = create_model(name).eval()
        parts = taking_pixels(exact(network), network.spec.input).modules()
        assert any(isinstance(part, Normalised) for part in parts) is not inside


def test_an_export_that_differs_is_refused(tmp_path):
    network = create_model("small_fast").eval()
    with pytest.raises(ExportError, match="differs from the network by"):
        compared(network, lambda x: network(x) * 1.001, tmp_path / "x.onnx")
    with pytest.raises(ConfigError, match="there is no export to 'onx'; did you mean 'onnx'"):
        export(network, CLASSES, "onx", tmp_path / "x")


@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize(("to", "engine"), [
    ("torch", "torch"), ("executorch", "torch"), ("onnx", "onnxruntime"), ("onnx", "openvino"),
    ("openvino", "openvino"),
])  # fmt: skip
def test_a_file_comes_back_as_an_engine_that_knows_its_network(to, engine, pixels, tmp_path):
    network = create_model("small_fast").eval()
    loaded = load_engine(export(network, CLASSES, to, tmp_path / "net", pixels).file, engine)
    assert (loaded.name, loaded.precision, loaded.takes) == (engine, "fp32", "pixels" if pixels else "normalised")
    assert (loaded.about.network, loaded.about.classes) == ("small_fast", CLASSES)
    assert loaded.about.input == network.spec.input
    x = torch.randn(3, *network.spec.input.shape)
    with torch.inference_mode():
        assert torch.allclose(normalised(loaded)(x), network(x), rtol=1e-3, atol=1e-4)
    loaded.close()


def test_an_8_bit_file_says_so(tmp_path):
    network = create_model("small_fast").eval()
    done = quantize(network, CLASSES, torch.randn(8, *network.spec.input.shape), tmp_path / "net", agreement=0.0)
    loaded = load_engine(done.path, "openvino")
    assert (loaded.precision, loaded.about.classes) == ("int8", CLASSES)


def test_files_that_cannot_be_loaded_are_refused(tmp_path):
    network = create_model("small_fast").eval()
    file = written(network, "onnx", tmp_path / "net")
    model = onnx.load(str(file))
    for number, (name, value, words) in enumerate([
        ("input", "{", "is no JSON"), ("input", '{"channels": "three"}', "what means nothing: input"),
        ("input", '{"mean": [1, 2]}', "what means nothing: input"), ("classes", "7", "what means nothing: classes"),
        ("takes", "nothing", "did you mean|known are"), ("network", None, "write it with inceptionlab export"),
    ]):  # fmt: skip
        other = onnx.ModelProto()
        other.CopyFrom(model)
        del other.metadata_props[:]
        for entry in model.metadata_props:
            if entry.key != name:
                other.metadata_props.add(key=entry.key, value=entry.value)
            elif value is not None:
                other.metadata_props.add(key=name, value=value)
        onnx.save(other, str(tmp_path / f"{number}.onnx"))
        with pytest.raises(ExportError, match=words):
            load_engine(tmp_path / f"{number}.onnx")
    for ending in (".onnx", ".xml", ".pt2"):
        (tmp_path / f"broken{ending}").write_bytes(b"nothing")
        with pytest.raises(ExportError, match="cannot be run by"):
            load_engine(tmp_path / f"broken{ending}")
    with pytest.raises(ExportError, match=r"is no exported file; give one that ends in \.onnx, \.xml, \.pt2"):
        load_engine(tmp_path / "net.pth")
    with pytest.raises(ConfigError, match="there is no engine 'torch' for"):
        load_engine(file, "torch")


def test_no_kind_of_file_replaces_another(tmp_path):
    network = create_model("small_fast").eval()
    files = [
        export(network, CLASSES, to, tmp_path / "model").file for to in ("torch", "onnx", "openvino", "executorch")
    ]
    samples = torch.randn(4, *network.spec.input.shape)
    files.append(quantize(network, CLASSES, samples, tmp_path / "model", agreement=0.0).path)
    assert [file.name for file in files] == [
        "model.pt2", "model.onnx", "model.xml", "model.executorch.pt2", "model.int8.onnx",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["torch.onnx", ""])
def test_loggers_say_what_they_said_before_also_after_an_error(name):
    logger = logging.getLogger(name)
    before = logger.level
    with pytest.raises(ZeroDivisionError), quiet(name):
        _ = 1 / (logger.level - logging.ERROR)  # it says errors only, so this is one
    assert logger.level == before


def test_loggers_are_as_before_when_quantising_fails(tmp_path, monkeypatch):
    network = create_model("small_fast").eval()

    def failing(*_, **__):
        raise ValueError("inside")

    before = logging.root.level
    monkeypatch.setattr("onnxruntime.quantization.quantize_static", failing)
    with pytest.raises(ValueError, match="inside"):
        quantize(network, CLASSES, torch.randn(4, *network.spec.input.shape), tmp_path / "net")
    assert logging.root.level == before


def test_an_export_leaves_the_networks_mode(tmp_path):
    network = create_model("small_fast").train()
    export(network, CLASSES, "torch", tmp_path / "net")
    assert all(module.training for module in network.modules())


@pytest.mark.parametrize(("module", "to"), [("onnx", "onnx"), ("openvino", "openvino")])
def test_what_is_not_installed_is_said(tmp_path, monkeypatch, module, to):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=re.escape(install_command("export"))):
        export(create_model("small_fast").eval(), CLASSES, to, tmp_path / "x")


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "openvino", "auto"])
def test_an_engine_predicts_what_the_network_does(run, engine):
    trained = load_run(run)
    fast, name = with_engine(trained, engine)
    assert name in choosing.installed()
    x = torch.randn(3, *trained.network.spec.input.shape)
    with torch.inference_mode():
        assert torch.allclose(fast.run(x), trained.run(x), rtol=1e-3, atol=1e-4)


def test_auto_measures_once(run, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []
    monkeypatch.setattr(choosing, "timed", lambda *_: calls.append(1) or {"openvino": 0.02, "torch": 0.01})
    for _ in range(2):
        trained, name = with_engine(load_run(run), "auto")
        assert name == "torch"
        assert trained.engine.why == "the fastest here in batches of 1 image (torch 10 ms, openvino 20 ms)"
    assert calls == [1]
    (tmp_path / "inceptionlab" / "engines" / "fastest.json").write_text("no json")
    with_engine(load_run(run), "auto")
    assert calls == [1, 1]


def test_commands_take_engines(run, tmp_path, capsys):
    from inceptionlab.data.registry import digits

    image = tmp_path / "d.png"
    Image.fromarray(digits().test.images[0, ..., 0].numpy()).save(image)
    predictions = []
    for engine in ([], ["--engine", "openvino"], ["--engine", "torch"]):
        main(["predict", str(run), str(image), "--json", *engine])
        predictions.append(json.loads(capsys.readouterr().out)["top"][0]["label"])
    assert len(set(predictions)) == 1
    main(["evaluate", str(run), "--json", "--engine", "onnxruntime"])
    assert json.loads(capsys.readouterr().out)["top1"] == json.loads((run / "test.json").read_text())["top1"]


def test_the_export_command(run, tmp_path, capsys):
    main(["export", str(run), "--to", "openvino", "-o", str(tmp_path / "net"), "--json"])
    record = json.loads(capsys.readouterr().out)
    assert record["file"].endswith("net.xml")
    assert record["difference"] < 1e-5
    main(["export", "small_fast", "--to", "onnx", "-o", str(tmp_path / "zoo.onnx")])
    assert "largest difference of its logits from the network's over 4 random images: " in capsys.readouterr().out
    main(["export", "small_fast", "--to", "onnx", "--out", str(tmp_path / "same.onnx")])
    assert (tmp_path / "same.onnx").is_file()


def test_eight_bits_agree(run, tmp_path, capsys):
    main(["export", str(run), "--to", "onnx", "--int8", "-o", str(tmp_path / "q.onnx"), "--json"])
    record = json.loads(capsys.readouterr().out)
    assert record["agreement"] >= 0.97
    assert record["low"] <= record["change"] <= record["high"]
    assert (tmp_path / "q.onnx").stat().st_size < 0.6 * (run / "model.safetensors").stat().st_size


def test_an_export_without_a_name_stands_beside_the_run(run, capsys):
    main(["export", str(run), "--to", "onnx"])
    assert (run / "model.onnx").exists()
    before = (run / "model.onnx").read_bytes()
    main(["export", str(run), "--to", "onnx", "--int8"])
    assert "95 % interval" in capsys.readouterr().out
    assert (run / "model.int8.onnx").exists()
    assert (run / "model.onnx").read_bytes() == before
    loaded = load_engine(run / "model.int8.onnx", "openvino")
    assert (loaded.precision, loaded.about.classes) == ("int8", load_run(run).classes)


def test_a_run_a_network_and_a_spec_are_exported_from_python(run, tmp_path):
    import inceptionlab as il

    network = create_model("small_fast").train()
    for number, source in enumerate((run, load_run(run), network, network.spec)):
        done = il.export(source, "torch", tmp_path / str(number))
        assert done.file == tmp_path / f"{number}.pt2"
        assert done.difference <= 1e-5
    with pytest.raises(ConfigError, match="8-bit networks are written as ONNX"):
        il.export(run, "torch", int8=True)
    assert il.load_engine(tmp_path / "0.pt2").about.classes == load_run(run).classes


def test_the_search_keeps_layers_until_the_predicts_agree(run, tmp_path):
    trained = load_run(run)
    samples = torch.randn(32, *trained.network.spec.input.shape)  # noise, which it predictions with little confidence
    first = quantize(trained.network, trained.classes, samples, tmp_path / "all", agreement=0.0)
    search = quantize(trained.network, trained.classes, samples, tmp_path / "some", agreement=1.01)
    assert (first.kept, len(search.kept)) == ((), 8)
    layers = {path for path, node in walk(trained.network.spec) if isinstance(node, Conv | Linear)}
    assert set(search.kept) <= layers
    nodes = onnx.load(str(first.path)).graph.node
    made_by = {output: node.op_type for node in nodes for output in node.output}
    before_relu = {made_by[node.input[0]] for node in nodes if node.op_type == "Relu"}
    assert before_relu <= {"Conv"}  # a convolution is quantised behind its activation
    assert search.agreement >= first.agreement


@pytest.mark.parametrize(("arguments", "words"), [
    (["export", "nowhere/run", "--to", "onnx"], "there is no nowhere/run"),
    (["export", "smal_fast", "--to", "onnx"], "did you mean"),
    (["export", "small_fast", "--to", "onnx", "--int8"], "needs a run folder"),
    (["export", "small_fast", "--to", "onnx", "--int8", "--pixels"], "takes normalised images"),
    (["export", "small_fast", "--to", "torch", "--int8"], "8-bit networks are written as ONNX"),
    (["benchmark"], "no network was named"),
    (["benchmark", "small_fast", "--rounds", "1"], "give at least 3 rounds"),
    (["benchmark", "small_fast", "--against", "timm", "--batch", "1"], "timm has no small_fast"),
])  # fmt: skip
def test_what_cannot_be_done_is_said(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err
