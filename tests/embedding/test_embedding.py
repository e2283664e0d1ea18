"""Features of images from a run to a file and back, and what `similar` finds: by functions and by commands."""

import io
import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import inceptionlab as il
from inceptionlab import ConfigError, DataError, SpecError
from inceptionlab.cli import main
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.embedding import extraction
from inceptionlab.embedding.files import is_embeddings
from inceptionlab.runs import embedding as runs
from inceptionlab.spec.codec import to_json
from inceptionlab.storage import write_tensors

SPEC = il.get_spec("small_fast | widen(0.25)").resized(24)


@pytest.fixture(scope="module")
def network():
    return il.build(SPEC, seed=0).eval()


@pytest.fixture(scope="module")
def run(network, tmp_path_factory):
    """A file of weights that knows its network."""
    path = tmp_path_factory.mktemp("runs") / "small.safetensors"
    write_tensors(path, network.state_dict(), {"spec": to_json(network.spec)})
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Nine images, the last a copy of the fifth."""
    place, drawn = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for i in range(8):
        image = drawn.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(image).resize((30 + i, 40)).save(place / f"{i}.png")
    (place / "copy.png").write_bytes((place / "4.png").read_bytes())
    return place


@pytest.fixture(autouse=True)
def _a_cache_of_each_test(tmp_path, monkeypatch):
    monkeypatch.setenv("INCEPTIONLAB_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def found(network, folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INCEPTIONLAB_HOME", str(tmp_path_factory.mktemp("home")))
        return il.embed(network, folder)


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as leaving:
        main([*map(str, arguments)])
    assert leaving.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("node", [None, "module2.three", "fc"])
def test_features_are_those_of_the_plain_network(network, folder, node):
    seen = []
    hooked = network.get_submodule(node or "avgpool").register_forward_hook(lambda _, __, out: seen.append(out))
    files, prepare = sorted(folder.iterdir()), Preprocess(SPEC.input).prepare
    with torch.no_grad():
        network(torch.cat([prepare(file) for file in files]))
    hooked.remove()
    wanted = seen[0].mean((2, 3)) if seen[0].ndim == 4 else seen[0]
    found = il.embed(network, folder, node)
    assert found.where == tuple(map(str, files))
    assert found.features.dtype == np.float32
    np.testing.assert_allclose(found.features, wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))
    assert (found.origin.node, found.origin.network) == (node or "avgpool", SPEC.title)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_lower_precisions_are_near(network, folder, found, precision):
    low = il.embed(network, folder, settings=il.Computation(precision))
    error = np.linalg.norm(low.features - found.features) / np.linalg.norm(found.features)
    assert 0 < error < 0.03
    assert low.identity == found.identity
    assert il.similar(folder / "3.png", low, network, top=1).queries[0].nearest[0].name.endswith("3.png")


def test_the_network_is_not_changed(folder):
    model = il.build(SPEC, seed=0).train()
    il.embed(model, folder / "1.png")
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".parquet"])
def test_files_go_both_ways(found, tmp_path, ending):
    path = tmp_path / f"a{ending}"
    il.save_embeddings(found, path)
    again = il.read_embeddings(path)
    np.testing.assert_array_equal(again.features, found.features)
    assert (again.where, again.origin, again.identity) == (found.where, found.origin, found.identity)
    assert is_embeddings(path)
    assert not [*tmp_path.glob(".*")]


def test_other_programs_read_the_files(found, tmp_path):
    import pyarrow.parquet
    import safetensors.numpy

    for ending in (".npz", ".safetensors", ".parquet"):
        il.save_embeddings(found, tmp_path / f"a{ending}")
    with np.load(tmp_path / "a.npz") as file:
        np.testing.assert_array_equal(file["features"], found.features)
        assert file["names"].tolist() == list(found.where)
        assert json.loads(str(file["inceptionlab"]))["node"] == "avgpool"
    tensors = safetensors.numpy.load_file(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(tensors["features"], found.features)
    assert json.loads(tensors["names"].tobytes()) == list(found.where)
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    np.testing.assert_array_equal(np.stack(table["features"].to_numpy()), found.features)
    assert table["names"].to_pylist() == list(found.where)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_tables_of_others_are_read(network, folder, found, tmp_path, save):
    save(tmp_path / "a.npz", features=found.features.astype(np.float64), names=np.array(found.where))
    again = il.read_embeddings(tmp_path / "a.npz")
    np.testing.assert_array_equal(again.features, found.features)
    assert (again.origin, again.identity) == (None, "")
    assert il.similar(folder / "2.png", again, network, 1).queries[0].nearest[0].distance < 1e-9
    with pytest.raises(ConfigError, match="do not say where their network is; name it by --run"):
        il.similar(folder / "2.png", tmp_path / "a.npz")


def test_what_is_read_is_mapped(found, tmp_path):
    il.save_embeddings(found, tmp_path / "a.npz")
    assert isinstance(il.read_embeddings(tmp_path / "a.npz").features, np.memmap)


def test_the_commands_find_a_copy(capsys, run, folder, tmp_path):
    main(["embed", str(run), str(folder), "-o", str(tmp_path / "a.npz")])
    width = il.measure(SPEC).children[-2].output[0]
    assert capsys.readouterr().out == f"{tmp_path}/a.npz: 9 x {width} features, avgpool of {SPEC.title} ({run})\n"
    query = str(folder / "4.png")
    main(["similar", query, "--among", str(tmp_path / "a.npz"), "--top", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [query, f"         0  {folder}/4.png", f"         0  {folder}/copy.png"]
    main(["similar", query, "--among", str(folder), "--run", str(run), "--metric", "euclidean", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in told["nearest"][:2]] == [f"{folder}/4.png", f"{folder}/copy.png"]
    assert (told["name"], len(told["nearest"]), told["metric"]) == (query, 5, "euclidean")


def test_the_page_shows_the_images(capsys, run, folder, tmp_path):
    page = tmp_path / "page.html"
    main(["similar", str(folder), "--among", str(folder), "--run", str(run), "--top", "3", "-o", str(page)])
    text = page.read_text()
    assert text.count("<img") == 9 * 4
    assert "http" not in text.replace("http-equiv", "")
    assert capsys.readouterr().out.endswith(f"{page}\n")
    assert "ends in .html" in refused(capsys, "similar", folder, "--among", folder, "--run", run, "-o", "a.png")


def test_unreadable_images_are_left_out_and_named(capsys, run, folder, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    out = tmp_path / "a.safetensors"
    given = [folder / "1.png", tmp_path / "bad.png", tmp_path / "none.png", folder / "2.png"]
    for _ in range(2):  # the second time the others come from the cache
        with pytest.raises(SystemExit) as leaving:
            main(["embed", *map(str, (run, *given, "-o", out, "--json"))])
        told = capsys.readouterr()
        assert leaving.value.code == 1
        assert (json.loads(told.out)["n"], len(json.loads(told.out)["unreadable"])) == (2, 2)
        assert f"left out: {tmp_path}/bad.png cannot be read as an image" in told.err
        assert f"left out: {tmp_path}/none.png does not exist" in told.err
    assert il.read_embeddings(out).where == (str(folder / "1.png"), str(folder / "2.png"))
    np.testing.assert_array_equal(il.read_embeddings(out).features, il.embed(run, [given[0], given[3]]).features)
    assert "none of the images can be read" in refused(capsys, "embed", run, given[1], "-o", out)
    with pytest.raises(SystemExit) as leaving:
        main(["similar", *map(str, given), "--among", str(out)])
    assert leaving.value.code == 1


def test_an_image_that_can_be_read_again_is(network, folder, tmp_path):
    (tmp_path / "a.png").write_bytes(b"nothing")
    given = [folder / "1.png", tmp_path / "a.png"]
    assert len(il.embed(network, given).unreadable) == 1
    (tmp_path / "a.png").write_bytes((folder / "1.png").read_bytes())
    assert len(il.embed(network, given)) == 2


def test_features_of_another_network_are_refused(capsys, run, network, folder, found, tmp_path):
    other = il.build(SPEC, seed=1).eval()
    with pytest.raises(DataError, match="features to look among are of avgpool of small_fast"):
        il.similar(folder / "1.png", found, other)
    with pytest.raises(DataError, match="whose weights, input or node are others"):
        il.similar(il.embed(network, folder, "module1"), found)
    il.save_embeddings(il.embed(run, folder), tmp_path / "a.npz")
    weights = run.read_bytes()
    try:
        write_tensors(run, other.state_dict(), {"spec": to_json(SPEC)})
        assert "whose weights, input or node are others" in refused(
            capsys, "similar", folder, "--among", tmp_path / "a.npz"
        )
        run.unlink()
        assert "which is not there any more; name it by --run" in refused(
            capsys, "similar", folder, "--among", tmp_path / "a.npz"
        )
    finally:
        run.write_bytes(weights)


SLOW = """
import sys, time
import inceptionlab as il
from inceptionlab.embedding import extraction
from inceptionlab.runs import embedding
embedding.BATCH = 2
put = extraction.Pages.put
def slowly(self, batch, found):
    put(self, batch, found)
    print(batch, flush=True)
    time.sleep(60)
extraction.Pages.put = slowly
il.embed(sys.argv[1], sys.argv[2])
"""


def test_a_killed_computation_goes_on(run, folder, found, monkeypatch):
    with subprocess.Popen([sys.executable, "-c", SLOW, run, folder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "0\n"
        process.send_signal(signal.SIGKILL)
    done, put = [], extraction.Pages.put
    monkeypatch.setattr(runs, "BATCH", 2)
    monkeypatch.setattr(extraction.Pages, "put", lambda *all_: (done.append(all_[1]), put(*all_)))
    np.testing.assert_allclose(il.embed(run, folder).features, found.features, rtol=1e-5, atol=1e-6)
    assert done == [1, 2, 3, 4]


def test_bad_input_is_a_sentence(capsys, run, folder, tmp_path):
    out = tmp_path / "a.npz"
    (tmp_path / "empty").mkdir()
    (tmp_path / "m.onnx").write_bytes(b"")
    embeds = {
        (run, tmp_path / "empty", "-o", out): "empty holds no image",
        (run, "-o", out): "no image was given",
        (run, folder, "-o", tmp_path / "a.csv"): "ends in .npz, .safetensors, .parquet",
        (run, folder, "-o", out, "--node", "module11"): "no node stands at 'module11'; did you mean 'module1",
        (tmp_path / "m.onnx", folder, "-o", out): "an exported file gives logits alone",
        (tmp_path / "none", folder, "-o", out): "does not exist",
        (run, folder, "-o", tmp_path / "no/a.npz"): f"there is no folder {tmp_path}/no",
    }  # fmt: skip
    for given, words in embeds.items():
        assert words in refused(capsys, "embed", *given)
    assert not out.exists()
    assert "name the network by --run" in refused(capsys, "similar", folder, "--among", folder)
    assert "there is no file" in refused(capsys, "similar", folder, "--among", out)
    assert "no image was given" in refused(capsys, "similar", "--among", folder, "--run", run)


def content(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


X, NAMES = np.ones((2, 3), np.float32), np.array(["a", "b"])
TABLES = {
    "no features": (content(x=X), "holds x; a table of features has 'features' and 'names'"),
    "NaN": (content(features=X * np.array([[1], [np.nan]]), names=NAMES), "the features of b are not finite"),
    "one name": (content(features=X, names=NAMES[:1]), "features 2x3 of float32 and 1 name; a table"),
    "a vector": (content(features=X[0], names=np.array(["a", "b", "c"])), "features 3 of float32"),
    "texts": (content(features=np.array([["a"]]), names=NAMES[:1]), "features 1x1 of <U1"),
    "another size": (content(features=X, names=NAMES), "and those to look among have 3"),
    "pickles": (content(features=X, names=np.array(["a", None], object)), "cannot be read as .npz"),
    "no record": (content(features=X, names=NAMES, inceptionlab=np.array("{")), "says of its features what is no JSON"),
    "another record": (content(features=X, names=NAMES, inceptionlab=np.array("{}")), "what its features are of"),
    "cut": (content(features=X, names=NAMES)[:-40], "cannot be read as .npz"),
    "nothing": (b"", "cannot be read as .npz"),
}


@pytest.mark.parametrize("kind", list(TABLES))
def test_tables_that_mean_nothing_are_refused(capsys, run, folder, tmp_path, kind):
    held, words = TABLES[kind]
    (tmp_path / "a.npz").write_bytes(held)
    assert words in refused(capsys, "similar", folder, "--among", tmp_path / "a.npz", "--run", run)


@pytest.mark.parametrize("ending", [".safetensors", ".parquet"])
def test_damaged_files_are_refused(found, tmp_path, ending):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / f"a{ending}"
    il.save_embeddings(found, path)
    whole = path.read_bytes()
    for held in (b"", whole[:100], whole[:-50]):
        path.write_bytes(held)
        with pytest.raises(DataError, match="cannot be read"):
            il.read_embeddings(path)
    write_tensors(tmp_path / "a.safetensors", {"features": torch.ones(1, 2), "names": torch.ones(3)})
    with pytest.raises(DataError, match="'names' are no JSON"):
        il.read_embeddings(tmp_path / "a.safetensors")
    ragged = pyarrow.table({"features": [[1.0, 2.0, 3.0], [1.0]], "names": ["a", "b"]})
    pyarrow.parquet.write_table(ragged, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="its rows differ in how many features they have"):
        il.read_embeddings(tmp_path / "a.parquet")


def test_records_are_checked():
    with pytest.raises(DataError, match="n x d of float32 with n names, and these are 2x3 of float64 with 1 name"):
        il.Embeddings(np.ones((2, 3)), ("a",))
    with pytest.raises(SpecError, match="no node stands at"):
        il.embed(il.build(SPEC), [np.zeros((8, 8, 3), np.uint8)], "nothing")
