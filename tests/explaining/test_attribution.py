"""Attribution maps: worked out by hand on networks of one line, and the network left as it was.

captum and grad-cam compute the same on whole networks: `make parity` (tests/parity/attribution.py).
"""

import copy

import pytest
import torch
from torch import nn

from inceptionlab import ConfigError, DataError, SpecError, attribution_maps, create_model
from inceptionlab.explaining.explanation import class_number
from inceptionlab.explaining.options import METHODS, Question, Settings
from inceptionlab.explaining.places import last_map


class Pooled(nn.Module):
    """Maps that are the image's planes, their means, and a linear layer: every gradient is a weight / cells."""

    def __init__(self, weight):
        super().__init__()
        self.maps = nn.Identity()
        self.fc = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        self.fc.weight.data = weight

    def forward(self, x):
        return self.fc(self.maps(x).mean((2, 3)))


WEIGHT = torch.tensor([[1.0, -2.0], [3.0, 0.5]])


def test_maps_of_a_linear_network_by_hand():
    x, network = torch.rand(2, 2, 3, 4), Pooled(WEIGHT)
    targets, g = torch.tensor([0, 1]), WEIGHT.view(2, 2, 1, 1) / 12
    grad_cam = (g * x).sum(1).relu()
    layer_cam = (g.relu() * x).sum(1)
    weights = 12 * g.relu() / (2 + g * x.sum((2, 3), keepdim=True))
    for method, expected in {
        "grad-cam": grad_cam, "layer-cam": layer_cam, "grad-cam++": (weights * x).sum(1).relu(),
        "integrated-gradients": (g * x).sum(1), "occlusion": (g * x).sum(1),
    }.items():  # fmt: skip
        found = attribution_maps(network, x, method, targets, "maps", Settings(window=1))
        torch.testing.assert_close(found.maps, expected)
        assert found.grid == (3, 4)
    assert attribution_maps(network, x, "occlusion", targets, None, Settings(window=1)).node == ""


def test_a_window_of_occlusion_is_the_mean_over_the_windows_that_cover_a_pixel():
    x = torch.arange(5.0).view(1, 1, 1, 5)
    found = attribution_maps(Pooled(torch.ones(1, 1)), x, "occlusion", settings=Settings(window=2, stride=1))
    sums = torch.tensor([1.0, 3.0, 5.0, 7.0]) / 5
    expected = torch.tensor(
        [sums[0], (sums[0] + sums[1]) / 2, (sums[1] + sums[2]) / 2, (sums[2] + sums[3]) / 2, sums[3]]
    )
    torch.testing.assert_close(found.maps[0, 0], expected)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return create_model("googlenet", 5, input_size=64, stem="imagenet").eval()


def test_integrated_gradients_sum_to_the_difference_of_the_logits():
    network, x = create_model("small_fast | widen(0.25)", 3, input_size=32).eval(), torch.randn(2, 3, 32, 32)
    found = attribution_maps(network, x, "integrated-gradients", settings=Settings(steps=100, batch=32))
    with torch.no_grad():
        difference = network(x) - network(torch.zeros(1, 3, 32, 32))
    expected = difference.gather(1, found.targets[:, None])[:, 0]
    torch.testing.assert_close(found.maps.sum((1, 2)), expected, rtol=0.02, atol=0.02 * difference.abs().max().item())


def test_the_network_is_left_as_it_was():
    network = create_model("small_fast | widen(0.25)", 3, input_size=32).train()
    network.get_submodule(last_map(network)).eval()
    next(network.parameters()).requires_grad_(False)
    flags = [m.training for m in network.modules()], [p.requires_grad for p in network.parameters()]
    state = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.inference_mode():
        for method in METHODS:
            attribution_maps(network, torch.randn(1, 3, 32, 32), method, settings=Settings(steps=2, window=16))
    assert flags == ([m.training for m in network.modules()], [p.requires_grad for p in network.parameters()])
    assert all(p.grad is None for p in network.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in network.modules())
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_a_branch_alone_is_looked_at_and_batches_do_not_matter(network):
    x = torch.randn(3, 3, 64, 64)
    whole = attribution_maps(network, x, "layer-cam", node="inception4b")
    parts = [attribution_maps(network, x, "layer-cam", whole.targets, f"inception4b.{name}")
             for name in ("one", "three", "five", "pool")]  # fmt: skip
    torch.testing.assert_close(whole.maps, sum(part.maps for part in parts), rtol=1e-4, atol=1e-7)
    one = attribution_maps(network, x, "layer-cam", node="inception4b", settings=Settings(batch=1))
    torch.testing.assert_close(whole.maps, one.maps, rtol=1e-4, atol=1e-7)
    assert whole.maps.shape == (3, 64, 64)
    assert whole.grid == (4, 4)
    assert last_map(network) == "inception5b"


def test_half_precision_is_computed_in_float32(network):
    x = torch.randn(1, 3, 64, 64)
    half = copy.deepcopy(network).bfloat16()
    found = attribution_maps(half, x.bfloat16())
    assert found.maps.dtype == torch.float32
    assert next(half.parameters()).dtype == torch.bfloat16


@pytest.mark.parametrize(("options", "error", "words"), [
    ({"method": "gradcam"}, ConfigError, "there is no method 'gradcam'; did you mean 'grad-cam'"),
    ({"targets": torch.tensor([7])}, ConfigError, "there is no class 7; the network has the classes 0 to 4"),
    ({"node": "inception4b.tree"}, SpecError, "has no node 'inception4b.tree'; did you mean 'inception4b.three'"),
    ({"node": "fc.flat"}, SpecError, "has no node 'fc.flat'"),
    ({"node": "aux1"}, SpecError, "has no node 'aux1'"),
])  # fmt: skip
def test_what_means_nothing_is_a_sentence(network, options, error, words):
    with pytest.raises(error, match=words):
        attribution_maps(network, torch.zeros(1, 3, 64, 64), **options)


def test_maps_that_are_none_are_refused(network):
    with pytest.raises(SpecError, match="fc gives 1 dimension per image, not maps c x h x w; name a node before it"):
        attribution_maps(Pooled(WEIGHT), torch.rand(1, 2, 3, 3), node="fc")
    with pytest.raises(SpecError, match="Pooled does not say where its head begins; name a node"):
        attribution_maps(Pooled(WEIGHT), torch.rand(1, 2, 3, 3))
    with pytest.raises(DataError, match="logits that are not finite"):
        attribution_maps(Pooled(WEIGHT * float("nan")), torch.rand(1, 2, 3, 3), node="maps")
    with pytest.raises(DataError, match="images are b x c x h x w"):
        attribution_maps(network, torch.rand(3, 64, 64))


def test_classes_are_names_or_numbers():
    assert [class_number(one, ("ants", "bees", "0")) for one in ("bees", "1", 1, "0")] == [1, 1, 1, 2]
    for wrong, words in (("bee", "did you mean 'bees'"), ("7", "there is no class 7"), (-1, "there is no class -1")):
        with pytest.raises(ConfigError, match=words):
            class_number(wrong, ("ants", "bees", "0"))


def test_questions_are_checked():
    with pytest.raises(ConfigError, match="did you mean 'occlusion'"):
        Question(("oclusion",))
    with pytest.raises(ConfigError, match="no method was named"):
        Question(())
    with pytest.raises(ConfigError, match="steps = 0"):
        Settings(steps=0)
