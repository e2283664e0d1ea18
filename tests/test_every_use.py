"""What timm and torchvision refuse on some members works on all of them here."""

import pytest
import torch
from torch.nn import functional as F

from inceptionlab import (
    FeatureNetwork,
    Network,
    SpecError,
    build,
    create_features,
    create_model,
    get_spec,
    list_models,
    measure,
)
from inceptionlab.nn.layers.branches import Concat, Sum
from inceptionlab.nn.layers.residual import StochasticDepth
from inceptionlab.rules import parse_rule
from inceptionlab.spec import Block, Branches, Conv, Product, Residual, Seq
from inceptionlab.spec.tree import walk
from inceptionlab.zoo.configure import configured

MEMBERS = list_models()
NARROW = "widen(0.125) | norm(group) | activation(silu) | attend(eca, where=stage)"


def rules_for(name):
    """Every use in one chain; a network without blocks or residuals has no paths to drop."""
    spec = get_spec(name)
    blocks = any(isinstance(node, Branches | Residual) for _, node in walk(spec.body))
    flat = not any(isinstance(node, Branches) for _, node in walk(spec.body))
    rules = NARROW + (" | stochastic_depth(0.2)" if blocks else "") + ("" if flat else " | attend(se, where=branch)")
    return f"{rules} | dropout(0.3)"


@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_takes_every_rule_and_trains_with_checkpoints(name):
    torch.manual_seed(0)
    spec = configured(f"{name} | {rules_for(name)}", 3, None, 64)
    top = spec.body.children[-2 if len(spec.body.children) > 1 else 0][0]
    model = build(spec, grad_checkpoint=f"{top}*").train()
    x = torch.randn(2, spec.input.channels, 64, 64)
    F.cross_entropy(model(x), torch.tensor([0, 2])).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert sum(p.numel() for p in model.parameters()) == measure(spec).params


@pytest.mark.parametrize(
    "name", [n for n in MEMBERS if any(isinstance(v, Residual) for _, v in walk(get_spec(n).body))]
)
@pytest.mark.parametrize("where", ["residual", "sum"])
def test_attention_around_every_residual(name, where):
    spec = configured(f"{name} | attend(eca, where={where})", 2, None, 64)
    model = build(spec).eval().to("meta")
    assert model(torch.empty(1, spec.input.channels, 64, 64, device="meta")).shape == (1, 2)


def test_branches_are_dropped_for_whole_images_and_only_in_training():
    model = create_model(get_spec("inception_v3 | stochastic_depth(0.5)"), 0, input_size=75)
    rates = [m.stochastic_depth for m in model.modules() if isinstance(m, Concat) and m.stochastic_depth]
    assert rates == sorted(rates)
    assert rates[-1] == 0.5
    block = model.get_submodule("mixed7c")
    x = torch.rand(64, 2048, 1, 1) + 1
    torch.manual_seed(0)
    with torch.no_grad():
        assert not (block.eval()(x)[:, :320].abs().sum(1) == 0).any()
        dropped = block.train()(x)[:, :320].abs().sum(1) == 0
    assert 16 <= dropped.sum() <= 48
    assert model.state_dict().keys() == create_model("inception_v3", 0, input_size=75).state_dict().keys()


def test_sums_and_residuals_drop_paths_too():
    model = build(get_spec("small_v1 | fuse(sum) | stochastic_depth(0.3)"))
    assert {m.stochastic_depth for m in model.modules() if isinstance(m, Sum)} > {0.3}
    residual = build(get_spec("small_resnet | stochastic_depth(0.3)"))
    assert max(m.p for m in residual.modules() if isinstance(m, StochasticDepth)) == 0.3
    with pytest.raises(SpecError, match="branches are dropped from a concatenation or a sum"):
        Product(a=Conv(4), stochastic_depth=0.3)


def test_dropout_stands_before_the_classifier():
    without, with_ = (get_spec(name).without_aux() for name in ("inception_v2", "inception_v2 | dropout(0.4)"))
    assert [name for name, _ in with_.head.children] == ["avgpool", "dropout", "fc"]
    assert build(without.resized(75)).state_dict().keys() == build(with_.resized(75)).state_dict().keys()
    assert dict(get_spec("googlenet.paper | dropout(0.1)").head.children)["dropout"].p == 0.1


def test_the_auxiliary_head_of_inception_v2_hangs_where_a_tutorial_puts_it():
    model = create_model("inception_v2 | aux_after(reduction1)", 5, aux=True)
    _, aux = model.eval().to("meta").forward_with_aux(torch.empty(1, 3, 299, 299, device="meta"))
    assert aux["aux"].shape == (1, 5)
    assert measure(model.spec).params_with_aux == measure(configured("inception_v2", 5, aux=True)).params_with_aux
    with pytest.raises(SpecError, match="2 auxiliary heads"):
        get_spec("googlenet | aux_after(inception4b)")


GHOSTS = ["googlenet.bn | ghost", "inception_v3 | ghost(3)"]
DENSE = [n for n in MEMBERS if n not in ("inception_net", "dilated_cnn", "bn_inception.caffe") and "small" not in n]


@pytest.mark.parametrize("name", [*DENSE, *GHOSTS])
def test_a_finer_grid_holds_the_values_of_the_coarse_one(name):
    """With `output_stride(8)` every fourth value at the middle of the last map is what the network gave before."""
    torch.manual_seed(0)
    size = 160 if name.startswith(("googlenet", "bn_", "inception_next")) else 199  # 199: no pad is one-sided
    spec = get_spec(f"{name} | widen(0.125)").without_aux().resized(size)
    coarse, fine = build(spec).eval(), build(parse_rule("output_stride(8)")(spec)).eval()
    fine.load_state_dict(coarse.state_dict())
    strides = [max(measure(net.spec).stages()) for net in (coarse, fine)]
    assert strides == [32, 8]
    x = torch.randn(1, spec.input.channels, size, size)
    with torch.no_grad():
        few, many = (list(net.features(x).values())[-1] for net in (coarse, fine))
    middle = few.shape[2] // 2
    near = [many[:, :, 4 * middle + i, 4 * middle + j] for i in range(-6, 7) for j in range(-6, 7)]
    wanted = few[:, :, middle, middle]
    error = min((value - wanted).norm() / wanted.norm() for value in near)
    assert error < 1e-4


def test_output_stride_errors():
    with pytest.raises(SpecError, match="changes nothing"):
        create_features("small_v1", output_stride=8)
    own = Network("own", Seq(), Seq(a=Conv(4, 3, 32), b=Block(Conv, 4, 3)), Seq())
    with pytest.raises(SpecError, match="Block cannot be dilated"):
        create_features(own, output_stride=8)
    with pytest.raises(SpecError, match="at least 1"):
        parse_rule("output_stride(0)")


@pytest.mark.parametrize("output_stride", [None, 8, 16])
def test_feature_networks_say_what_they_give(output_stride):
    network = create_features("inception_v3", output_stride=output_stride).eval()
    assert isinstance(network, FeatureNetwork)
    maps = network.to("meta")(torch.empty(1, 3, 299, 299, device="meta"))
    assert tuple(y.shape[1] for y in maps) == network.channels
    assert max(network.strides) == (output_stride or 32)
    assert network.strides == (2, 4, 8, 16, 32)[: len(maps)]
    whole = create_model("inception_v3")
    missing, unexpected = network.to_empty(device="cpu").load_state_dict(whole.state_dict(), strict=False)
    assert missing == []
    assert unexpected == ["fc.linear.weight", "fc.linear.bias"]
