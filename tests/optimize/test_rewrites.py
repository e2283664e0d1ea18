import copy

import pytest
import torch
from torch import nn

from inceptionlab import build, build_node, create_model, get_spec, list_models
from inceptionlab.errors import ConfigError, ExportError
from inceptionlab.exporting import optimizing
from inceptionlab.exporting.optimizing import optimize
from inceptionlab.nn.layers.branches import Chain
from inceptionlab.nn.layers.conv import ConvNormAct
from inceptionlab.nn.layers.residual import Residual
from inceptionlab.optimization.exactness import EXACT, FOR_ENGINES, check, exact
from inceptionlab.optimization.merging import Fused
from inceptionlab.optimization.packing import PackedConv
from inceptionlab.optimization.slicing import Sliced
from inceptionlab.spec import Concat, Conv, Norm, Pool, Seq
from inceptionlab.spec import Residual as ResidualNode


def with_statistics(model):
    """The model with random batch-norm statistics and affine values, as after training."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            if module.affine:
                if module.weight is not None:  # or it learns a bias alone
                    nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
                nn.init.normal_(module.bias, 0, 0.1, generator=generator)
    return model.eval()


def small_enough(name):
    """The network of a name at a size that tests can afford, with its own stem."""
    spec = get_spec(name)
    size = 224 if name == "googlenet.gray" or "gray" in name else min(spec.input.height, 128)
    return spec.without_aux().resized(size)


@pytest.mark.parametrize("name", list_models())
def test_every_member_keeps_its_outputs(name):
    model = with_statistics(build(small_enough(name)))
    x = torch.randn(2, *model.spec.input.shape)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.inference_mode():
        wanted = model(x)
        for fast in (exact(model), exact(model, FOR_ENGINES)):
            assert check(model, fast, x) <= 1e-5
        error = float((optimize(model, x)(x) - wanted).abs().max() / wanted.abs().max())
    assert error <= 1e-5
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())  # the model is untouched


def parts(module, kind):
    return [part for part in module.modules() if isinstance(part, kind)]


def test_nothing_is_left_that_could_be_folded():
    for name, left in (("inception_v3", 0), ("inception_resnet_v2", 0), ("xception", 0), ("inception_next_atto", 0)):
        model = create_model(name, stem="imagenet", aux=True)
        fast = exact(model)
        assert len(parts(fast, nn.BatchNorm2d)) == left, name
        assert not parts(fast, nn.Dropout)
        assert "aux" not in dict(fast.named_children())


def test_every_rewrite_alone_keeps_the_outputs():
    block = Concat(
        one=Conv(8), three=Seq(Conv(4), Conv(8, 3)), pool=Seq(Pool("avg", count_pad=True), Conv(6)),
        nested=Seq(Concat(a=Conv(3), b=Conv(4, 3))),
    )  # fmt: skip
    node = ResidualNode(Seq(block, Conv(16, norm=None, act=None)), 0.17, act="relu")
    module = with_statistics(build_node(Seq(Norm(), Conv(16, 3, pad="valid", norm=None), node, Conv(16), Norm()), 16))
    x = torch.randn(2, 16, 9, 9)
    wanted = module(x)
    for name in EXACT:
        assert torch.allclose(exact(module, (name,))(x), wanted, rtol=1e-4, atol=1e-5), name
    whole = exact(module)
    assert torch.allclose(whole(x), wanted, rtol=1e-4, atol=1e-5)
    assert [part.scale for part in parts(whole, Residual)] == [1.0]
    (fused,) = parts(whole, Fused)
    assert fused.branches.widths == [8, 4, 6]  # the average's convolution is one of the siblings


@pytest.mark.parametrize("count_pad", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_an_average_changes_places_with_its_convolution(count_pad, bias):
    chain = build_node(Seq(Pool("avg", count_pad=count_pad), Conv(5, norm=None, bias=bias)), 8).eval()
    x = torch.randn(2, 8, 7, 7)
    changed = exact(chain, ("exchanged",))
    assert isinstance(next(changed.children()), ConvNormAct)
    assert torch.allclose(changed(x), chain(x), atol=1e-6)


def test_what_cannot_change_places_stays():
    for node in (Seq(Pool("max"), Conv(5)), Seq(Pool("avg", 2, 2, "valid"), Conv(5)), Seq(Pool("avg"), Conv(5, 3))):
        chain = exact(build_node(node, 8).eval(), ("folded_norm", "exchanged"))
        assert isinstance(chain, Chain)
        assert not isinstance(next(chain.children()), ConvNormAct)


@pytest.mark.parametrize("act", ["relu", "gelu", "silu", "hardswish", "tanh", None])
def test_packed_convolutions_activate_as_plain_ones(act):
    model = with_statistics(build_node(Seq(Conv(8, 3, act=act), ResidualNode(Conv(8, 3, act=None))), 4))
    x = torch.randn(2, 4, 9, 9)
    fast = optimize(model, x)
    assert parts(fast, PackedConv)
    assert torch.allclose(fast(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_is_near(precision):
    model = with_statistics(create_model("inception_net"))
    x = torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        out, wanted = optimize(model, x, precision)(x), model(x)
    assert out.dtype == torch.float32
    assert float((out - wanted).abs().max() / wanted.abs().max()) < 0.05


def test_large_maps_go_in_slices():
    model = with_statistics(create_model("googlenet.torchvision", stem="imagenet", aux=False))
    x = torch.randn(5, 3, 224, 224)
    fast = optimize(model, x[:1])
    (part,) = parts(fast, Sliced)
    assert 1 < part.count < 5  # the last slice is a smaller one
    with torch.inference_mode():
        assert torch.allclose(fast(x), model(x), rtol=1e-4, atol=1e-4)
        assert torch.allclose(fast(x[:1]), model(x[:1]), rtol=1e-4, atol=1e-4)


def test_an_optimised_network_can_be_copied_and_takes_other_sizes():
    model = with_statistics(create_model("small_fast"))
    fast = optimize(model, torch.randn(2, 3, 32, 32))
    for x in (torch.randn(3, 3, 32, 32), torch.randn(2, 3, 48, 40)):
        with torch.inference_mode():
            assert torch.allclose(copy.deepcopy(fast)(x), model(x), rtol=1e-4, atol=1e-4)


def test_eight_bits_from_a_module():
    model = with_statistics(create_model("small_fast"))
    x = torch.randn(16, 3, 32, 32)
    out = optimize(model, x, "int8")(x[:5])
    assert out.shape == (5, 10)
    with torch.inference_mode():
        assert float((out - model(x[:5])).norm() / model(x[:5]).norm()) < 0.3


def test_norms_without_statistics_and_other_norms_are_left():
    spec = get_spec("inception_net | norm(group)")
    model = build(spec).eval()
    x = torch.randn(2, 3, 32, 32)
    assert parts(exact(model), nn.GroupNorm)
    assert torch.allclose(optimize(model, x)(x), model(x), rtol=1e-4, atol=1e-5)


def test_what_differs_is_refused():
    model = create_model("inception_net").eval()
    x = torch.randn(2, 3, 32, 32)
    with pytest.raises(ExportError, match="this is a bug"):
        check(model, lambda y: model(y) + 1, x)
    with pytest.raises(ConfigError, match="give fp32, bf16, fp16 or int8"):
        optimize(model, x, "int4")


def forgetting(pass_):
    """A pass that loses a bias, or adds one where there is none."""

    def broken(*arguments):
        result = pass_(*arguments)
        for part in result.modules():
            if isinstance(part, PackedConv):
                part.bias = torch.full((len(part.bias),), 10.0) if part.bias is not None else None
        return result

    return broken


@pytest.mark.parametrize("name", ["packed", "prepack_weights", "sliced"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_returned_is_checked_not_what_came_before_it(monkeypatch, name, precision):
    model = with_statistics(create_model("inception_net"))
    x = torch.randn(1, 3, 32, 32)
    optimize(model, x, precision)
    monkeypatch.setattr(optimizing, name, forgetting(getattr(optimizing, name)))
    with pytest.raises(ExportError, match="differs by"):
        optimize(model, x, precision)


def test_every_way_through_is_checked(monkeypatch):
    """A pass may be wrong for a lone image only, or for a batch in slices only."""
    model, x = with_statistics(create_model("small_fast")), torch.randn(1, 3, 32, 32)
    single, forward = PackedConv.forward, Sliced.forward

    def wrong_alone(self, x, other=None):
        return single(self, x, other) + (len(x) == 1)

    def wrong_in_slices(self, x):
        return forward(self, x) + (len(x) > self.count)

    for kind, wrong, example in (
        (PackedConv, wrong_alone, torch.randn(4, 3, 32, 32)), (Sliced, wrong_in_slices, x),
        (Sliced, wrong_in_slices, torch.randn(2, 3, 32, 32)),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(kind, "forward", wrong)
            with pytest.raises(ExportError, match="differs by"):
                optimize(model, example)


def test_a_network_whose_values_do_not_fit_fp16_is_refused_in_it():
    model = with_statistics(create_model("small_fast"))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.mul_(100)
    with pytest.raises(ExportError, match="do not suit fp16: give another precision"):
        optimize(model, torch.randn(2, 3, 32, 32), "fp16")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_local_response_norms_run_in_lower_precision(precision):
    model = build(get_spec("googlenet.paper").without_aux().resized(96)).eval()
    x = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        assert torch.allclose(optimize(model, x, precision)(x), model(x), rtol=0.1, atol=0.02)


def test_a_check_leaves_every_module_in_its_own_mode():
    model = create_model("small_fast").train()
    frozen = parts(model, nn.BatchNorm2d)[:2]
    for norm in frozen:
        norm.eval()
    optimize(model, torch.randn(2, 3, 32, 32))
    assert model.training
    assert [norm.training for norm in parts(model, nn.BatchNorm2d)[:3]] == [False, False, True]
    with pytest.raises(ExportError):
        check(model, lambda x: model(x) + 1, torch.randn(2, 3, 32, 32))
    assert [norm.training for norm in frozen] == [False, False]
