"""Initial weights: by scheme, by seed and address, drawn once."""

import pytest
import torch
from torch import nn

from inceptionlab import Input, Network, build, get_spec
from inceptionlab.nn.checkpointing import checkpoint_modules
from inceptionlab.nn.initialise import _layers, initialise
from inceptionlab.spec import Attention, Concat, Conv, Linear, Pool, Residual, Seq

SCHEMES = ["kaiming", "kaiming_out", "xavier", "inception_v3", "inception_next", "torch"]


def network(**body):
    head = Seq(pool=Pool("avg", to=1), fc=Linear())
    return Network("n", Seq(), Seq(**body), head, Input(3, 8, 8), classes=3)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_seed_gives_the_weights_and_leaves_torchs_generator(scheme):
    before = torch.get_rng_state()
    one, two, other = (build(get_spec("small_fast | widen(0.25)"), scheme, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["conv1.conv.weight"], other["conv1.conv.weight"])


def test_without_a_seed_torchs_generator_is_drawn_from():
    layer, same = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    torch.manual_seed(7)
    initialise(layer, "torch")
    torch.manual_seed(7)
    same.reset_parameters()
    assert torch.equal(layer.weight, same.weight)
    assert torch.equal(layer.bias, same.bias)


def test_nothing_is_drawn_where_weights_come_from_a_file():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    spec = get_spec("small_fast | widen(0.25)")
    empty = build(spec, init=None)
    assert torch.equal(torch.get_rng_state(), before)
    empty.load_state_dict(build(spec).state_dict())


def test_names_of_wrappers_are_free_for_nodes_of_ones_own():
    """Two layers never begin alike, whatever they are called."""
    spec = network(
        block=Seq(block=Conv(4, 3), conv=Conv(4, 3)),
        body=Seq(body=Conv(4, 3), shortcut=Conv(4, 3)),
        both=Residual(Concat(block=Conv(2, 3), body=Conv(2, 3), shortcut=Conv(2, 3)), shortcut="auto"),
        twice=Residual(Residual(Conv(8, 3), shortcut="auto"), shortcut="auto"),
        gates=Seq(block=Seq(block=Conv(8, 3), attention=Attention("se")), attention=Attention("se")),
    )
    addresses = [address for _, address in _layers(build(spec), ("",))]
    assert len(set(addresses)) == len(addresses)
    built = build(spec, seed=0)
    weights = [m.weight.flatten() for m in built.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    starts = [weight[:8].tolist() for weight in weights if len(weight) >= 8]
    assert len({tuple(start) for start in starts}) == len(starts)


RULES = ["residual(1.0)", "attend(se)", "residual(1.0) | attend(cbam, where=sum)", "attend(eca, where=branch)",
         "attend(se) | attend(cbam)", "stochastic_depth(0.2)", "residual(0.3) | stochastic_depth(0.1)"]  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_layers_that_a_rule_leaves_begin_alike(rule):
    def by_address(text):
        found = _layers(build(get_spec(text), seed=5), ("",))
        return {address: layer.weight for layer, address in found}

    plain, changed = by_address("small_fast"), by_address(f"small_fast | {rule}")
    assert plain.keys() <= changed.keys()
    assert all(torch.equal(weight, changed[address]) for address, weight in plain.items())


def test_recomputed_layers_begin_as_others_do():
    spec = network(a=Concat(Conv(4), Conv(4, 3)), b=Residual(Conv(8, 3)))
    plain = build(spec, seed=3).state_dict()
    wrapped = checkpoint_modules(build(spec), "*")
    initialise(wrapped, seed=3)
    assert all(torch.equal(value, plain[name]) for name, value in wrapped.state_dict().items())
