"""From images to the numbers: sources, protocols, the cache, precisions, several processes, and what is refused."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

import inceptionlab
from inceptionlab import downloading
from inceptionlab.cli import main
from inceptionlab.data.image_sets import image_set
from inceptionlab.distances import measuring
from inceptionlab.distances.measuring import fidelity, save_statistics
from inceptionlab.distances.networks import PUBLISHED
from inceptionlab.distances.options import Settings
from inceptionlab.distances.protocols import PROTOCOLS, protocol_of
from inceptionlab.embedding import extraction
from inceptionlab.errors import ConfigError, DataError
from inceptionlab.zoo import published
from tests.weights.web_server import serving


class Tiny(nn.Module):
    """Features of colours and coarse shapes, at once."""

    def __init__(self, dims=6):
        super().__init__()
        self.conv = nn.Conv2d(3, dims, 7, 7)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for value in self.parameters():
                value.copy_(torch.randn(value.shape, generator=generator) / 5)

    def forward(self, x):
        return F.relu(self.conv(x)).mean((2, 3))


def told(capsys, *arguments):
    main(["fidelity", *map(str, arguments), "--json"])
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as leaving:
        main(["fidelity", *map(str, arguments)])
    assert leaving.value.code == 2
    return capsys.readouterr().err


def test_the_command_gives_one_object(capsys, sets, weights):
    found = told(capsys, sets / "a", sets / "b", "--weights", weights, "--dims", 64)
    assert (found["n"], found["n_real"], found["dims"], found["protocol"]) == (9, 12, 64, "pytorch-fid")
    assert found["fid_low"] <= found["fid"] <= found["fid_high"]
    assert found["same"] == 1
    assert found["twins"][0]["generated"].endswith("a/copy.png")
    assert found["twins"][0]["real"].endswith("b/04.png")
    assert found["inception_score"] is None  # its classifier reads 2048 features
    assert 0 <= found["precision"] <= 1
    assert any("9 and 12 images is too large" in words for words in found["warnings"])
    assert "64 features in fp32; pytorch-fid: bilinear without antialiasing" in found["citation"]


def test_lines_for_people(capsys, sets, weights):
    main(["fidelity", *map(str, (sets / "a", sets / "b", "--weights", weights, "--dims", 64))])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FID  ")
    assert any(line.startswith("copies") for line in lines)
    assert lines[-1].startswith("cite: FID")


def test_the_front_door_gives_the_same(sets):
    a, b = inceptionlab.fidelity(sets / "a", sets / "b", Tiny()), fidelity(str(sets / "a"), str(sets / "b"), Tiny())
    assert a == b
    assert a.kid_whole is not None
    assert "Tiny, 6 features" in str(a)


def test_more_than_2048_dimensions_are_scored(sets, weights):
    found = fidelity(sets / "a", sets / "a", weights, dims=2048)
    assert found.fid < 1e-6
    assert 1 <= found.inception_score < 1008
    assert (found.precision, found.recall, found.same) == (1, 1, 9)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocols_scale_alike(name):
    prepare = protocol_of(name).prepare
    white = prepare(np.full((40, 30, 3), 255, np.uint8))
    assert white.shape == (3, 299, 299)
    assert white.dtype == torch.float32
    assert float(white.mean()) == pytest.approx(1, abs=0.01)
    assert float(prepare(np.zeros((40, 30, 3), np.uint8)).mean()) == pytest.approx(-1, abs=0.01)


def test_protocols_differ_in_how_they_shrink():
    image = np.random.default_rng(0).integers(0, 256, (900, 900, 3), dtype=np.uint8)
    spread = {name: one.prepare(image).std().item() for name, one in PROTOCOLS.items()}
    assert spread["clean-fid"] < 0.6 * spread["pytorch-fid"]  # only it averages what it leaves out


def test_an_image_of_299_pixels_stays():
    image = np.random.default_rng(0).integers(0, 256, (299, 299, 3), dtype=np.uint8)
    planes = torch.from_numpy(image).permute(2, 0, 1).float()
    torch.testing.assert_close(PROTOCOLS["pytorch-fid"].prepare(image), 2 * planes / 255 - 1)
    for name in ("clean-fid", "torch-fidelity"):
        torch.testing.assert_close(PROTOCOLS[name].prepare(image), (planes - 128.0) / 128)


def encoded(image):
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def test_every_source_gives_the_same_images(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    images = np.random.default_rng(0).integers(0, 256, (7, 12, 10, 3), dtype=np.uint8)
    (tmp_path / "folder").mkdir()
    for i, image in enumerate(images):
        (tmp_path / f"folder/{i}.png").write_bytes(encoded(image))
    cells = [{"bytes": encoded(image), "path": None} for image in images]
    parquet.write_table(pa.table({"label": list(range(7)), "image": cells}), tmp_path / "a.parquet", row_group_size=2)
    parquet.write_table(pa.table({"png": [cell["bytes"] for cell in cells]}), tmp_path / "b.parquet")
    tensor = torch.from_numpy(images)
    sources = [
        tmp_path / "folder", tmp_path / "a.parquet", tmp_path / "b.parquet", tensor, tensor.permute(0, 3, 1, 2),
        list(images), [Image.fromarray(one) for one in images], sorted((tmp_path / "folder").iterdir()),
    ]  # fmt: skip
    for source in sources:
        found = image_set(source)
        assert found.count == 7
        np.testing.assert_array_equal(
            np.stack([found.pixels(i) for i in (6, 0, 3, 1, 2, 4, 5)]), images[[6, 0, 3, 1, 2, 4, 5]]
        )
    assert image_set(tmp_path / "a.parquet").where(5) == f"{tmp_path}/a.parquet, row 5"


def test_named_sets_have_splits():
    assert image_set("digits").count == 1_438
    assert image_set("digits#test").count == 359
    assert image_set("digits#test").pixels(3).shape == (32, 32, 3)
    with pytest.raises(DataError, match="digits has no split 'valid'; known are train, test"):
        image_set("digits#valid")


def test_hub_sets_are_read_from_a_local_folder(tmp_path):
    import datasets

    images = np.random.default_rng(0).integers(0, 256, (3, 12, 10, 3), dtype=np.uint8)
    (tmp_path / "mine/data").mkdir(parents=True)
    cells = [{"bytes": encoded(image), "path": None} for image in images]
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict({"image": cells}, features).to_parquet(tmp_path / "mine/data/train-00000.parquet")
    found = image_set(f"hf:{tmp_path / 'mine'}")
    np.testing.assert_array_equal(np.stack([found.pixels(i) for i in range(3)]), images)
    with pytest.raises(DataError, match="cannot be loaded"):
        image_set(f"hf:{tmp_path / 'mine'}#nothing")


def test_exif_is_not_followed(tmp_path):
    """As pytorch-fid, clean-fid and torch-fidelity open images."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[274] = 6
    for name in ("a", "b"):
        image.save(tmp_path / f"{name}.png", exif=exif)
    np.testing.assert_array_equal(image_set(tmp_path).pixels(0), np.asarray(image))


def test_statistics_go_both_ways(capsys, tmp_path, sets, weights):
    main(["fidelity", *map(str, (sets / "b", "--save", tmp_path / "b.npz", "--weights", weights, "--dims", 64))])
    assert capsys.readouterr().out == f"{tmp_path}/b.npz: 12 images\n"
    whole = told(capsys, sets / "a", sets / "b", "--weights", weights, "--dims", 64)
    by_file = told(capsys, sets / "a", tmp_path / "b.npz", "--weights", weights, "--dims", 64)
    assert by_file["fid"] == pytest.approx(whole["fid"], rel=1e-9)
    assert (by_file["n_real"], by_file["kid"]) == (12, None)
    both = told(capsys, tmp_path / "b.npz", tmp_path / "b.npz", "--weights", weights, "--dims", 64)
    assert both["fid"] == pytest.approx(0, abs=1e-9)
    alone = told(capsys, tmp_path / "b.npz", tmp_path / "b.npz")  # needs no network
    assert (alone["fid"], alone["n"], alone["dims"], alone["kid"]) == (both["fid"], 12, 64, None)
    np.savez(tmp_path / "other.npz", mu=np.zeros(192), sigma=np.eye(192))
    assert "other.npz holds statistics of 192 features and" in refused(
        capsys, tmp_path / "other.npz", tmp_path / "b.npz"
    )


def test_features_are_computed_once_by_content(sets, tmp_path, monkeypatch):
    first = fidelity(sets / "a", sets / "b", Tiny())
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for i, file in enumerate(sorted((sets / "a").rglob("*.png"), key=str)):
        (copy / f"{i:02}.png").write_bytes(file.read_bytes())

    def never(*_):
        raise AssertionError

    monkeypatch.setattr(extraction.Extraction, "_fill", never)
    assert fidelity(copy, sets / "b", Tiny()).fid == first.fid
    with pytest.raises(AssertionError):
        fidelity(sets / "a", sets / "b", Tiny(), "clean-fid")


def test_damaged_features_are_computed_again(sets, tmp_path):
    first = fidelity(sets / "a", sets / "b", Tiny())
    for file in (tmp_path / "home").rglob("features.npy"):
        np.load(file, "r+")[0] = 7
    assert fidelity(sets / "a", sets / "b", Tiny()).fid == first.fid


def test_a_cache_that_cannot_be_written_is_done_without(sets, tmp_path, monkeypatch):
    first = fidelity(sets / "a", sets / "b", Tiny())
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INCEPTIONLAB_HOME", str(tmp_path / "file/below"))
    assert fidelity(sets / "a", sets / "b", Tiny()).fid == first.fid


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_lower_precisions_say_how_far_they_move_the_value(sets, weights, precision):
    found = fidelity(sets / "a", sets / "b", weights, dims=64, settings=Settings(precision))
    assert found.moved.images == 9
    assert 0 < found.moved.features < 0.05
    assert found.moved.fid == pytest.approx(found.moved.fid_fp32, rel=0.2)
    assert fidelity(sets / "a", sets / "b", weights, dims=64).moved is None


SLOW = """
import sys, time
from inceptionlab.distances import measuring
from inceptionlab.embedding import extraction
from tests.distances.test_fidelity import Tiny
measuring.BATCH = 2
put = extraction.Pages.put
def slowly(self, batch, found):
    put(self, batch, found)
    print(batch, flush=True)
    time.sleep(60)
extraction.Pages.put = slowly
measuring.fidelity(sys.argv[1], sys.argv[2], Tiny())
"""


def test_a_killed_comparison_goes_on(sets, monkeypatch):
    command = [sys.executable, "-c", SLOW, str(sets / "a"), str(sets / "b")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "0\n"  # one batch of the first set is kept
        process.send_signal(signal.SIGKILL)
    done, put = [], extraction.Pages.put
    monkeypatch.setattr(measuring, "BATCH", 2)
    monkeypatch.setattr(extraction.Pages, "put", lambda *all_: (done.append(all_[1]), put(*all_)))
    found = fidelity(sets / "a", sets / "b", Tiny()).fid
    assert done == [1, 2, 3, 4, 0, 1, 2, 3, 4, 5]
    assert fidelity(sets / "a", sets / "b", Tiny()).fid == found
    assert len(done) == 10


def test_two_processes_give_the_value_of_one(capsys, sets, weights, tmp_path):
    one = told(capsys, sets / "a", sets / "b", "--weights", weights, "--dims", 64)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "inceptionlab", "fidelity", str(sets / "a"), str(sets / "b"), "--json"]
    command += ["--weights", str(weights), "--dims", "64"]
    environment = {**os.environ, "INCEPTIONLAB_HOME": str(tmp_path / "other"), "OMP_NUM_THREADS": "1"}
    two = json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)
    for name in ("fid", "fid_low", "kid", "precision", "recall"):
        assert two[name] == pytest.approx(one[name], rel=1e-9)


def test_bad_input_is_a_sentence(capsys, tmp_path, sets, weights):
    a, b = sets / "a", ("--weights", weights, "--dims", 64)
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path}/empty holds no image" in refused(capsys, tmp_path / "empty", a, *b)
    assert "there is no folder 'cifar11' and no set of that name; did you mean 'cifar10'" in refused(
        capsys, "cifar11", a, *b
    )
    (tmp_path / "one").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "one/a.png")
    assert "one holds 1 image(s); a distance needs at least 2" in refused(capsys, a, tmp_path / "one", *b)
    (tmp_path / "one/b.png").write_bytes(b"nothing")
    assert f"{tmp_path}/one/b.png cannot be read as an image" in refused(capsys, tmp_path / "one", a, *b)
    np.savez(tmp_path / "s.npz", mu=np.zeros(192), sigma=np.eye(192))
    assert "statistics of 192 features and the network gives 64; say --dims 192" in refused(
        capsys, a, tmp_path / "s.npz", *b
    )
    np.savez(tmp_path / "s.npz", mu=np.full(64, np.nan), sigma=np.eye(64))
    assert "values that are not finite" in refused(capsys, tmp_path / "s.npz", a, *b)
    (tmp_path / "s.parquet").write_bytes(b"nothing")
    assert "s.parquet is not a readable Parquet file" in refused(capsys, a, tmp_path / "s.parquet", *b)
    assert f"there is no file {tmp_path}/none.parquet" in refused(capsys, a, tmp_path / "none.parquet", *b)
    assert "--dims 100 is none of 64, 192, 768, 2048" in refused(capsys, a, a, *b[:2], "--dims", 100)
    assert "give two sets, or one and --save" in refused(capsys, a, *b)
    assert "s.parquet cannot be read as weights" in refused(capsys, a, a, "--weights", tmp_path / "s.parquet")
    main(["fidelity", *map(str, (a, "--save", tmp_path / "s.npz", *b, "--protocol", "clean-fid"))])
    assert "statistics by clean-fid, and this comparison is by pytorch-fid; give --protocol clean-fid" in refused(
        capsys, a, tmp_path / "s.npz", *b
    )
    assert "s.npz holds statistics already; give images" in refused(
        capsys, tmp_path / "s.npz", "--save", tmp_path / "t.npz", "--protocol", "clean-fid", *b
    )
    assert "none.npz" in refused(capsys, a, tmp_path / "none.npz", *b)
    (tmp_path / "s.npz").write_bytes(b"nothing")
    assert "s.npz cannot be read as .npz statistics" in refused(capsys, a, tmp_path / "s.npz", *b)


@pytest.fixture
def web(monkeypatch, tmp_path, weights):
    """A stand-in for where the weights of the distance are published, with random ones, and no other cache."""
    monkeypatch.setattr(downloading, "PAUSE", 0.001)
    for name in ("TORCH_HOME", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "user"))
    row = next(row for row in published.published() if row.full == PUBLISHED)
    content = weights.read_bytes()
    row = replace(row, checksum=f"sha256:{hashlib.sha256(content).hexdigest()}")
    monkeypatch.setattr(published, "published", lambda: (row,))
    with serving() as found:
        monkeypatch.setenv("INCEPTIONLAB_MIRROR", found.address)
        found.files[f"/{row.file}"] = content
        yield found


def test_weights_are_fetched_once_where_none_are_given(capsys, sets, web):
    found = told(capsys, sets / "a", sets / "b", "--dims", 64)
    assert "inception_v3.fid, pytorch-fid, 64 features" in found["citation"]
    web.files.clear()
    assert told(capsys, sets / "a", sets / "b", "--dims", 64) == found


def test_sets_are_looked_at_before_weights_are_fetched(capsys, sets, tmp_path, web):
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "s.npz", mu=np.full(2048, np.nan), sigma=np.eye(2048))
    for wrong, words in ((tmp_path / "empty", "holds no image"), (tmp_path / "s.npz", "not finite")):
        assert words in refused(capsys, sets / "a", wrong)
    assert "--dims 100 is none of" in refused(capsys, sets / "a", sets / "b", "--dims", 100)
    assert web.requests == []
    web.files.clear()
    said = refused(capsys, sets / "a", sets / "b")
    assert "could not be downloaded" in said
    assert "home/weights/pytorch-fid/pt_inception-2015-12-05-6726825d.pth" in said


def test_an_object_has_every_key_and_null_for_what_cannot_be_told(capsys, sets, weights, tmp_path):
    main(["fidelity", *map(str, (sets / "b", "--save", tmp_path / "b.npz", "--weights", weights, "--dims", 64))])
    capsys.readouterr()
    whole = told(capsys, sets / "a", sets / "b", "--weights", weights, "--dims", 64)
    found = told(capsys, sets / "a", tmp_path / "b.npz", "--weights", weights, "--dims", 64)
    assert found.keys() == whole.keys()
    assert {"fid", "fid_low", "fid_high", "kid", "kid_error", "inception_score", "precision", "recall", "density",
            "coverage", "n", "n_real", "protocol", "dims", "warnings", "citation"} <= found.keys()  # fmt: skip
    for name in ("kid", "inception_score", "precision", "recall", "density", "coverage", "fid_infinity"):
        assert found[name] is None


def test_networks_whose_features_mean_nothing_are_refused(sets):
    class Map(nn.Module):
        def forward(self, x):
            return x

    with pytest.raises(DataError, match=r"Map gives \(2, 3, 299, 299\) for 2 images; it must give features 2 x d"):
        fidelity(sets / "a", sets / "b", Map())
    broken = Tiny()
    nn.init.constant_(broken.conv.bias, float("nan"))
    with pytest.raises(DataError, match=r"(?s)not finite|differs by nan"):
        fidelity(sets / "a", sets / "b", broken)
    with pytest.raises(ConfigError, match="there is no protocol 'clean'; did you mean 'clean-fid'"):
        fidelity(sets / "a", sets / "b", Tiny(), "clean")


def test_tensors_that_are_no_images_are_refused():
    with pytest.raises(DataError, match=r"2x3x8x8 of torch.float32; give n x h x w x 3"):
        image_set(torch.zeros(2, 3, 8, 8))


def test_statistics_of_a_function(sets, tmp_path):
    assert save_statistics(sets / "a", tmp_path / "a.npz", Tiny()) == 9
    assert fidelity(sets / "a", tmp_path / "a.npz", Tiny()).fid == pytest.approx(0, abs=1e-9)


def test_networks_of_ours_give_the_mean_of_their_last_map(sets):
    """Whatever the protocol's scale, the network gets its own."""
    network = inceptionlab.create_model("inception_next_atto").eval()
    images = [inceptionlab.data.image_sets.image_set(sets / "a").pixels(i) for i in range(3)]
    found = inceptionlab.Fidelity(network, "clean-fid")
    pixels = torch.stack([PROTOCOLS["clean-fid"].prepare(one) for one in images]) * 128 + 128
    x = inceptionlab.Preprocess(network.spec.input)
    mean, std = x.mean_and_std()
    for name in network.top_level[: network.top_level.index(network.spec.body.children[-1][0]) + 1]:
        pixels = network.get_submodule(name)((pixels - mean) / std if name == network.top_level[0] else pixels)
    torch.testing.assert_close(
        found._features(np.stack([one[:20, :30] for one in images]), "real").shape[1], pixels.shape[1]
    )
    torch.testing.assert_close(
        torch.cat([found._features(one[None], "real") for one in images]), pixels.mean((2, 3)), rtol=1e-4, atol=1e-5
    )


def test_a_file_of_import_weights_says_its_network(capsys, sets, weights, tmp_path):
    file = tmp_path / "fid.safetensors"
    main(["import-weights", str(weights), "--into", "inception_v3.fid", "-o", str(file)])
    capsys.readouterr()
    whole, ours = (fidelity(sets / "a", sets / "b", one, dims=64) for one in (weights, file))
    assert ours.fid == pytest.approx(whole.fid, rel=1e-6)
    assert "inception_v3.fid, fid.safetensors, 64 features" in ours.citation


def test_two_images_a_side_are_enough_for_what_they_tell():
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8))
    found = fidelity(images[:2], images[2:], Tiny())
    assert (found.kid_error, found.precision, found.fid_floor) == (None, None, None)
    json.dumps(found.as_record(), allow_nan=False)
