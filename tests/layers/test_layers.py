import pytest
import torch
from jaxtyping import TypeCheckError
from torch import nn
from torch.nn import functional as F

from inceptionlab import build_node
from inceptionlab.analysis.geometry import measure_node
from inceptionlab.nn.layers.pool import DilatedPool
from inceptionlab.nn.layers.residual import StochasticDepth
from inceptionlab.spec import LRN, Attention, Conv, Ghost, Norm, Pool, Product, Residual, Seq, Split, Sum


def test_tf_padding_is_tensorflows():
    x = torch.randn(1, 3, 8, 8)
    module = build_node(Conv(4, 3, 2, pad="tf", norm=None, act=None), 3)
    expected = F.conv2d(F.pad(x, (0, 1, 0, 1)), module.conv.weight, module.conv.bias, stride=2)
    torch.testing.assert_close(module(x), expected)


def test_tf_pools_do_not_count_or_win_by_padding():
    x = -torch.rand(1, 2, 5, 6) - 1
    assert build_node(Pool("max", 3, 2, pad="tf"), 2)(x).max() < -1 + 1e-6
    ones = torch.ones(1, 2, 5, 6)
    assert torch.all(build_node(Pool("avg", 3, 1, pad="tf"), 2)(ones) == 1)


def test_the_border_of_an_average_is_said():
    ones = torch.ones(1, 1, 3, 3)
    assert build_node(Pool("avg", count_pad=True), 1)(ones)[0, 0, 0, 0] == pytest.approx(4 / 9)
    assert build_node(Pool("avg"), 1)(ones)[0, 0, 0, 0] == 1


@pytest.mark.parametrize("size", [6, 7, 8, 9])
def test_the_last_window_of_a_dilated_pool_may_hang_over(size):
    x = torch.randn(2, 3, size, size + 3)
    for stride, pad in ((2, "valid"), (3, 1), (2, "same")):
        pool = Pool("max", 3, stride, pad, ceil=True, dilation=2)
        padding = {"valid": 0, "same": 1}.get(pad, pad)  # torch allows half of the kernel, not of its reach
        if pad != "same":
            torch.testing.assert_close(build_node(pool, 3)(x), F.max_pool2d(x, 3, stride, padding, 2, ceil_mode=True))
        for count_pad in (False, True):
            plain = Pool("avg", 3, stride, padding, ceil=True, count_pad=count_pad)
            theirs = F.avg_pool2d(x, 3, stride, padding, ceil_mode=True, count_include_pad=count_pad)
            torch.testing.assert_close(DilatedPool(plain)(x), theirs)
        for kind in ("max", "avg"):
            pool = Pool(kind, 3, stride, pad, ceil=True, dilation=2)
            assert build_node(pool, 3)(x).shape[1:] == measure_node(pool, x.shape[1:]).output


def test_fusions():
    x = torch.randn(2, 3, 4, 4)
    for make, op in ((Sum, torch.add), (Product, torch.mul)):
        module = build_node(make(a=Conv(3, norm=None), b=Conv(3, 3, norm=None)), 3)
        torch.testing.assert_close(module(x), op(module.a(x), module.b(x)))
    module = build_node(Split(keep=Seq(), other=Conv(1, norm=None), share=0.34), 3)
    assert torch.equal(module(x)[:, :2], x[:, :2])


def test_residual_scales_its_body():
    x = torch.randn(2, 4, 3, 3)
    module = build_node(Residual(Conv(4, norm=None, act=None), scale=0.2, act=None, gamma=0.5), 4)
    body = F.conv2d(x, module.body.get_submodule("0").conv.weight, module.body.get_submodule("0").conv.bias)
    torch.testing.assert_close(module(x), x + 0.2 * 0.5 * body)


def test_drop_path_drops_whole_images_and_keeps_the_mean():
    layer, x = StochasticDepth(0.25), torch.ones(4000, 1, 2, 2)
    y = layer(x)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert y.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(layer.eval()(x), x)


def test_ghost_keeps_the_first_maps():
    module = build_node(Ghost(5, 3, norm=None, act=None), 3)
    x = torch.randn(1, 3, 6, 6)
    assert torch.equal(module(x)[:, :3], module.primary(x))
    assert module(x).shape[1] == 5


def test_a_dilated_ghost_is_a_dilated_convolution_and_dilated_cheap_filters():
    module = build_node(Ghost(8, 3, 2, norm=None, act=None, dilation=2, cheap_dilation=(1, 3)), 3)
    x = torch.randn(2, 3, 11, 11)
    first, cheap = module.primary.conv, module.cheap.conv
    maps = F.conv2d(x, first.weight, first.bias, 2, padding=2, dilation=2)
    more = F.conv2d(maps, cheap.weight, cheap.bias, 1, padding=(1, 3), dilation=(1, 3), groups=4)
    torch.testing.assert_close(module(x), torch.cat([maps, more], 1))


@pytest.mark.parametrize("kind", ["se", "eca", "cbam"])
def test_attention_is_a_gate_between_0_and_1(kind):
    module = build_node(Attention(kind, reduction=4), 16)
    x = torch.rand(2, 16, 5, 5) + 0.1
    ratio = module(x) / x
    assert ratio.min() > 0
    assert ratio.max() < 1


def test_channel_norm_is_layer_norm_over_channels():
    x = torch.randn(2, 6, 3, 3)
    expected = F.layer_norm(x.permute(0, 2, 3, 1), (6,), eps=1e-6).permute(0, 3, 1, 2)
    torch.testing.assert_close(build_node(Norm("layer", eps=1e-6), 6)(x), expected)


def test_group_norm_takes_the_groups_that_divide():
    module = build_node(Norm("group", groups=32), 80)
    assert isinstance(module, nn.GroupNorm)
    assert module.num_groups == 20


def test_lrn_is_torchs():
    module = build_node(LRN(5), 8)
    assert (module.size, module.alpha, module.beta, module.k) == (5, 1e-4, 0.75, 1.0)


def test_shapes_in_signatures_are_checked_in_tests():
    with pytest.raises(TypeCheckError, match="b c h w"):
        StochasticDepth(0.5)(torch.zeros(3, 3))
