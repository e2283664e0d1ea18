"""The statistics of comparisons: paired differences with intervals, tests, effect sizes, and a verdict in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Literal, cast

import numpy as np
from scipy import stats as untyped

from inceptionlab.errors import counted

Verdict = Literal["better", "worse", "no difference worth having", "undecided"]
stats = cast(Any, untyped)
"""scipy's types do not say what its tests give."""
LEVEL = 0.05
DIGITS = 12
"""Digits of a difference that are looked at; behind them floats are rounded, which may look the same in all pairs."""
FEWEST = 3
"""Pairs from which a spread is known well enough to say how many more there should be."""
RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Level `b` of a factor compared with level `a` on a metric, over paired runs.

    `difference` is mean(b - a) with its 95 % interval by t; `p` is of the paired t test and `p_corrected` after Holm;
    `wilcoxon` is that of the signed-rank test; `effect` is the mean difference over its standard deviation (d_z of
    Cohen); `more` is about how many more pairs would settle an undecided comparison, None where it is settled and where
    there are fewer than three, whose spread says too little. `unit`
    says what `n` counts: pairs of runs, or the test images of two single runs (then `p` is McNemar's). In an
    `interaction` of two factors, the effect of the second one is compared at two levels of the first.
    """

    factor: str
    a: str
    b: str
    metric: str
    n: int
    difference: float
    low: float
    high: float
    p: float
    p_corrected: float
    wilcoxon: float
    effect: float
    verdict: Verdict
    more: int | None = None
    unit: Literal["pairs", "images"] = "pairs"
    interaction: tuple[str, str] | None = None

    @property
    def what(self) -> str:
        """What is compared with what, in words."""
        if self.interaction:
            first, second = self.interaction
            return f"{second} with {first}={self.b} against with {first}={self.a}"
        return f"{self.factor}: {self.b} against {self.a}"

    @property
    def settling(self) -> str:
        """What would settle an undecided comparison, "" for one that is settled."""
        if self.verdict == "undecided" and self.unit == "pairs" and self.n < FEWEST:
            return f"what would settle it cannot be estimated from {counted(self.n, 'pair')}"
        return f"about {counted(self.more, f'more {self.unit[:-1]}')} would settle it" if self.more else ""

    def __str__(self) -> str:
        change = f"{100 * self.difference:+z.2f} points"
        interval = f"(95 % interval {100 * self.low:+z.2f} to {100 * self.high:+z.2f})" if self.low == self.low else ""
        base = counted(self.n, "pair") if self.unit == "pairs" else f"two single runs on {counted(self.n, 'image')}"
        ending = {"better": "gains", "worse": "loses"}.get(self.verdict, self.verdict)
        settling = f"; {self.settling}" if self.settling else ""
        numbers = f"{change} {interval}".rstrip()
        return f"{self.what}: {ending}, {numbers}, {base}, p {self.p_corrected:.3g} after Holm{settling}"


def bootstrap_mean(values: Sequence[float], seed: int = 0) -> tuple[float, float, float]:
    """(mean, low, high): the mean and its 95 % interval by the percentile bootstrap; nan for a single value."""
    array = np.asarray(values, float)
    if len(array) < 2:
        return float(array.mean()), float("nan"), float("nan")
    found: Any = stats.bootstrap(
        (array,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(seed)
    )
    return float(array.mean()), float(found.confidence_interval.low), float(found.confidence_interval.high)


def compare(
    factor: str, a: str, b: str, metric: str, pairs: Sequence[tuple[float, float]], min_effect: float = 0.0
) -> Comparison:
    """Compare paired values (of a, of b). A difference whose interval lies within ± `min_effect` is not worth having.

    There is no test where there are fewer than two pairs, or all differences are equal. Then p is 1, except that it is
    0 where two or more pairs show the same difference other than zero: chance does not do that to a continuous metric.
    """
    differences = np.array([after - before for before, after in pairs], float).round(DIGITS)
    n, mean = len(differences), float(differences.mean())
    spread = float(differences.std(ddof=1)) if n > 1 else 0.0
    if spread == 0:
        p = 0.0 if n > 1 and mean else 1.0
        low = high = mean if n > 1 else float("nan")
        effect = 0.0 if mean == 0 else float(np.sign(mean)) * float("inf")
        rank = 1.0
    else:
        half = float(stats.t.ppf(1 - LEVEL / 2, n - 1)) * spread / sqrt(n)
        low, high = mean - half, mean + half
        p = float(stats.ttest_1samp(differences, 0.0).pvalue)
        rank = float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0
        effect = mean / spread
    plain = Comparison(factor, a, b, metric, n, mean, low, high, p, p, rank, effect, "undecided")
    return _judged(plain, min_effect, spread)


def compare_images(
    factor: str, a: str, b: str, metric: str, right: tuple[Sequence[bool], Sequence[bool]], min_effect: float = 0.0
) -> Comparison:
    """Compare two single networks by whether each is right on the same images (McNemar, exact).

    The interval is of the difference of two paired shares; the effect is that difference over its deviation.
    """
    first, second = (np.asarray(one, bool) for one in right)
    only_a, only_b, p = mcnemar(right[0], right[1])
    n, difference = len(first), float(second.mean() - first.mean())
    spread = sqrt(max((only_a + only_b) / n - difference**2, 0.0))
    half = float(stats.norm.ppf(1 - LEVEL / 2)) * spread / sqrt(n)
    effect = difference / spread if spread else 0.0
    plain = Comparison(
        factor, a, b, metric, n, difference, difference - half, difference + half, p, p, p, effect, "undecided",
        unit="images",
    )  # fmt: skip
    return _judged(plain, min_effect, spread)


def _judged(comparison: Comparison, min_effect: float, spread: float) -> Comparison:
    """The comparison with a verdict by its corrected p."""
    c = comparison
    if c.n > 1 and c.p_corrected < LEVEL and not abs(c.difference) < min_effect:
        return replace(c, verdict="better" if c.difference > 0 else "worse", more=None)
    if min_effect and c.n > 1 and -min_effect < c.low and c.high < min_effect:
        return replace(c, verdict="no difference worth having", more=None)
    return replace(c, verdict="undecided", more=_more(c, min_effect, spread))


def _more(c: Comparison, min_effect: float, spread: float) -> int | None:
    """How many more pairs would give 80 % power to detect the difference seen, or the smallest one worth having."""
    if c.unit == "pairs" and c.n < FEWEST:
        return None
    size = max(abs(c.difference), min_effect)
    if spread == 0 or size == 0:
        return None
    needed = ((stats.norm.ppf(1 - LEVEL / 2) + stats.norm.ppf(0.8)) * spread / size) ** 2 + 2
    return max(1, int(np.ceil(float(needed))) - c.n)


def holm(comparisons: Sequence[Comparison], min_effect: float = 0.0) -> list[Comparison]:
    """The comparisons with p corrected for their number (Holm 1979) and verdicts by the corrected ones."""
    order = sorted(range(len(comparisons)), key=lambda i: comparisons[i].p)
    corrected: dict[int, float] = {}
    least = 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(comparisons) - rank) * comparisons[i].p))
        corrected[i] = least
    found: list[Comparison] = []
    for i, one in enumerate(comparisons):
        spread = abs(one.difference / one.effect) if one.effect not in (0, float("inf"), float("-inf")) else 0.0
        found.append(_judged(replace(one, p_corrected=corrected[i]), min_effect, spread))
    return found


def mcnemar(first_right: Sequence[bool], second_right: Sequence[bool]) -> tuple[int, int, float]:
    """(only the first right, only the second right, exact two-sided p) of two classifiers on the same images."""
    first, second = np.asarray(first_right, bool), np.asarray(second_right, bool)
    b, c = int((first & ~second).sum()), int((second & ~first).sum())
    p = 1.0 if b + c == 0 else float(stats.binomtest(b, b + c).pvalue)
    return b, c, p


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The indices of points (cost, gain) that no other dominates (costs at most as much and gains at least as much)."""
    return [
        i for i, (cost, gain) in enumerate(points)
        if not any((c <= cost and g >= gain) and (c, g) != (cost, gain) for c, g in points)
    ]  # fmt: skip
