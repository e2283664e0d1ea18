from functools import reduce

import pytest

from inceptionlab import Input, Network, SpecError
from inceptionlab.decoding import Count, fit
from inceptionlab.errors import ConfigError
from inceptionlab.spec import (
    LRN,
    NODES,
    Attention,
    Block,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    Ghost,
    Linear,
    Norm,
    Pool,
    Product,
    Residual,
    Seq,
    Split,
    Sum,
)  # fmt: skip


def test_the_vocabulary_is_closed_and_small():
    assert len(NODES) == 17


def test_equal_specs_compare_and_hash_alike():
    a, b = (Concat(one=Conv(64), five=Seq(Conv(48), Conv(64, 5))) for _ in range(2))
    assert a == b
    assert hash(a) == hash(b)
    assert a != Concat(one=Conv(64), five=Seq(Conv(48), Conv(64, 3)))
    assert Concat(Conv(4)) != Sum(Conv(4))


def test_different_ways_to_write_the_same_value_are_equal():
    assert Conv(8, (3, 3), (2, 2)) == Conv(8, 3, 2)
    assert Conv(8, norm="batch") == Conv(8, norm=Norm("batch"))


def test_specs_print_as_they_are_written():
    block = Concat(one=Conv(64), pool=Seq(Pool("avg"), Conv(32, norm=None)))
    assert repr(block) == "Concat(one=Conv(64), pool=Seq(Pool('avg'), Conv(32, norm=None)))"
    assert repr(Split(Seq(), Depthwise(3), share=0.25)) == "Split(Seq(), Depthwise(3), share=0.25)"


def test_specs_are_frozen():
    with pytest.raises(AttributeError):
        Conv(8).out = 9


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Conv(0), "out=0"),
        (lambda: Conv(8, 0), "kernel=0"),
        (lambda: Conv(8, act="rely"), "did you mean 'relu'"),
        (lambda: Conv(8, norm="bach"), "did you mean 'batch'"),
        (lambda: Conv(8, pad="sane"), "did you mean 'same'"),
        (lambda: Pool("mean"), "known are max, avg"),
        (lambda: Pool("max", 3, pad=2), "more than half"),
        (lambda: Dropout(1.0), "0 <= p < 1"),
        (lambda: Residual(Conv(8), stochastic_depth=1.5), "probability"),
        (lambda: Attention("cba"), "did you mean 'cbam'"),
        (lambda: Ghost(8, ratio=1), "ratio"),
        (lambda: Concat(), "has no branch"),
        (lambda: Seq("Conv(8)"), "is not a node"),
        (lambda: Seq(Conv(8), **{"0": Conv(8)}), "stands twice"),
        (lambda: Seq(**{"a.b": Conv(8)}), "without dots"),
        (lambda: Seq(**{"a\n": Conv(8)}), "without dots"),
        (lambda: Seq(share=Conv(8)), "dealt out by Split"),
        (lambda: Concat(Conv(8), stochastic_depth=Conv(8)), "give a number"),
        (lambda: Concat(Conv(8), stochastic_depth=1.0), "0 <= p < 1"),
        (lambda: Split(Conv(8), share=1.5), "share=1.5"),
        (lambda: Conv(True), "out=True"),
        (lambda: Conv(8.0), "out=8.0"),
        (lambda: Conv(10**9), "of at most 65536"),
        (lambda: Conv(8, (3, 3, 3)), "kernel="),
        (lambda: Conv(8, pad=-1), "pad=-1"),
        (lambda: Conv(8, groups=0), "groups=0"),
        (lambda: Conv(8, norm=3), "norm=3"),
        (lambda: Conv(8, bias=1), "bias=1"),
        (lambda: Norm(eps=float("nan")), "eps=nan"),
        (lambda: Norm(eps=-1e-3), "above 0"),
        (lambda: Norm(momentum=2), "of at most 1"),
        (lambda: LRN(alpha=float("inf")), "alpha=inf"),
        (lambda: Dropout("x"), "p='x'"),
        (lambda: Dropout(float("nan")), "p=nan"),
        (lambda: Residual(3), "body=3"),
        (lambda: Residual(Conv(8), scale=float("nan")), "scale=nan"),
        (lambda: Residual(Conv(8), shortcut="aut"), "shortcut='aut'"),
        (lambda: Attention("cbam", kernel=4), "odd"),
        (lambda: Attention("se", reduction=0), "reduction=0"),
        (lambda: Ghost(8, cheap=2), "odd"),
        (lambda: Linear(-1), "out=-1"),
        (lambda: Block(3), "a function"),
        (lambda: Input(3, 0, 32), "height=0"),
        (lambda: Input(std=(0.0,)), "std="),
        (lambda: Input(crop=float("nan")), "crop=nan"),
        (lambda: Input(order="GBR"), "order='GBR'"),
        (lambda: Network("n", Conv(8), Seq(), Seq()), "give a Seq"),
        (lambda: Network("n", Seq(), Seq(), Seq(), aux=[3]), "aux="),
    ],
)
def test_meaningless_values_are_refused_in_a_sentence(make, words):
    with pytest.raises(SpecError, match=words.replace("(", r"\(").replace("?", r"\?")):
        make()


def test_sizes_are_decoded_member_by_member():
    """msgspec 0.22 ends the process where a number with a range and a tuple meet in a union."""
    assert fit([1, 3], Count | tuple[Count, Count], "size") == (1, 3)
    assert fit(3, Count | tuple[Count, Count], "size") == 3
    with pytest.raises(ConfigError, match="size = \\[1, 0\\]: give a whole number"):
        fit([1, 0], Count | tuple[Count, Count], "size")


def test_a_tree_is_no_deeper_and_no_larger_than_networks_are():
    def grown(by):
        return reduce(lambda node, _: by(node), range(100), Conv(8))

    with pytest.raises(SpecError, match="more than 64 levels"):
        grown(lambda node: Residual(Seq(node)))
    with pytest.raises(SpecError, match="more than 50,000 nodes"):
        grown(lambda node: Seq(node, node))


def test_a_norm_is_a_node_or_none_however_it_is_given():
    assert Conv(8).norm == Conv(8, norm="batch").norm == Norm()
    assert Depthwise(3, norm="group").norm == Norm("group")
    assert Ghost(8, norm=None).norm is None


def test_windows_say_what_slides():
    window = Conv(8, (1, 7), 2, "tf", dilation=3).window
    assert (window.kernel, window.stride, window.pad, window.dilation) == ((1, 7), (2, 2), "tf", (3, 3))
    assert Ghost(8, cheap=5, cheap_dilation=2).cheap_window.kernel == (5, 5)


def test_a_network_prints_in_a_few_lines():
    network = Network("n", Seq(conv1=Conv(4)), Seq(), Seq(fc=Linear()), classes=3)
    assert repr(network) == "<Network 'n': 3x224x224 to 3 classes; stem conv1; head fc>"


def test_top_level_names_are_unique():
    with pytest.raises(SpecError, match="stands twice"):
        Network("n", Seq(a=Conv(4)), Seq(a=Conv(4)), Seq())


def test_product_and_sum_hold_their_kind():
    assert Product(Conv(4)).how == "product"
    assert Sum(Conv(4)).how == "sum"


def test_an_input_has_a_mean_a_channel():
    assert Input(2).mean == (0.5, 0.5)
    with pytest.raises(SpecError, match="mean has 3 values for 1 channels"):
        Input(1, mean=(0.1, 0.2, 0.3))
