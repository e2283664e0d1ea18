"""People's own models: a network with a head of theirs, behind the names of wrappers."""

import io
import json
import zipfile

import h5py
import pytest
import torch

from inceptionlab import DataError, create_model, load_weights
from inceptionlab.weights.named import INCEPTION_V3, XCEPTION
from inceptionlab.weights.readers.reading import read_state
from inceptionlab.weights.unwrapping import OURS, unwrapped

from .test_formats import keras_layers

HEAD = {"dense": {"kernel": torch.ones(2048, 8), "bias": torch.ones(8)},
        "dense_1": {"kernel": torch.ones(8, 3), "bias": torch.ones(3)}}  # fmt: skip


@pytest.fixture(scope="module")
def own():
    return {key: torch.ones(1) for key in create_model("inception_v3").state_dict()}


@pytest.fixture(scope="module")
def theirs(own):
    return {INCEPTION_V3.theirs(key): torch.full((1,), float(i)) for i, key in enumerate(own)}


@pytest.mark.parametrize(
    ("before", "beside", "inside"),
    [
        ("", {}, ""),
        ("model.", {"criterion.weight": torch.ones(3)}, "model"),
        ("_orig_mod.", {}, "_orig_mod"),
        ("ema_model.", {"n_averaged": torch.ones(1)}, "ema_model"),
        ("model._orig_mod.", {"head.0.weight": torch.ones(3, 8), "head.0.bias": torch.ones(3)}, "model._orig_mod"),
        ("model.backbone.", {"model.head.weight": torch.ones(3, 8)}, "model.backbone"),
    ],
)
def test_names_before_a_networks_own_are_taken_off(own, theirs, before, beside, inside):
    found = unwrapped({f"{before}{key}": value for key, value in theirs.items()} | beside, own)
    assert (found.scheme, found.inside, found.beside) == (INCEPTION_V3, inside, tuple(beside))
    assert found.state == theirs


def test_averaged_weights_go_before_others(own, theirs):
    both = {f"model.{key}": value for key, value in theirs.items()}
    both |= {f"ema_model.module.{key}": 2 * value for key, value in theirs.items()}
    found = unwrapped(both, own)
    assert found.inside == "ema_model.module"
    assert found.state["fc.bias"] == 2 * theirs["fc.bias"]
    assert len(found.beside) == len(theirs)


def test_our_names_are_found_too_and_what_is_nobodys_is_left_alone(own):
    found = unwrapped({f"net.{key}": value for key, value in own.items()}, own)
    assert (found.scheme, found.inside) == (OURS, "net")
    strange = {f"a.layer{i}.weight": torch.ones(1) for i in range(50)}
    assert unwrapped(strange, own).state is strange


def test_another_network_is_not_taken_for_ours(own):
    named = {XCEPTION.theirs(key): torch.ones(1) for key in create_model("xception").state_dict()}
    assert unwrapped({f"model.{key}": value for key, value in named.items()}, own).scheme is XCEPTION


def test_a_network_with_a_head_of_ones_own_loads(tmp_path):
    torch.manual_seed(1)
    source = create_model("small_v1", 5)
    state = {key: value for key, value in source.state_dict().items() if not key.startswith("fc")}
    state |= {"classifier.0.weight": torch.ones(8, 4), "classifier.3.weight": torch.ones(2, 8)}
    lightning = {"epoch": 3, "state_dict": {f"model.{key}": value for key, value in state.items()}}
    torch.save(lightning, tmp_path / "last.ckpt")
    model = create_model("small_v1", 2)
    account = load_weights(model, tmp_path / "last.ckpt")
    assert str(account).startswith(
        f"InceptionLab, in 'model': {len(account.loaded)} tensors loaded; dropped classifier; "
    )
    assert account.new
    assert all(key.startswith(model.spec.head.children[-1][0]) for key in account.new)


@pytest.mark.parametrize("name", ["state_dict_ema", "model_ema", "model_state_dict", "model", "net", "state_dict"])
def test_tables_of_a_trainings_state(tmp_path, name):
    torch.save({name: {"module.a.weight": torch.ones(2)}, "optimizer": {"state": {}}, "epoch": 2}, tmp_path / "c.pth")
    assert list(read_state(tmp_path / "c.pth")) == ["a.weight"]


# ---- Keras: Inception-v3 as a layer of a model, or with layers put behind it.
def write(file, layers, names=True):
    """The groups of Keras 3: the class of a layer, counted; its variables by number; layers of layers."""
    counts = {}
    for layer, variables in layers:
        kind = layer.rstrip("0123456789").rstrip("_")
        kind = {"inception_v": "functional", "predictions": "dense"}.get(kind, kind)
        number = counts[kind] = counts.get(kind, -1) + 1
        group = file.create_group(f"layers/{kind}_{number}" if number else f"layers/{kind}")
        if isinstance(variables, list):
            write(group, variables, names)
        vars_ = group.create_group("vars")
        if names:
            vars_.attrs["name"] = layer
        for i, value in enumerate(variables.values() if isinstance(variables, dict) else ()):
            vars_.create_dataset(str(i), data=value.numpy())


def config(layers):
    kinds = {"conv": "Conv2D", "batc": "BatchNormalization", "dens": "Dense", "pred": "Dense", "ince": "Functional"}
    return {"class_name": "Functional", "config": {"layers": [
        {"class_name": kinds[layer[:4]],
         "config": {"name": layer} | (config(variables)["config"] if isinstance(variables, list) else {})}
        for layer, variables in layers
    ]}}  # fmt: skip


@pytest.fixture(scope="module")
def v3():
    torch.manual_seed(3)
    return create_model("inception_v3.tf_slim", 10).eval()


def written(folder, kind, layers):
    """A file of a model: .keras with or without the names of layers, .weights.h5, or the older .h5."""
    content, path = io.BytesIO(), folder / f"mine{kind.partition(' ')[0]}"
    with h5py.File(content, "w") as file:
        if kind == ".h5":
            for layer, variables in layers:
                inner = variables if isinstance(variables, list) else [(layer, variables)]
                group = file.create_group(f"model_weights/{layer}")
                group.attrs["weight_names"] = [f"{name}/{leaf}" for name, part in inner for leaf in part]
                for name, part in inner:
                    for leaf, value in part.items():
                        group.create_dataset(f"{name}/{leaf}", data=value.numpy())
        else:
            write(file, layers, names="without" not in kind)
    if not kind.startswith(".keras"):
        path.write_bytes(content.getvalue())
        return path
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config(layers)))
        archive.writestr("model.weights.h5", content.getvalue())
    return path


KINDS = [".keras", ".keras without names", ".weights.h5", ".h5"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nested", [True, False])
def test_a_keras_model_around_a_backbone_gives_the_backbone(v3, tmp_path, kind, nested):
    trunk = [(layer, variables) for layer, variables in keras_layers(v3) if layer != "predictions"]
    layers = [("inception_v3", trunk)] if nested else trunk
    path = written(tmp_path, kind, [*layers, *HEAD.items()])
    model = create_model("inception_v3.tf_slim", 3).eval()
    account = load_weights(model, path)
    where = ", in 'inception_v3'" if nested else ""
    assert str(account) == f"Keras{where}: 470 tensors loaded; dropped dense, dense_1; new fc"
    torch.testing.assert_close(
        model.state_dict()["mixed7c.one.conv.weight"],
        v3.state_dict()["mixed7c.one.conv.weight"],
    )


def test_weights_of_layers_without_names_need_the_config(v3, tmp_path):
    with h5py.File(tmp_path / "mine.weights.h5", "w") as file:
        write(file, list(keras_layers(v3))[:2], names=False)
    with pytest.raises(DataError, match="does not say how its layers are called"):
        read_state(tmp_path / "mine.weights.h5")
