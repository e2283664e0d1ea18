"""`explain` from a file of weights and images to a page, and all that can be wrong with what it is given."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import inceptionlab as il
from inceptionlab.cli import main
from inceptionlab.explaining.explanation import Attribution
from inceptionlab.spec.codec import to_json
from inceptionlab.storage import write_tensors

METHODS = ("grad-cam", "integrated-gradients")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small network in a file, as import-weights writes them."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("explain")
    network = il.create_model("small_fast | widen(0.25)", 3, input_size=32)
    write_tensors(folder / "net.safetensors", network.state_dict(),
                  {"spec": to_json(network.spec), "classes": ["ants", "bees", "<wasps>"]})  # fmt: skip
    for i in range(2):
        pixels = np.random.default_rng(i).integers(0, 255, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i} & co.png")
    (folder / "corrupt.png").write_bytes((folder / "0 & co.png").read_bytes()[:900])
    return folder / "net.safetensors"


def call(capsys, *words):
    """(exit code, standard output, standard error) of a command."""
    try:
        main([str(word) for word in words])
        code = 0
    except SystemExit as stop:
        code = stop.code
    return code, *capsys.readouterr()


def test_maps_are_arrays_of_the_inputs_size(weights):
    folder = weights.parent
    found = il.attribute(weights, [folder / "0 & co.png", Image.open(folder / "1 & co.png")], "layer-cam")
    assert [one.map.shape for one in found] == [(32, 32)] * 2
    assert {one.node for one in found} == {"module5"}
    top = il.predict(weights, [folder / "0 & co.png"])[0].top[0]
    assert (found[0].label, found[0].target) == (top.label, top.index)
    assert found[0].probability == pytest.approx(top.probability, abs=1e-6)
    (bees,) = il.attribute(weights, folder / "0 & co.png", target="bees", node="module3")
    assert (bees.label, bees.target, bees.node) == ("bees", 1, "module3")
    trained = il.load_run(weights)
    (same,) = il.attribute(trained.network, folder / "0 & co.png", target=1, node="module3")
    np.testing.assert_array_equal(same.map, bees.map)


def test_a_module_of_ones_own_takes_tensors():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    (found,) = il.attribute(network, torch.randn(1, 3, 9, 9), node="1")
    assert found.map.shape == (9, 9)
    assert found.grid == (7, 7)
    with pytest.raises(il.DataError, match="Sequential does not say how images become its inputs; give a tensor"):
        il.attribute(network, np.zeros((9, 9, 3), np.uint8), node="1")
    with pytest.raises(il.DataError, match="Sequential does not say how images become its inputs"):
        il.explain_predictions(network, torch.randn(1, 3, 9, 9))


def test_colours_say_for_and_against():
    pixels = np.full((8, 8, 3), 128, np.uint8)
    values = np.zeros((8, 8), np.float32)
    values[:4, :4], values[4:, 4:] = 1, -1
    image = np.asarray(il.overlay(pixels, values), np.int64)
    assert image.shape == (224, 224, 3)
    red, green, blue = image[40, 40]
    assert red > green > blue
    red, green, blue = image[190, 190]
    assert blue > green > red
    assert len(set(image[40, 190])) == 1
    flat = Attribution(np.zeros((8, 8), np.float32), "grad-cam", "x", (2, 2), 0, "a", 0.5)
    assert np.ptp(np.asarray(il.overlay(pixels[..., :1], flat))) == 0


def test_the_page_holds_everything_and_loads_nothing(weights, capsys):
    folder, page = weights.parent, weights.parent / "page.html"
    options = [word for method in METHODS for word in ("--method", method)]
    image = folder / "0 & co.png"
    code, out, _ = call(capsys, "explain", weights, image, *options, "--target", "<wasps>", "--scores", "-o", page)
    assert code == 0
    assert str(page) in out
    assert "grad-cam of <wasps> at module5 (4 x 4): " in out
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"<script|https?://(?!www\.w3\.org)|<link|url\((?!#)", text)
    assert "<wasps>" not in text
    assert "&lt;wasps&gt;" in text
    assert text.count('<img alt="grad-cam for') == 1
    assert text.count('class="badge') == 2
    assert "Deletion takes the pixels away" in text
    assert "--method integrated-gradients --target" in text
    assert "prefers-color-scheme: dark" in text


def test_programs_get_numbers(weights, capsys):
    image = weights.parent / "0 & co.png"
    code, out, _ = call(capsys, "explain", weights, image, "--json")
    (found,) = json.loads(out)["images"]
    assert code == 0
    assert found["top"][0]["label"] == found["maps"][0]["label"]
    assert sum(one["probability"] for one in found["top"]) == pytest.approx(1, abs=1e-5)
    assert "verdict" not in found["maps"][0]
    record = il.explain_predictions(weights, image, il.Question(scores=True)).as_record()
    scored = json.loads(json.dumps(record))["images"][0]["maps"][0]
    assert scored["grid"] == [4, 4]
    assert 0 <= scored["deletion"] <= 1
    assert {"insertion", "p", "random_weights", "holds", "verdict"} <= set(scored)


def test_branches_need_data_and_no_image(weights, tmp_path, capsys):
    for label in ("<wasps>", "ants", "bees"):
        (tmp_path / label).mkdir()
        for i in range(5):
            Image.fromarray(np.full((32, 32, 3), 40 * i, np.uint8)).save(tmp_path / label / f"{label}{i}.png")
    network = il.load_run(weights).network
    trained = il.Trained(network, ("<wasps>", "ants", "bees"))
    found = il.explain_predictions(trained, [], il.Question(branches=True, data=str(tmp_path), limit=3))
    assert found.images == ()
    assert {one["module"] for one in found.as_record()["branches"]["branches"]} == {f"module{i}" for i in range(1, 6)}
    page = found.to_html()
    assert "Which branch does the work" in page
    assert "3 images: test of" in page
    code, _, err = call(capsys, "explain", weights, "--data", tmp_path)
    assert code == 2
    assert "is what --branches looks with; add --branches" in err


def test_pixels_are_those_that_the_network_sees(weights):
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    network = il.create_model("small_fast | widen(0.25)", 3, input_size=32)
    found = il.explain_predictions(network, pixels)
    assert found.images[0].name == "image 0"
    assert found.images[0].pixels.shape == (32, 32, 3)
    assert np.abs(found.images[0].pixels.astype(int) - pixels).mean() < 30  # resized for the crop and back
    assert "<iframe srcdoc=" in found._repr_html_()


@pytest.mark.parametrize(("words", "says"), [
    (["IMAGE", "--method", "gradcam"], "grad-cam"),
    (["--branches"], "these weights come without data; say with --data which images to look with"),
    (["IMAGE", "--node", "modul5"], "has no node 'modul5'; did you mean 'module5'"),
    (["IMAGE", "--node", "fc"], "name a node before it"),
    (["IMAGE", "--target", "bee"], "knows no class 'bee'; did you mean 'bees'"),
    (["IMAGE", "--target", "3"], "there is no class 3; the network has the classes 0 to 2"),
    (["IMAGE", "-o", "page.pdf"], "give a name that ends in .html"),
    (["MISSING"], "missing.png"),
    (["CORRUPT"], "corrupt.png"),
    ([], "no image was given"),
])  # fmt: skip
def test_bad_input_is_a_sentence_and_exit_code_2(weights, capsys, monkeypatch, words, says):
    folder = weights.parent
    monkeypatch.chdir(folder)
    places = {"IMAGE": "0 & co.png", "MISSING": "missing.png", "CORRUPT": "corrupt.png"}
    code, out, err = call(capsys, "explain", weights, *(places.get(word, word) for word in words))
    assert code == 2
    assert out == ""
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_what_gives_no_gradients_or_has_no_weights_is_refused(tmp_path, capsys):
    (tmp_path / "net.onnx").write_bytes(b"")
    code, _, err = call(capsys, "explain", tmp_path / "net.onnx", "cat.png")
    assert code == 2
    assert "is an exported file, whose engine gives no gradients; explain the run that it came from" in err
    code, _, err = call(capsys, "explain", tmp_path / "nothing", "cat.png")
    assert code == 2
    assert "nothing" in err


def test_branches_are_shown_without_images_and_in_json(weights, capsys, tmp_path):
    code, out, _ = call(capsys, "explain", weights, "--branches", "--data", "digits", "-o", tmp_path / "page.html")
    assert code == 2  # grey digits of ten classes
    for kind in ("ants", "bees", "<wasps>"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for i in range(6):
            pixels = np.random.default_rng(i).integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / kind / f"{kind[1:3]}{i}.png")
    words = ("explain", weights, "--branches", "--data", tmp_path / "data", "--limit", 2)
    code, out, _ = call(capsys, *words, "-o", tmp_path / "page.html")
    assert code == 0
    assert "module3.three" in out
    assert "theoretical" in out
    page = (tmp_path / "page.html").read_text()
    for said in ("right of 2 images: test of", "What the branches of module3 see", "8 of 8 filters"):
        assert said in page
    code, out, _ = call(capsys, *words, "--node", "module2", "--json")
    found = json.loads(out)["branches"]
    assert found["node"] == "module2"
    assert [one["name"] for one in found["branches"] if one["module"] == "module2"] == ["one", "three", "pool"]
    for wrong, said in (((*words, "--node", "modul2"), "did you mean 'module2'"),
                        (("explain", weights, "--branches", "--limit", 0), "1"),
                        (("explain", weights, "--branches"), "say with --data which images to look with"),
                        (("explain", weights, "--data", "digits"), "add --branches")):  # fmt: skip
        code, _, err = call(capsys, *wrong)
        assert code == 2
        assert said in err
