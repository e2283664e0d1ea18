import pytest

from inceptionlab import SpecError, get_spec
from inceptionlab.spec import Concat, Conv, Pool, Residual, Seq
from inceptionlab.spec.tree import find, matches, rewrite, walk

BLOCK = Concat(one=Conv(8), pool=Seq(Pool("max"), Conv(4)))


def test_walking_gives_addresses_parents_first():
    assert [path for path, _ in walk(BLOCK)] == ["", "one", "pool", "pool.0", "pool.1"]


def test_finding_by_address():
    assert find(get_spec("inception_v3"), "mixed5b.double3x3.1") == find(
        get_spec("inception_v3"), "mixed5c.double3x3.1"
    )
    with pytest.raises(SpecError, match=r"did you mean 'mixed5b\.pool'"):
        find(get_spec("inception_v3"), "mixed5b.poll")


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("**.pool", "mixed5b.pool", True),
        ("**.pool", "pool", True),
        ("**.pool", "a.b.pool.1", False),
        ("*.pool", "a.b.pool", False),
        ("mixed6*.**", "mixed6a.three.0", True),
        ("mixed6*.**", "mixed6a", True),
        ("mixed6*", "mixed6a.three", False),
        ("a.b", "axb", False),
    ],
)
def test_patterns(pattern, path, expected):
    assert matches(pattern, path) is expected


def test_rewriting_nothing_gives_the_same_value():
    node = Residual(BLOCK, shortcut=Conv(12))
    assert rewrite(node, lambda _, n: n) == node


def test_a_chain_put_into_a_chain_becomes_part_of_it():
    chain = Seq(Conv(4), Conv(8, 5))
    doubled = rewrite(chain, lambda _, n: Seq(Conv(8, 3), Conv(8, 3)) if n == Conv(8, 5) else n)
    assert doubled == Seq(Conv(4), Conv(8, 3), Conv(8, 3))
