import io
import os
import re
import sys
import zipfile

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from inceptionlab import DataError, create_model, load_weights
from inceptionlab.cli import main
from inceptionlab.errors import MissingExtra, install_command
from inceptionlab.weights.readers import caffe, keras
from inceptionlab.weights.readers.reading import read_state


@pytest.fixture(scope="module")
def googlenet():
    torch.manual_seed(2)
    return create_model("googlenet.paper", aux=True).eval()


PARTS = {"one": "1x1", "three.0": "3x3_reduce", "three.1": "3x3", "five.0": "5x5_reduce", "five.1": "5x5",
         "pool.1": "pool_proj"}  # fmt: skip
NAMES = {"conv1.conv": "conv1/7x7_s2", "conv2.conv": "conv2/3x3_reduce", "conv3.conv": "conv2/3x3",
         "classifier.linear": "loss3/classifier"}  # fmt: skip


def caffe_name(layer):
    if layer in NAMES:
        return NAMES[layer]
    if match := re.fullmatch(r"inception(\d.)\.(.*)\.conv", layer):
        return f"inception_{match[1]}/{PARTS[match[2]]}"
    match = re.fullmatch(r"aux(\d)\.(conv|fc\d)\.\w+", layer)
    return f"loss{match[1]}/{ {'conv': 'conv', 'fc1': 'fc', 'fc2': 'classifier'}[match[2]] }"


def caffemodel(model, old):
    """The bytes of a .caffemodel; `old` is the format whose blobs have four sizes."""
    net = caffe._net_parameter()()
    state = model.state_dict()
    for key in [key for key in state if key.endswith("weight")]:
        layer = (net.layers if old else net.layer).add(name=caffe_name(key.removesuffix(".weight")))
        for value in (state[key], state[key.removesuffix("weight") + "bias"]):
            blob = layer.blobs.add()
            blob.data.extend(value.flatten().tolist())
            if old:
                blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - value.ndim) + tuple(value.shape)
            else:
                blob.shape.dim.extend(value.shape)
    return net.SerializeToString()


@pytest.mark.parametrize("old", [True, False])
def test_a_caffemodel_gives_the_same_logits_on_bgr(googlenet, tmp_path, old):
    (tmp_path / "g.caffemodel").write_bytes(caffemodel(googlenet, old))
    model = create_model("googlenet.paper", aux=True).eval()
    account = load_weights(model, tmp_path / "g.caffemodel")
    assert (account.source, account.dropped, account.new) == ("Caffe", (), ())
    x = torch.randn(1, 3, 64, 64)
    theirs = (x * 255 * torch.tensor(model.spec.input.std).view(3, 1, 1)).flip(1)
    with torch.no_grad():
        torch.testing.assert_close(model(x), googlenet(theirs), rtol=1e-3, atol=1e-4)


def test_a_damaged_caffemodel_is_refused(googlenet, tmp_path):
    whole = caffemodel(googlenet, False)
    path = tmp_path / "bad.caffemodel"
    net = caffe._net_parameter()()
    net.layer.add(name="a").blobs.add(data=[1.0, 2.0]).shape.dim.extend([3, 4])
    huge = caffe._net_parameter()()
    huge.layer.add(name="a").blobs.add(data=[1.0]).shape.dim.extend([2**62, 2**62])
    for content, words in (
        (whole[: len(whole) // 2], "cannot be read as weights"), (b"hello there", "cannot be read as weights"),
        (b"", "holds no layers"), (net.SerializeToString(), "a says 3x4 and holds 2 numbers"),
        (huge.SerializeToString(), "holds 1 numbers"),
    ):  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(DataError, match=words):
            read_state(path)


def keras_layers(model):
    """The layers of Inception-v3 as Keras counts them, with their variables by Keras' names."""
    state = model.state_dict()
    convs = [key.removesuffix(".conv.weight") for key in state if key.endswith(".conv.weight")]
    for i, layer in enumerate(convs):
        suffix = f"_{i}" if i else ""
        yield f"conv2d{suffix}", {"kernel": state[f"{layer}.conv.weight"].permute(2, 3, 1, 0)}
        norm = {"beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
        yield f"batch_normalization{suffix}", {n: state[f"{layer}.norm.{leaf}"] for n, leaf in norm.items()}
    yield "predictions", {"kernel": state["fc.linear.weight"].T, "bias": state["fc.linear.bias"]}


def write_h5(path, layers):
    with h5py.File(path, "w") as file:
        for layer, variables in layers:
            group = file.create_group(f"model_weights/{layer}")
            group.attrs["weight_names"] = [f"{layer}/{name}:0".encode() for name in variables]
            for name, value in variables.items():
                group.create_dataset(f"{layer}/{name}:0", data=value.numpy())


def write_keras(path, layers):
    """The archive of Keras 3: variables by number, the layer's name as an attribute, groups in any order."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for layer, variables in reversed(list(layers)):
            group = file.create_group(f"layers/{layer}/vars")
            group.attrs["name"] = layer
            for i, value in enumerate(variables.values()):
                group.create_dataset(str(i), data=value.numpy())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", content.getvalue())


@pytest.fixture(scope="module")
def v3():
    torch.manual_seed(3)
    model = create_model("inception_v3.tf_slim", 10).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model


@pytest.mark.parametrize(("name", "write"), [("v3.h5", write_h5), ("v3.keras", write_keras)])
def test_keras_files_load_by_the_order_of_creation(v3, tmp_path, name, write):
    write(tmp_path / name, keras_layers(v3))
    model = create_model("inception_v3.tf_slim", 10).eval()
    account = load_weights(model, tmp_path / name)
    assert (account.source, account.dropped, account.new) == ("Keras", (), ())
    x = torch.randn(1, 3, 80, 80)
    with torch.no_grad():
        assert torch.equal(model(x), v3(x))


def test_damaged_and_hostile_keras_files_are_refused(v3, tmp_path):
    write_h5(tmp_path / "good.h5", keras_layers(v3))
    good = (tmp_path / "good.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(good[: len(good) // 2])
    (tmp_path / "text.h5").write_text("hello")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("../../escape.txt", "x")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["model_weights/conv2d"] = h5py.ExternalLink("good.h5", "/model_weights/conv2d")
    with h5py.File(tmp_path / "soft.h5", "w") as file:
        group = file.create_group("model_weights/conv2d")
        group.attrs["weight_names"] = [b"kernel:0"]
        group["kernel:0"] = h5py.SoftLink("/elsewhere")
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        group = file.create_group("model_weights/conv2d")
        group.attrs["weight_names"] = [b"kernel:0"]
        group.create_dataset("kernel:0", shape=(1 << 20, 1 << 20), dtype="f4", chunks=(64, 64))
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        group = file.create_group("model_weights/conv2d")
        group.attrs["weight_names"] = [b"kernel:0"]
        group.create_dataset("kernel:0", shape=(4,), dtype="f4", external=[(str(tmp_path / "text.h5"), 0, 16)])
    with h5py.File(tmp_path / "nameless.h5", "w") as file:
        file.create_group("layers/conv2d/vars").create_dataset("0", data=np.zeros((1, 1, 1, 1), "f4"))
    for name, words in (
        ("cut.h5", "cannot be read as weights"), ("text.h5", "cannot be read as weights"),
        ("other.keras", "cannot be read as weights"), ("empty.h5", "holds no layers"), ("link.h5", "is a link"),
        ("soft.h5", "is a link"), ("huge.h5", "which it has not"), ("outside.h5", "inside of this file"),
        ("nameless.h5", "does not say how its layers are called"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=words):
            read_state(tmp_path / name)
    assert not (tmp_path.parent.parent / "escape.txt").exists()
    bomb = tmp_path / "bomb.keras"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(1 << 20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras, "LARGEST", 1 << 19)
        with pytest.raises(DataError, match="would unpack to 1,048,576 bytes"):
            read_state(bomb)


def test_a_torch_archive_that_grows_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 24))
    with pytest.raises(DataError, match="would unpack from"):
        read_state(tmp_path / "bomb.pth")


def slim_name(layer):
    """TF-slim's scope of a layer of BN-Inception."""
    stem = {"conv2": "Conv2d_2b_1x1", "conv3": "Conv2d_2c_3x3", "classifier": "Logits/Conv2d_1c_1x1"}
    if layer in stem:
        return stem[layer]
    stage, module, branch, place = re.fullmatch(r"inception(\d)(.)\.(\w+)(?:\.(\d))?", layer).groups()
    name, down = f"Mixed_{stage}{chr(ord(module) + 1)}", (stage + module) in ("3c", "4e")
    if down:  # the reductions are Mixed_4a and Mixed_5a, and have no 1x1 branch
        name = f"Mixed_{int(stage) + 1}a"
    order = ["three", "double3x3"] if down else ["one", "three", "double3x3", "pool"]
    letter = "b" if branch == "pool" else "abc"[int(place or 0)]
    last = down and int(place) == (1 if branch == "three" else 2)
    return f"{name}/Branch_{order.index(branch)}/Conv2d_{'1a' if last else '0' + letter}_kxk"


def slim_variables(model):
    """The variables of a TF-slim checkpoint, with a background class and an optimiser's slot."""
    state = {key: value.numpy() for key, value in model.state_dict().items()}
    stem = "InceptionV2/Conv2d_1a_7x7"
    depthwise = state["conv1.depthwise.conv.weight"]
    yield f"{stem}/depthwise_weights", depthwise.reshape(3, 8, 7, 7).transpose(2, 3, 0, 1)
    yield f"{stem}/pointwise_weights", state["conv1.pointwise.conv.weight"].transpose(2, 3, 1, 0)
    yield f"{stem}/biases", state["conv1.pointwise.conv.bias"]
    for key, value in state.items():
        layer, _, leaf = key.rpartition(".")
        if key.startswith("conv1") or leaf == "num_batches_tracked" or key.endswith("norm.weight"):
            continue
        scope = f"InceptionV2/{slim_name(layer.rpartition('.')[0])}"
        if layer.startswith("classifier"):
            padded = np.concatenate([np.zeros_like(value[:1]), value])
            yield f"{scope}/{leaf}s".replace("biass", "biases"), padded.T[None, None] if value.ndim == 2 else padded
        elif leaf == "weight":
            yield f"{scope}/weights", value.transpose(2, 3, 1, 0)
            yield f"{scope}/weights/RMSProp", value.transpose(2, 3, 1, 0)
        else:
            names = {"bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
            yield f"{scope}/BatchNorm/{names[leaf]}", value
    yield "global_step", np.int64(7)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["one file", "parts"])
def test_tf_slim_checkpoints_load(tmp_path, form):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    tensorflow = pytest.importorskip(
        "tensorflow", reason="tensorflow is not installed (extra tf)", exc_type=ImportError
    )
    torch.manual_seed(4)
    source = create_model("bn_inception.tf_slim").eval()
    for module in source.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    names, values = zip(*slim_variables(source), strict=True)
    path = str(tmp_path / "inception_v2.ckpt")
    tensors = [tensorflow.constant(value) for value in values]
    if form == "parts":
        tensorflow.raw_ops.SaveV2(prefix=path, tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors)
    else:
        tensorflow.raw_ops.Save(filename=path, tensor_names=names, data=tensors)
    model = create_model("bn_inception.tf_slim").eval()
    account = load_weights(model, path)
    assert (account.source, account.dropped, account.new) == ("TF-slim", (), ())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(x), source(x), rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_tf_checkpoint_is_refused(tmp_path):
    pytest.importorskip("tensorflow", reason="tensorflow is not installed (extra tf)", exc_type=ImportError)
    (tmp_path / "bad.ckpt").write_bytes(b"not a checkpoint")
    (tmp_path / "parts.ckpt.index").write_bytes(b"\0" * 100)
    for name in ("bad.ckpt", "parts.ckpt", "parts.ckpt.index"):
        with pytest.raises(DataError, match="cannot be read as weights"):
            read_state(tmp_path / name)


def test_without_a_package_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "v3.h5").write_bytes(b"x")
    (tmp_path / "v3.ckpt").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingExtra, match=re.escape(install_command("weights"))):
        read_state(tmp_path / "v3.h5")
    with pytest.raises(MissingExtra, match=re.escape(install_command("tf"))):
        read_state(tmp_path / "v3.ckpt")


def test_an_imported_file_predicts(googlenet, tmp_path, capsys):
    from PIL import Image

    (tmp_path / "g.caffemodel").write_bytes(caffemodel(googlenet, False))
    (tmp_path / "names.txt").write_text("\n".join(f"class {i}" for i in range(1000)))
    Image.effect_noise((300, 260), 60).convert("RGB").save(tmp_path / "noise.png")
    files = {}
    for name, flag in (("folded", "--fold-input"), ("kept", "--no-fold-input")):
        files[name] = tmp_path / f"{name}.safetensors"
        main(["import-weights", str(tmp_path / "g.caffemodel"), "--into", "googlenet.paper", flag, "--classes",
              str(tmp_path / "names.txt"), "-o", str(files[name])])  # fmt: skip
    printed = capsys.readouterr().out
    assert "input: RGB" in printed
    assert "input: BGR, values of 0 to 1 minus (0.4824, 0.4588, 0.4078) over (0.003922" in printed
    for file in files.values():
        main(["predict", str(file), str(tmp_path / "noise.png"), "--top", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == lines[3]
    assert re.search(r"class \d+$", lines[1])
    for arguments in (
        ["evaluate", str(files["kept"])],
        ["import-weights", str(tmp_path / "g.caffemodel"), "--into", "googlenet.paper", "--num-classes", "9",
         "--classes", str(tmp_path / "names.txt")],
        ["predict", str(tmp_path / "names.txt"), str(tmp_path / "noise.png")],
    ):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2


def test_what_is_no_file_of_weights_is_said_without_the_words_of_torch(tmp_path):
    whole = nn.Sequential(nn.Conv2d(3, 4, 1))
    torch.save(whole, tmp_path / "whole.pth")
    torch.save({"epoch": 3, "net": whole.state_dict()}, tmp_path / "training.pth")
    assert list(read_state(tmp_path / "training.pth")) == ["0.weight", "0.bias"]
    torch.save({"epoch": 3, "lr": [0.1]}, tmp_path / "other.pth")
    (tmp_path / "page.pth").write_text("<!DOCTYPE html>")
    words = {
        "none.pth": "does not exist; give a file of weights", "": "is a folder, not a file of weights",
        "whole.pth": "holds an object of torch.nn.modules.container.Sequential too, and code is never run here; where "
                     "that code is, save the weights alone: torch.save(model.state_dict(), 'weights.pth')",
        "other.pth": "is of the type int, not a tensor; save the weights alone",
        "page.pth": "it is damaged, or torch.save did",
    }  # fmt: skip
    for name, expected in words.items():
        with pytest.raises(DataError) as refused:
            read_state(tmp_path / name)
        assert expected in str(refused.value)
        assert str(refused.value).isprintable()
