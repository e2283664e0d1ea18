import hashlib
import io
import json
import logging
import re
import zipfile
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import inceptionlab as il
from inceptionlab import (
    ConfigError,
    DataError,
    create_model,
    downloading,
    get_spec,
    list_pretrained,
    load_run,
    load_weights,
    predict,
)
from inceptionlab.cli import main
from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.data.stores.images import InMemory
from inceptionlab.weights import fetching
from inceptionlab.weights.fetching import weights_file
from inceptionlab.weights.named import GOOGLENET
from inceptionlab.zoo import published as table
from inceptionlab.zoo.imagenet import _names, imagenet_2015_classes, imagenet_classes, in_words
from inceptionlab.zoo.published import Published, find_published, is_published, published
from inceptionlab.zoo.registry import REGISTRY

from .web_server import serving

# What the sources' own files say: torchvision's enum, timm's configurations and results, pytorch-fid's release.
SPOT = {
    "inception_v3.torchvision@torchvision": (77.294, 93.45, "sha256:0cc3c7bd", 0.875, "bilinear", (0.5,) * 3),
    "googlenet.torchvision@torchvision": (69.778, 89.53, "sha256:1378be20", 0.875, "bilinear", (0.5,) * 3),
    "inception_v3.torchvision@timm/gluon_in1k": (78.806, 94.372, "", 0.875, "bicubic", (0.485, 0.456, 0.406)),
    "inception_resnet_v2.released@timm/tf_in1k": (80.434, 95.312, "sha256:dbea26b1", 0.8975, "bicubic", (0.5,) * 3),
    "xception65@timm/ra3_in1k": (83.186, 96.596, "", 0.94, "bicubic", (0.5,) * 3),
    "inception_next_base@timm/sail_in1k_384": (85.202, 97.424, "", 1.0, "bicubic", (0.485, 0.456, 0.406)),
    "inception_v3.fid@pytorch-fid": (None, None, "sha256:6726825d", 1.0, "bilinear", (0.5,) * 3),
    "bn_inception.caffe@cadene": (73.524, 91.562, "sha256:52deb4733", 0.875, "bilinear",
                                  (128 / 255, 117 / 255, 104 / 255)),
}  # fmt: skip


@pytest.fixture
def web(monkeypatch, tmp_path):
    monkeypatch.setenv("INCEPTIONLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(downloading, "PAUSE", 0.001)
    for name in ("INCEPTIONLAB_MIRROR", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with serving() as found:
        monkeypatch.setenv("INCEPTIONLAB_MIRROR", found.address)
        yield found


def stand_in(monkeypatch, row):
    """Put a row with the same name in the place of a published one."""
    rows = tuple(row if one.full == row.full else one for one in table.published())
    monkeypatch.setattr(table, "published", lambda: rows)
    return row


def changed(row, **more):
    from dataclasses import replace

    return replace(row, **more)


def as_torchvision(model):
    return {GOOGLENET.theirs(key): value for key, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """torchvision's GoogLeNet with random weights, and the file of it."""
    torch.manual_seed(3)
    model = create_model("googlenet.torchvision", aux=True).eval()
    place = tmp_path_factory.mktemp("theirs") / "theirs.pth"
    torch.save(as_torchvision(model), place)
    return model, place


@pytest.fixture
def served(web, monkeypatch, theirs):
    """That network, whose file is served in the place of the real one."""
    web.files["/googlenet-1378be20.pth"] = theirs[1].read_bytes()
    stand_in(monkeypatch, changed(find_published("googlenet@torchvision"), checksum=""))
    return theirs[0]


def photograph(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 280, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "cat.png")
    return tmp_path / "cat.png"


def test_every_row_is_for_a_form_and_says_where_it_was_read():
    assert len({row.full for row in published()}) == len(published())
    for row in published():
        assert row.form in REGISTRY
        assert row.read_in
        assert row.url.startswith(("https://", "http://", "hf:"))
        assert re.fullmatch(r"((sha256|sha1|md5):[0-9a-f]{8,64})?", row.checksum), row.full
        assert row.outputs in (1000, 1008, 8631, 10575)
        assert row.input.channels == 3
        spec = get_spec(row.form)
        if row.full == find_published(f"{row.form}@").full and row.form != "googlenet.paper":
            assert (row.input.height, row.input.crop) == (spec.input.height, spec.input.crop) or row.input.crop == 1.0
        digits = re.search(r"-([0-9a-f]{8,9})\.pth$", row.url)
        if digits and row.checksum.startswith("sha256"):
            assert row.checksum.removeprefix("sha256:").startswith(digits[1])


@pytest.mark.parametrize("name", SPOT)
def test_rows_are_what_the_sources_say(name):
    row = find_published(name)
    top1, top5, checksum, crop, interpolation, mean = SPOT[name]
    assert (row.top1, row.top5, row.input.crop, row.input.interpolation) == (top1, top5, crop, interpolation)
    assert row.input.mean == pytest.approx(mean)
    assert row.checksum.startswith(checksum)


def test_names_and_their_beginnings():
    assert find_published("inception_v3", True).full == "inception_v3.torchvision@torchvision"
    assert find_published("inception_v3@timm").full == "inception_v3.torchvision@timm/tf_in1k"
    assert find_published("inception_v3", "timm/tv_in1k").name == "timm/tv_in1k"
    assert find_published("xception@keras").full == "xception.keras@keras"
    assert find_published(Path("inception_v3@timm/tf_in1k")).name == "timm/tf_in1k"
    with pytest.raises(DataError, match=r"inception_v3 has no weights called 'timn/tf_in1k'; did you mean 'timm/tf_i"):
        find_published("inception_v3@timn/tf_in1k")
    with pytest.raises(
        DataError, match=r"published weights for inception_resnet_v1.paper; for other forms there are inc"
    ):
        find_published("inception_resnet_v1", True)
    with pytest.raises(DataError, match="published weights for small_v1; inceptionlab list --pretrained shows"):
        create_model("small_v1", pretrained=True)
    with pytest.raises(il.SpecError, match="did you mean 'inception_v3'"):
        find_published("inception_v33@timm")


def test_a_file_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_published("googlenet@torchvision")
    assert is_published(Path("inception_v3@timm/tf_in1k"))
    Path("googlenet@torchvision").touch()
    assert not is_published("googlenet@torchvision")
    assert not any(is_published(text) for text in ("runs/a", "googlenet", "a/b@c", "x.safetensors", 3))


def test_the_classes_of_imagenet():
    names = imagenet_classes()
    assert len(set(names)) == 1000
    assert (names[0], names[281], names[999]) == (
        "tench, Tinca tinca", "tabby, tabby cat", "toilet tissue, toilet paper, bathroom tissue",
    )  # fmt: skip
    assert in_words(("n02123045", "n01440764", "cat")) == ("tabby, tabby cat", "tench, Tinca tinca", "cat")


def test_the_graph_of_2015_has_the_classes_of_imagenet_in_another_order():
    names = imagenet_2015_classes()
    assert len(set(names)) == 1008
    assert set(imagenet_classes()) < set(names)
    assert [i for i, name in enumerate(names) if name == f"no class ({i})"] == [0, *range(1001, 1008)]
    known = {1: "kit fox", 169: "giant panda", 449: "tench", 450: "goldfish", 866: "military uniform", 1000: "dumbbell"}
    assert {place: names[place].partition(",")[0] for place in known} == known  # what users of the graph have seen
    entries = {297: "n03125729", 523: "n03196217", 720: "n03160309", 821: "n03207743", 881: "n03124170"}
    assert {place: names[place] for place in entries} == {i: _names("en")[n] for i, n in entries.items()}
    assert find_published("inception_v3.fid@pytorch-fid").class_names() == names


def test_classes_have_names_in_chinese():
    names = imagenet_classes("zh")
    assert len(set(names)) == 1000
    assert (names[0], names[281], names[388], names[999]) == ("丁鲷", "虎斑猫", "大熊猫", "卫生纸")
    assert list(_names("zh")) == list(_names("en"))
    assert il.translate_classes(["tabby, tabby cat", "n01440764", "my cat"], "zh") == ("虎斑猫", "丁鲷", "my cat")
    assert il.translate_classes(["tabby, tabby cat", "n01440764"]) == ("tabby, tabby cat", "tench, Tinca tinca")
    assert find_published("inception_v3@timm").class_names("zh") == names
    graph = find_published("inception_v3.fid@pytorch-fid").class_names(lang="zh")
    assert (graph[0], graph[169], graph[1007]) == ("无类别 (0)", "大熊猫", "无类别 (1007)")
    assert find_published("inception_resnet_v1.facenet@facenet/vggface2").class_names("zh")[7] == "7"
    with pytest.raises(ConfigError, match="lang='fr': .*en"):
        imagenet_classes("fr")


def test_sizes_are_exact_or_as_the_source_says():
    row = find_published("inception_v3.fid@pytorch-fid")
    assert (row.size, row.megabytes) == (95628359, 95.6)
    timm = find_published("inception_v3@timm")
    assert (timm.size, timm.megabytes) == (None, 95.5)
    assert row.as_record()["size"] == 95628359


def test_imagenets_folders_are_evaluated_by_their_words(served):
    numbers = tuple(_names("en"))
    images = torch.zeros(4, 256, 256, 3, dtype=torch.uint8)
    samples = Samples(InMemory(images), torch.tensor([0, 281, 999, 5]), numbers)
    found = il.evaluate("googlenet@torchvision", data=DataSet("val", samples, samples, samples))
    assert found.score.n == 4
    assert found.classes[281].label == "tabby, tabby cat"


def test_pretrained_is_downloaded_once_and_computes_what_its_source_does(web, served, tmp_path):
    ours = create_model("googlenet", pretrained=True).eval()
    row = find_published("googlenet@torchvision")
    assert ours.spec.input == changed(get_spec("googlenet").input, mean=(0.5,) * 3, std=(0.5,) * 3)
    assert ours.spec.input.crop == row.input.crop
    x = torch.rand(1, 3, 224, 224) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), served(x))
    assert torch.equal(create_model("googlenet@torchvision").conv1.conv.weight, served.conv1.conv.weight)
    assert len(web.requests) == 1
    assert (tmp_path / "home" / "weights" / "torchvision" / "googlenet-1378be20.pth").is_file()


def test_a_new_head_and_new_channels_are_said(served, caplog):
    with caplog.at_level(logging.WARNING, "inceptionlab"):
        model = create_model("googlenet", 7, in_channels=1, pretrained="torchvision")
    assert model.classifier.linear.weight.shape == (7, 1024)
    assert [record.getMessage() for record in caplog.records] == [
        "googlenet.torchvision@torchvision: torchvision: 342 tensors loaded; dropped aux1, aux2, classifier; "
        "new classifier"
    ]
    assert model.spec.input.channels == 1
    torch.testing.assert_close(
        model.inception5b.one.conv.weight, served.inception5b.one.conv.weight, msg="the trunk is theirs"
    )


def test_rules_and_auxiliary_heads_go_with_pretrained(served):
    with_aux = create_model("googlenet", pretrained=True, aux=True)
    torch.testing.assert_close(with_aux.aux1.fc1.linear.weight, served.aux1.fc1.linear.weight)
    smaller = create_model(get_spec("googlenet"), pretrained=True, input_size=96, stem="imagenet")
    assert smaller.spec.input.height == 96
    with pytest.raises(DataError, match=r"has no place in googlenet.torchvision . attend\(se"):
        create_model("googlenet | attend(se)", pretrained=True)


def test_a_backbone_has_the_weights_too(served):
    features = il.create_features("googlenet@torchvision", input_size=64, stem="imagenet")
    assert features.spec.input.mean == (0.5,) * 3
    own = served.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in features.state_dict().items())


def test_load_weights_takes_the_name(served):
    model = create_model("googlenet")
    account = load_weights(model, "googlenet@torchvision")
    assert str(account).startswith("torchvision: ")
    torch.testing.assert_close(model.inception3a.one.conv.weight, served.inception3a.one.conv.weight)


def test_commands_take_the_name(web, served, monkeypatch, tmp_path, capsys):
    image = photograph(tmp_path)
    monkeypatch.chdir(tmp_path)
    main(["predict", "googlenet@torchvision", str(image), "--top", "2", "--json"])
    found = json.loads(capsys.readouterr().out)[0]["top"]
    assert found[0]["label"] == imagenet_classes()[found[0]["index"]]
    main(["export", "googlenet@torchvision", "--to", "torch"])
    assert (tmp_path / "googlenet.torchvision.pt2").is_file()
    capsys.readouterr()
    main(["train", "--model", "googlenet", "--weights", "googlenet@torchvision", "--data", "digits", "--epochs", "1",
          "--limit-train", "40", "--limit-test", "20", "--input-size", "32", "--stem", "imagenet", "--device", "cpu",
          "--out", "run"])  # fmt: skip
    assert 'weights = "googlenet.torchvision@torchvision"' in Path("run/config.toml").read_text()
    assert len(web.requests) == 1


def test_predict_by_name_is_predict_by_file(served, theirs, tmp_path):
    image = photograph(tmp_path)
    by_name = predict(load_run("googlenet@torchvision"), [image])[0]
    main(
        [
            "import-weights",
            str(theirs[1]),
            "--into",
            "googlenet",
            "-o",
            str(tmp_path / "ours.safetensors"),
        ]
    )
    by_file = predict(tmp_path / "ours.safetensors", [image])[0]
    assert [one.index for one in by_name.top] == [one.index for one in by_file.top]
    assert by_name.top[0].probability == pytest.approx(by_file.top[0].probability, rel=1e-4)
    main(["import-weights", "googlenet@torchvision", "--into", "googlenet", "-o", str(tmp_path / "named.safetensors")])
    assert predict(tmp_path / "named.safetensors", [image])[0].label == by_name.label


def test_a_background_class_is_dropped(web, monkeypatch, tmp_path):
    monkeypatch.setattr(table, "published", lambda: rows)
    rows = (Published("googlenet.torchvision", "slim", "http://x/slim.pth", "", "here", get_spec("googlenet").input,
                      classes=1001),)  # fmt: skip
    torch.save(as_torchvision(create_model("googlenet", 1001)), tmp_path / "slim.pth")
    web.files["/slim.pth"] = (tmp_path / "slim.pth").read_bytes()
    trained = load_run("googlenet@slim")
    assert trained.classes == imagenet_classes()
    theirs = torch.load(tmp_path / "slim.pth", weights_only=True)
    torch.testing.assert_close(trained.network.classifier.linear.bias.data, theirs["fc.bias"][1:])


def test_a_member_of_an_archive_is_kept_under_its_name(web, tmp_path):
    row = find_published("bn_inception@pytorchcv")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(row.member, b"weights")
    web.files[f"/{row.member}.zip"] = (tmp_path / "a.zip").read_bytes()
    found = weights_file(changed(row, checksum=""))
    assert (found.name, found.read_bytes()) == (row.member, b"weights")


def test_without_a_network_it_is_said_what_to_put_where(web, monkeypatch, tmp_path):
    row = find_published("inception_v3@torchvision")
    target = tmp_path / "home" / "weights" / "torchvision" / "inception_v3_google-0cc3c7bd.pth"
    with pytest.raises(DataError) as error:
        weights_file(row)
    assert str(error.value).endswith(
        f"where there is no network, fetch {row.url} (108.9 MB) elsewhere and put it at {target}"
    )
    target.write_bytes(b"put there by hand")
    with pytest.raises(DataError, match="its makers publish 0cc3c7bd; remove it to have it fetched anew$"):
        weights_file(row)
    assert weights_file(changed(row, checksum="")) == target


def test_what_torch_hub_has_is_not_fetched_again(web, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    place = tmp_path / "torch" / "hub" / "checkpoints" / "inception_v3_google-0cc3c7bd.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"weights")
    row = changed(find_published("inception_v3@"), checksum=f"sha256:{hashlib.sha256(b'weights').hexdigest()[:8]}")
    assert weights_file(row) == place
    place.write_bytes(b"others")
    with pytest.raises(DataError, match="the server says 404"):
        weights_file(row)


@pytest.fixture
def hub(web, monkeypatch, tmp_path):
    """The stand-in as the Hugging Face hub."""
    monkeypatch.delenv("INCEPTIONLAB_MIRROR")
    monkeypatch.setenv("HF_ENDPOINT", web.address)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    web.files["/timm/xception41.tf_in1k/resolve/main/model.safetensors"] = b"weights"
    yield web
    huggingface_hub.close_session()


def test_the_hub_by_its_library(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    row = find_published("xception41@timm")
    assert weights_file(row).read_bytes() == b"weights"
    files = [headers for path, headers in hub.requests if path.endswith("model.safetensors")]
    assert {headers["authorization"] for headers in files} == {"Bearer secret"}
    with pytest.raises(DataError, match="its makers publish 00"):
        weights_file(changed(row, checksum="sha256:00"))
    with pytest.raises(
        DataError, match=r"xception71.tf_in1k/resolve/main/model.safetensors could not be downloaded.*put"
    ):
        weights_file(find_published("xception71@timm"))


def test_without_a_network_the_hubs_library_is_quoted_briefly(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError) as error:
        weights_file(find_published("xception41@timm"))
    address = "http://127.0.0.1:9/timm/xception41.tf_in1k/resolve/main/model.safetensors"
    target = tmp_path / "home" / "weights" / "timm" / "xception41.tf_in1k.safetensors"
    assert str(error.value) == (
        f"{address} could not be downloaded: [Errno 111] Connection refused; where there is no network, fetch "
        f"{address} (108 MB) elsewhere and put it at {target}"
    )


def test_a_hub_that_is_out_of_reach_is_not_waited_for(hub, monkeypatch, tmp_path):
    row = find_published("xception41@timm")
    had = weights_file(row)
    hub.requests.clear()

    def no_network(*_):
        raise OSError("Name or service not known")

    monkeypatch.setattr(fetching, "getaddrinfo", no_network)
    monkeypatch.setattr(fetching, "getproxies", lambda: {"no": "localhost"})
    assert weights_file(row) == had  # from the library's cache
    with pytest.raises(DataError) as error:
        weights_file(find_published("xception71@timm"))
    assert "could not be downloaded: there is no way to 127.0.0.1; where there is no network, fetch http" in str(
        error.value
    )
    assert str(error.value).endswith(f"put it at {tmp_path}/home/weights/timm/xception71.tf_in1k.safetensors")
    assert hub.requests == []


def test_a_proxy_looks_the_hub_up_itself(hub, monkeypatch):
    def no_network(*_):
        raise OSError("Name or service not known")

    monkeypatch.setattr(fetching, "getproxies", lambda: {"https": "http://proxy:3128"})
    with monkeypatch.context() as patch:
        patch.setattr(fetching, "getaddrinfo", no_network)
        assert weights_file(find_published("xception41@timm")).read_bytes() == b"weights"


def test_the_hub_without_its_library(hub, monkeypatch, tmp_path):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(fetching, "import_module", missing)
    monkeypatch.setenv("HF_TOKEN", "secret")
    found = weights_file(find_published("xception41@timm"))
    assert found == tmp_path / "home" / "weights" / "timm" / "xception41.tf_in1k.safetensors"
    assert found.read_bytes() == b"weights"
    assert hub.requests[0][1]["Authorization"] == "Bearer secret"


def test_the_list_fits_a_terminal(monkeypatch):
    from inceptionlab.cli import network_tables

    for width in (80, 100, 130):
        shown = io.StringIO()
        console = Console(file=shown, width=width, force_terminal=True, color_system=None)
        monkeypatch.setattr(network_tables, "Console", lambda console=console, **_: console)
        network_tables.print_published(list_pretrained())
        lines = shown.getvalue().splitlines()
        assert len(lines) == len(list_pretrained()) + 1
        assert max(map(len, lines)) <= width
        assert all(row.full in line for row, line in zip(list_pretrained(), lines[1:], strict=True))
        assert ("licence" in lines[0]) == (width >= 120)


def test_the_list(capsys):
    main(["list", "--pretrained", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert {
        "name",
        "form",
        "source",
        "url",
        "size",
        "megabytes",
        "sha256",
        "licence",
        "top1",
        "paper",
        "read_in",
    } <= set(rows[0])
    assert [row["name"] for row in rows] == [row.full for row in list_pretrained()]
    main(["list", "inception_v3", "--pretrained"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:3] == ["inception_v3.torchvision@torchvision", "77.294", "93.45"]
    assert all("inception_v3.torchvision@" in line for line in lines[1:])
    main(["list", "--pretrained"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 120
    main(["list", "inception_v3", "--pretrained", "--markdown"])
    lines = capsys.readouterr().out.splitlines()
    row = find_published("inception_v3@timm/tv_in1k")
    assert {line.count("|") for line in lines} == {11}
    assert next(line for line in lines if "tv_in1k" in line).split(" | ")[-2:] == [row.checksum, f"{row.url} |"]
    main(["list", "inception_v3", "--pretrained", "--markdown", "--lang", "zh"])
    assert capsys.readouterr().out.startswith("| 名称 |")
    with pytest.raises(DataError, match="no published weights match 'smal'"):
        list_pretrained("smal")
