import json

import numpy as np
import pytest
import torch
from PIL import Image

from inceptionlab.cli import main
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.registry import digits
from inceptionlab.evaluation.calibration import fitted_temperature
from inceptionlab.evaluation.corruptions import CORRUPTIONS, corrupted
from inceptionlab.evaluation.metrics import gain
from inceptionlab.evaluation.views import views
from inceptionlab.spec.network import Input


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (256, 256), (40, 1000)])
@pytest.mark.parametrize("crops", [1, 10, 12, 144])
def test_the_papers_count_their_crops(size, crops):
    found = views(Image.new("RGB", size), Preprocess(Input(3, 56, 56)), crops)
    assert len(found) == crops
    assert all(view.size == (56, 56) for view in found)


def test_crops_come_from_where_they_should():
    across = np.tile(np.linspace(0, 255, 256).astype(np.uint8), (64, 1))
    found = views(Image.fromarray(across), Preprocess(Input(1, 32, 32, crop=1.0)), 10)
    means = [np.asarray(view).mean() for view in found]
    assert means[0] < 40  # top left
    assert means[2] > 215  # top right
    assert 100 < means[8] < 155  # the centre
    assert means[::2] == pytest.approx(means[1::2], abs=0.5)
    mirrored = np.asarray(found[1])
    assert mirrored[0, 0] > mirrored[0, -1]


def test_a_gain_is_paired():
    before = torch.tensor([True] * 60 + [False] * 40)
    after = torch.tensor([True] * 70 + [False] * 30)
    difference, low, high = gain(before, after)
    assert difference == pytest.approx(0.1)
    assert low == pytest.approx(0.1 - 1.96 * (0.1 - 0.01) ** 0.5 / 10, abs=1e-3)
    assert high > 0.15
    assert gain(before, before) == (0, 0, 0)


def test_a_temperature_undoes_overconfidence():
    torch.manual_seed(0)
    logits = torch.randn(4000, 5) * 2
    labels = torch.distributions.Categorical(logits=logits).sample()
    assert fitted_temperature(logits, labels) == pytest.approx(1.0, abs=0.1)
    assert fitted_temperature(3 * logits, labels) == pytest.approx(3.0, rel=0.1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_corruptions_grow_and_repeat(kind):
    samples = digits().test.limited(32)
    distances = []
    for severity in (1, 2, 3):
        changed = corrupted(samples, kind, severity)
        assert changed.images.shape == samples.images.shape
        assert torch.equal(changed.images[:], corrupted(samples, kind, severity).images[:])
        distances.append((changed.images[:].float() - samples.images[:].float()).abs().mean().item())
    assert 0 < distances[0] < distances[1] < distances[2]


@pytest.mark.filterwarnings("ignore")
def test_the_command_tells_gains_with_intervals(tmp_path, capsys):
    runs, name = [], "small_fast | widen(0.25)"
    for seed in (0, 1):
        runs.append(tmp_path / str(seed))
        main(["train", "--model", name, "--data", "digits", "--limit-train", "300", "--limit-test",
              "60", "--epochs", "3", "--device", "cpu", "--seed", str(seed), "--out", str(runs[-1])])  # fmt: skip
    capsys.readouterr()
    main(["evaluate", str(runs[0]), "--crops", "10", "--ensemble", str(runs[1]), "--temperature", "--corruptions"])
    printed = capsys.readouterr().out
    assert "with 20 forward passes an image: top-1" in printed
    assert "paired)" in printed
    assert "validation images: calibration error" in printed
    assert printed.count("top-1") == 2 + 15
    main(["evaluate", str(runs[0]), "--crops", "12", "--json"])
    record = json.loads(capsys.readouterr().out)
    assert record["views"]["gain_low"] <= record["views"]["gain"] <= record["views"]["gain_high"]
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(runs[0]), "--crops", "11"])
    assert stop.value.code == 2
