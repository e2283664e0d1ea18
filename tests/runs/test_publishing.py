import hashlib
import json
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch

from inceptionlab import ConfigError, DataError, MissingExtra, RunError, load_run, load_weights, predict, push
from inceptionlab.cli import main
from inceptionlab.weights import fetching

from .model_hub import serving

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of the hub's library, to its own


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("pushed") / "run"
    main(["train", "--model", "small_fast", "--data", "digits", "--epochs", "1", "--limit-train", "60", "--limit-test",
          "30", "--device", "cpu", "--out", str(place)])  # fmt: skip
    return place


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "secret")
    with serving("secret") as (address, repositories):
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield address, repositories
        huggingface_hub.close_session()


def test_a_run_goes_to_the_hub_and_comes_back(run, hub, capsys):
    address, repositories = hub
    main(["push", str(run), "hf:me/digits", "--licence", "apache-2.0", "--json"])
    assert json.loads(capsys.readouterr().out) == {"address": f"{address}/me/digits", "name": "hf:me/digits"}
    files = repositories["me/digits"]
    assert set(files) == {"README.md", "config.json", "config.toml", "spec.json", "classes.json", "model.safetensors",
                          "test.json"}  # fmt: skip
    there, here = load_run("hf:me/digits"), load_run(run)
    assert there.classes == here.classes
    assert there.setup == here.setup
    account = load_weights(here.network, "hf:me/digits")
    assert (account.source, account.new) == ("InceptionLab", ())
    main(["export", "hf:me/digits", "--to", "torch", "-o", str(run.parent / "exported.pt2")])
    assert (run.parent / "exported.pt2").is_file()
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    x = here.preprocess.prepare(image if here.network.spec.input.channels == 3 else image[..., 0])
    with torch.inference_mode():
        assert torch.equal(there.run(x), here.run(x))
    assert predict("hf:me/digits", [image[..., 0]])[0].label in here.classes


def test_weights_go_to_the_storage_of_large_files(run, hub, monkeypatch):
    address, repositories = hub
    content = (run / "model.safetensors").read_bytes()
    push(run, "hf:me/large")
    assert repositories["storage"] == {hashlib.sha256(content).hexdigest(): content}
    assert repositories["me/large"]["model.safetensors"] == content
    push(run, "hf:me/again")  # what the storage has is not sent a second time
    assert repositories["me/again"]["model.safetensors"] == content
    repositories["storage"].clear()
    repositories["refused"]["all"] = b""
    with pytest.raises(
        RunError, match=rf"could not be pushed to {address}/me/third: .*model.safetensors.*403.*HF_TOKEN"
    ):
        push(run, "hf:me/third")
    assert "model.safetensors" not in repositories["me/third"]


def test_the_card_says_what_it_is(run, hub):
    push(run, "hf:me/digits", licence="mit")
    card = hub[1]["me/digits"]["README.md"].decode()
    score = json.loads((run / "test.json").read_text())
    assert card.startswith("---\nlibrary_name: inceptionlab\n")
    for words in ("license: mit", "# digits", "`digits` with seed 0, for 1 epoch;", "trial on a part of the data",
                  f"{score['top1']:.2%}** (95 % interval {score['top1_low']:.2%} to {score['top1_high']:.2%}, 30 i",
                  'il.load_run("hf:me/digits")'):  # fmt: skip
        assert words in card
    about = json.loads(hub[1]["me/digits"]["config.json"])
    assert (about["architecture"], about["num_classes"]) == ("small_fast", 10)


def test_nothing_of_the_machine_is_told(run, hub, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    text = (copy / "config.toml").read_text().replace('data = "digits"', 'data = "/home/me/secret/birds"')
    (copy / "config.toml").write_text(text.replace('weights = ""', 'weights = "/home/me/w.pth"'))
    push(copy, "hf:me/birds")
    files = hub[1]["me/birds"]
    assert all(b"/home/me" not in content for content in files.values())
    assert "beginning with the weights w.pth" in files["README.md"].decode()


def test_what_cannot_be_pushed_or_loaded(run, hub, monkeypatch, tmp_path):
    with pytest.raises(RunError, match="is no finished run"):
        push(tmp_path, "hf:me/x")
    for name in ("me/x", "hf:x", "hf:a/b/c"):
        with pytest.raises(ConfigError, match="write hf:OWNER/NAME"):
            push(run, name)
    with pytest.raises(DataError, match=r"/me/nothing/resolve/main/config.toml could not be downloaded"):
        load_run(Path("hf:me/nothing"))
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(RunError, match="could not be pushed to .*/me/x: .*401.*; HF_TOKEN must hold a token"):
        push(run, "hf:me/x")

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(fetching, "import_module", missing)
    with pytest.raises(MissingExtra, match=r"huggingface_hub, which .*\[hub\]"):
        load_run("hf:me/digits")
