import math

import numpy as np
import pytest
from scipy import stats

from inceptionlab.studies.statistics import bootstrap_mean, compare, holm, mcnemar, pareto_front

# Student's sleep data (1908): hours gained by ten patients under two drugs; paired, t = 4.062 and p = 0.0028.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_students_sleep_data():
    c = compare("drug", "first", "second", "hours", list(zip(FIRST, SECOND, strict=True)))
    assert c.difference == pytest.approx(1.58)
    assert c.p == pytest.approx(0.00283, abs=1e-5)
    assert (c.low, c.high) == (pytest.approx(0.700, abs=1e-3), pytest.approx(2.460, abs=1e-3))
    assert c.effect == pytest.approx(1.2846, abs=1e-4)
    assert c.wilcoxon == pytest.approx(stats.wilcoxon(SECOND, FIRST).pvalue)
    assert c.verdict == "better"
    back = compare("drug", "second", "first", "hours", list(zip(SECOND, FIRST, strict=True)))
    assert back.verdict == "worse"


def test_undecided_says_how_many_more():
    rng = np.random.default_rng(1)
    pairs = [(a, a + 0.01 + e) for a, e in zip(rng.random(5), (0.03, -0.04, 0.02, -0.03, 0.01), strict=True)]
    c = compare("f", "a", "b", "top1", pairs)
    assert c.verdict == "undecided"
    assert c.more is not None
    assert c.more >= 1
    close = [(a, a + 0.001 * rng.standard_normal()) for a in rng.random(12)]
    assert compare("f", "a", "b", "top1", close, min_effect=0.02).verdict == "no difference worth having"


def test_one_pair_or_no_spread_decides_nothing_by_itself():
    one = compare("f", "a", "b", "top1", [(0.5, 0.9)])
    assert (one.verdict, one.p) == ("undecided", 1.0)
    assert math.isnan(one.low)
    assert compare("f", "a", "b", "top1", [(0.5, 0.5)] * 4).verdict == "undecided"


def test_holm_is_the_textbooks():
    """p of 0.01, 0.04, 0.03 become 0.03, 0.06, 0.06."""
    base = compare("f", "a", "b", "m", list(zip(FIRST, SECOND, strict=True)))
    from dataclasses import replace

    corrected = holm([replace(base, p=p) for p in (0.01, 0.04, 0.03)])
    assert [round(c.p_corrected, 4) for c in corrected] == [0.03, 0.06, 0.06]
    assert [c.verdict for c in corrected] == ["better", "undecided", "undecided"]


def test_two_hundred_null_studies_are_wrong_in_five_of_a_hundred():
    """Levels that are the same network: what differs is noise, shared by pairs and their own."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(200):
        shared = 0.9 + 0.01 * rng.standard_normal(8)
        pairs = [(s + 0.004 * rng.standard_normal(), s + 0.004 * rng.standard_normal()) for s in shared]
        wrong += holm([compare("f", "a", "b", "top1", pairs)])[0].verdict != "undecided"
    assert 0.02 <= wrong / 200 <= 0.08


def test_mcnemar_counts_what_only_one_gets_right():
    first = [True] * 50 + [False] * 30 + [True] * 5 + [False] * 15
    second = [True] * 50 + [False] * 30 + [False] * 5 + [True] * 15
    b, c, p = mcnemar(first, second)
    assert (b, c) == (5, 15)
    assert p == pytest.approx(0.0414, abs=1e-4)
    assert mcnemar(first, first)[2] == 1.0


def test_bootstrap_and_front():
    mean, low, high = bootstrap_mean([0.8, 0.81, 0.79, 0.82, 0.8])
    assert low < mean < high
    assert high - low < 0.03
    assert pareto_front([(1, 0.5), (2, 0.4), (2, 0.7), (3, 0.7)]) == [0, 2]


def test_the_rounding_of_floats_is_no_difference():
    noise = (0.1 + 0.2) - 0.3
    found = compare("f", "a", "b", "top1", [(0.5, 0.5 - noise), (0.7, 0.7 - noise)])
    assert (found.verdict, found.difference, found.p) == ("undecided", 0.0, 1.0)
    assert "-0.00" not in str(found)
