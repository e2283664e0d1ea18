"""What maps are worth: maps that know the answer, maps that know nothing, and networks that learned nothing."""

import numpy as np
import pytest
import torch
from torch import nn

from inceptionlab import attribution_maps, create_model, faithfulness, randomisation
from inceptionlab.explaining.faithfulness import blurred, curves_of
from inceptionlab.explaining.randomisation import forget, likeness, rank_correlation, structural_similarity
from inceptionlab.explaining.verdicts import verdict


class Corner(nn.Module):
    """A network whose answer is the upper left corner of the image; it has nothing to learn."""

    def forward(self, x):
        corner = x[:, :, :8, :8].mean((1, 2, 3))
        return torch.stack([4 * corner, torch.zeros_like(corner)], 1)


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0)) + 0.5


def corner_map():
    marked = torch.zeros(24, 24)
    marked[:8, :8] = 1
    return marked


def test_curves_begin_and_end_where_they_must(image):
    curves = curves_of(Corner(), image, corner_map(), 0, steps=9)
    with torch.no_grad():
        whole, empty, blur = (Corner()(x).softmax(1)[0, 0].item() for x in (image, 0 * image, blurred(image)))
    assert curves.deletion == pytest.approx([whole, *[empty] * 9])
    assert curves.insertion == pytest.approx([blur, *[whole] * 9])
    assert curves.deletion_area == pytest.approx((whole + 17 * empty) / 18)


def test_a_map_that_knows_is_told_from_maps_that_do_not(image):
    right = faithfulness(Corner(), image, corner_map(), 0, (6, 6))
    wrong = faithfulness(Corner(), image, -corner_map(), 0, (6, 6), right.chance)
    flat = faithfulness(Corner(), image, torch.zeros(24, 24), 0, (6, 6), right.chance)
    assert (right.p, right.holds) == (0.05, True)
    assert not wrong.holds
    assert wrong.p == 1
    assert not flat.holds
    assert right.chance_mean.deletion_area == pytest.approx(np.mean([one.deletion_area for one in right.chance]))


def test_a_map_of_a_network_that_learned_nothing_is_called_so(image):
    maps = attribution_maps(Corner(), image, "integrated-gradients")
    (found,) = randomisation(Corner(), image, maps)
    assert not found.holds
    assert found.whole.correlation == pytest.approx(1)
    right = faithfulness(Corner(), image, maps.maps[0], 0, (24, 24))
    said = verdict(maps.maps[0], right, found)
    assert not said.holds
    assert "The answer hangs on what the map marks" in said.words
    assert "much the same for a network that has learned nothing" in said.words
    flat = verdict(torch.ones(3, 3), right, found)
    assert flat.words.startswith("This map is flat: it explains nothing")


def test_weights_become_random_from_the_logits_down_in_a_copy():
    network = create_model("small_fast | widen(0.25)", 3, input_size=32).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    x = torch.randn(2, 3, 32, 32)
    found = randomisation(network, x, attribution_maps(network, x), draws=1, cascade=True)
    assert len(found) == 2
    nodes = [row.node for row in found[0].rows]
    assert nodes == [name for name in reversed(network.top_level) if list(network.get_submodule(name).parameters())]
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(-1 <= row.correlation <= 1 and -1 <= row.similarity <= 1 for one in found for row in one.rows)
    (once, _) = randomisation(network, x, attribution_maps(network, x), draws=1)
    assert once.rows == (found[0].whole,)


def test_forgetting_leaves_nothing_and_touches_no_generator():
    network = create_model("small_v2", 3, input_size=32)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.fill_(3)
    old = [m.weight.clone() for m in network.modules() if isinstance(m, nn.Conv2d)]
    state = torch.get_rng_state()
    forget(network, 1)
    assert torch.equal(state, torch.get_rng_state())
    assert not any(torch.equal(a, m.weight) for a, m in zip(
        old, [m for m in network.modules() if isinstance(m, nn.Conv2d)], strict=True))  # fmt: skip
    assert not any(m.running_mean.any() for m in network.modules() if isinstance(m, nn.BatchNorm2d))


def test_likeness_is_scipys_and_by_definition():
    from scipy.stats import spearmanr

    a, b = torch.randn(9, 12), torch.randn(9, 12).relu()
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a.flatten(), b.flatten()).statistic)
    assert rank_correlation(a, torch.zeros(9, 12)) == 0
    assert likeness(a, 2 * a + 1)[::2] == pytest.approx((1, 1))
    assert likeness(a, -a)[:2] == pytest.approx((-1, 1))
    assert structural_similarity(a, -a) < 0
