import json
import os
import pickle
import re
from dataclasses import replace

import pytest
import torch

from inceptionlab import DataError, build, create_model, get_spec, load_weights, match_networks
from inceptionlab.cli import main
from inceptionlab.spec.codec import to_json
from inceptionlab.storage import write_tensors
from inceptionlab.weights.loading import spec_with
from inceptionlab.weights.named import NAMED
from inceptionlab.weights.readers.reading import read_state
from inceptionlab.weights.unwrapping import OURS, recognise

# Keys as the libraries write them, and where they belong in our networks.
KEYS = {
    "inception_v3": {
        "Conv2d_2b_3x3.conv.weight": "conv2b.conv.weight",
        "Mixed_5b.branch3x3dbl_3.bn.running_var": "mixed5b.double3x3.2.norm.running_var",
        "Mixed_6a.branch3x3.conv.weight": "mixed6a.three.conv.weight",
        "Mixed_6c.branch7x7dbl_5.conv.weight": "mixed6c.double7x7.4.conv.weight",
        "Mixed_7a.branch7x7x3_4.bn.bias": "mixed7a.seven.3.norm.bias",
        "Mixed_7c.branch3x3dbl_3b.conv.weight": "mixed7c.double3x3.2.tall.conv.weight",
        "AuxLogits.conv1.conv.weight": "aux.conv1.conv.weight",
        "fc.bias": "fc.linear.bias",
    },
    "googlenet": {
        "inception4d.branch4.1.conv.weight": "inception4d.pool.1.conv.weight",
        "aux1.fc1.weight": "aux1.fc1.linear.weight",
        "fc.weight": "classifier.linear.weight",
    },
    "inception_v4": {
        "features.4.branch1.2.bn.weight": "mixed4a.long.2.norm.weight",
        "features.10.branch0.conv.weight": "reduction_a.three.conv.weight",
        "features.17.branch2.4.conv.weight": "b7.double7x7.4.conv.weight",
        "features.20.branch2_3a.bn.weight": "c2.double3x3.3.wide.norm.weight",
        "last_linear.weight": "fc.linear.weight",
    },
    "inception_resnet_v2": {
        "repeat.9.branch2.2.conv.weight": "a10.body.block.double3x3.2.conv.weight",
        "repeat_1.0.branch1.1.bn.bias": "b1.body.block.seven.1.norm.bias",
        "block8.conv2d.bias": "c10.body.linear.conv.bias",
        "mixed_7a.branch2.2.conv.weight": "mixed7a.double3x3.2.conv.weight",
        "classif.weight": "fc.linear.weight",
    },
    "xception": {
        "block1.rep.3.conv1.weight": "block1.body.2.depthwise.conv.weight",
        "block7.rep.8.running_mean": "block7.body.5.pointwise.norm.running_mean",
        "block12.skipbn.weight": "block12.skip.norm.weight",
        "bn4.bias": "conv4.pointwise.norm.bias",
        "conv2.weight": "conv2.conv.weight",
    },
    "inception_next_tiny": {
        "stem.1.running_var": "stem.norm.running_var",
        "stages.0.blocks.2.gamma": "stage1.2.body.scale.gamma",
        "stages.3.blocks.0.token_mixer.dwconv_h.bias": "stage4.2.body.0.0.tall.conv.bias",
        "stages.2.downsample.1.weight": "stage3.1.conv.weight",
        "head.norm.weight": "norm.norm.weight",
    },
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_become_addresses_that_exist(name):
    own = create_model(name, aux=True).state_dict()
    scheme = next(scheme for scheme in NAMED if re.match(scheme.member, get_spec(name).name))
    theirs = {scheme.theirs(key): key for key in own}
    assert recognise(theirs) is scheme
    pairs = scheme.pairs(KEYS[name], own)
    assert pairs == KEYS[name]
    assert all(scheme.theirs(ours) == key or "classif" in key for key, ours in pairs.items())


def as_torchvision(state):
    """GoogLeNet's weights under torchvision's keys."""
    swaps = [(".one.", ".branch1."), (".three.", ".branch2."), (".five.", ".branch3."), (".pool.", ".branch4."),
             (".norm.", ".bn."), (".linear.", "."), ("classifier.", "fc.")]  # fmt: skip
    renamed = {}
    for key, value in state.items():
        for ours, theirs in swaps:
            key = key.replace(ours, theirs)
        renamed[key] = value
    return renamed


@pytest.fixture(scope="module")
def source():
    torch.manual_seed(1)
    return create_model("googlenet.torchvision", aux=True).eval()


@pytest.fixture
def file(source, tmp_path):
    path = tmp_path / "googlenet.pth"
    torch.save(as_torchvision(source.state_dict()), path)
    return path


def test_a_file_of_torchvision_gives_its_logits(source, file):
    model = create_model("googlenet.torchvision", aux=True).eval()
    account = load_weights(model, file)
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(model(x), source(x))
    assert (account.source, account.dropped, account.new) == ("torchvision", (), ())
    assert str(account) == f"torchvision: {len(account.loaded)} tensors loaded"


def test_auxiliary_heads_are_dropped_or_new(source, file, tmp_path):
    account = load_weights(create_model("googlenet.torchvision"), file)
    assert str(account).endswith("dropped aux1, aux2")
    plain = {key: value for key, value in as_torchvision(source.state_dict()).items() if not key.startswith("aux")}
    torch.save(plain, tmp_path / "plain.pth")
    account = load_weights(create_model("googlenet.torchvision", aux=True), tmp_path / "plain.pth")
    assert str(account).endswith("new aux1, aux2")


def test_another_number_of_classes_gets_a_new_classifier(source, file):
    model = create_model("googlenet.torchvision", 7)
    account = load_weights(model, file)
    assert "new classifier" in str(account)
    assert torch.equal(model.state_dict()["conv1.conv.weight"], source.state_dict()["conv1.conv.weight"])


def test_a_background_class_is_dropped(source, tmp_path):
    state = as_torchvision(source.state_dict())
    for key in ("fc.weight", "fc.bias"):
        state[key] = torch.cat([torch.full_like(state[key][:1], 9.0), state[key]])
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "w.pth")
    model = create_model("googlenet.torchvision", aux=True)
    load_weights(model, tmp_path / "w.pth")
    assert torch.equal(model.state_dict()["classifier.linear.bias"], source.state_dict()["classifier.linear.bias"])


def test_our_own_files_load_too(source, tmp_path):
    write_tensors(tmp_path / "w.safetensors", source.state_dict(), {})
    assert (
        load_weights(create_model("googlenet.torchvision", aux=True), tmp_path / "w.safetensors").source
        == "InceptionLab"
    )


def test_the_input_that_our_own_file_records_is_taken_over(tmp_path):
    spec = get_spec("small_fast | widen(0.25)")
    taken = replace(spec.input, mean=(0.2, 0.4, 0.6), std=(0.3,) * 3, order="BGR")
    torch.manual_seed(0)
    theirs = build(replace(spec, input=taken)).eval()
    write_tensors(tmp_path / "ours.safetensors", theirs.state_dict(), {"spec": to_json(theirs.spec)})
    model = build(spec).eval()
    account = load_weights(model, tmp_path / "ours.safetensors")
    pixels = torch.rand(2, 3, 32, 32)

    def shown(network):
        mean, std = (torch.tensor(v)[:, None, None] for v in (network.spec.input.mean, network.spec.input.std))
        planes = (pixels - mean) / std
        return network(planes.flip(1) if network.spec.input.order == "BGR" else planes)

    with torch.inference_mode():
        torch.testing.assert_close(shown(model), shown(theirs))
    assert account.input == model.spec.input == replace(spec.input, mean=taken.mean)
    load_weights(model, tmp_path / "ours.safetensors", fold_input=False)
    assert model.spec.input == taken
    assert spec_with(spec, tmp_path / "ours.safetensors").input.mean == taken.mean  # what train prepares images by


def test_what_does_not_fit_is_refused_and_nothing_changes(source, file, tmp_path):
    state = as_torchvision(source.state_dict())
    cases = {
        "'conv1.conv.weight' is (64, 3, 3, 3), the network's is (64, 3, 7, 7)": {
            "conv1.conv.weight": torch.ones(64, 3, 3, 3)
        },
        "'conv9.conv.weight' has no place": {"conv9.conv.weight": torch.ones(1)},
    }
    model = create_model("googlenet.torchvision", aux=True)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for words, change in cases.items():
        torch.save({**state, **change}, tmp_path / "bad.pth")
        with pytest.raises(DataError, match=re.escape(words)):
            load_weights(model, tmp_path / "bad.pth")
    torch.save({key: value for key, value in state.items() if key != "conv2.bn.weight"}, tmp_path / "bad.pth")
    with pytest.raises(DataError, match=r"has nothing for 'conv2\.norm\.weight'"):
        load_weights(model, tmp_path / "bad.pth")
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    with pytest.raises(
        DataError, match="holds googlenet.torchvision as torchvision names it, which is not inception_v4"
    ):
        load_weights(create_model("inception_v4", input_size=75), file)


class Evil:
    def __reduce__(self):
        return (os.system, ("echo code ran",))


def test_files_that_are_no_weights_are_refused_and_run_no_code(tmp_path, file, capfd):
    for name, content in {
        "evil.pth": pickle.dumps(Evil()), "empty.pth": b"", "text.pth": b"hello", "cut.pth": file.read_bytes()[:5000],
        "cut.safetensors": b"\x10\0\0\0\0\0\0\0{", "huge.safetensors": b"\xff" * 64,
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="cannot be read as weights"):
            read_state(tmp_path / name)
    torch.save(Evil(), tmp_path / "evil2.pth")
    with pytest.raises(DataError, match="cannot be read as weights"):
        read_state(tmp_path / "evil2.pth")
    for value, words in (([1, 2], "holds a list"), ({"a": 3}, "'a' is of the type int")):
        torch.save(value, tmp_path / "x.pth")
        with pytest.raises(DataError, match=words):
            read_state(tmp_path / "x.pth")
    with pytest.raises(DataError, match="none.pth does not exist"):
        read_state(tmp_path / "none.pth")
    assert "code ran" not in capfd.readouterr().out


def test_the_command(file, tmp_path, capsys):
    out = tmp_path / "ours.safetensors"
    main(["import-weights", str(file), "--into", "googlenet.torchvision", "--num-classes", "5", "-o", str(out)])
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == str(out)
    assert "new classifier" in printed[0]
    model = create_model("googlenet.torchvision", 5)
    assert load_weights(model, out).new == ()
    main(["import-weights", str(file), "--into", "googlenet", "--num-classes", "5", "-o", str(out), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["source"], found["network"], found["file"]) == ("torchvision", "googlenet.torchvision", str(out))
    assert found["new"] == ["classifier.linear.weight", "classifier.linear.bias"]
    assert {key.partition(".")[0] for key in found["dropped"]} == {"aux1", "aux2", "classifier"}
    assert len(found["loaded"]) == 342
    with pytest.raises(SystemExit) as stop:
        main(["import-weights", str(file), "--into", "inception_v3", "-o", str(out)])
    assert stop.value.code == 2
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["import-weights", str(file), "-o", str(out)])
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        f"error: import-weights needs --into: {file} fits googlenet.torchvision; --into googlenet.torchvision\n"
    )


def test_networks_that_a_file_fits(tmp_path):
    def named(name, theirs=None, classes=10):
        """Tensors without content, by a library's names or ours."""
        with torch.device("meta"):
            own = build(get_spec(name).with_classes(classes), init=None).state_dict()
        scheme = theirs or next(scheme for scheme in NAMED if re.match(scheme.member, get_spec(name).name))
        return {scheme.theirs(key): torch.zeros(()).expand(value.shape) for key, value in own.items()}

    def saved(state):
        torch.save(state, tmp_path / "some.pth")
        return tmp_path / "some.pth"

    v3 = named("inception_v3")
    assert match_networks(saved(v3)) == ("inception_v3.torchvision", "inception_v3.tf_slim", "inception_v3.fid")
    wrapped = {f"model.{key}": value for key, value in v3.items() if not key.startswith("fc")}
    assert match_networks(saved(wrapped | {"head.weight": torch.zeros(3, 2048)})) == match_networks(saved(v3))
    assert match_networks(saved(named("inception_next_tiny"))) == ("inception_next_tiny",)
    assert match_networks(saved(named("small_v3", OURS, 7))) == ("small_v3",)
    with pytest.raises(DataError, match=r"some.pth fits no network of the zoo; inceptionlab list shows"):
        match_networks(saved({f"layer.{i}": torch.zeros(3) for i in range(30)}))
