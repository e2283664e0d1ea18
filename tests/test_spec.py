import pytest

from inceptionlab import Input, Network, SpecError
from inceptionlab.spec import (
    NODES,
    Attention,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    Ghost,
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
        (lambda: Residual(Conv(8), drop_path=1.5), "probability"),
        (lambda: Attention("cba"), "did you mean 'cbam'"),
        (lambda: Ghost(8, ratio=1), "ratio"),
        (lambda: Concat(), "has no branch"),
        (lambda: Seq("Conv(8)"), "is not a node"),
    ],
)
def test_meaningless_values_are_refused_in_a_sentence(make, words):
    with pytest.raises(SpecError, match=words.replace("(", r"\(").replace("?", r"\?")):
        make()


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
