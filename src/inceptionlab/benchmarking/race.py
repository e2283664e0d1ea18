"""A race: candidates in interleaved rounds, medians with intervals.

Rounds are interleaved so that a busy moment slows everyone; a matrix multiplication runs in each round, and where its
time spreads too far the machine is too noisy for a comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from inceptionlab.benchmarking.timing import Work, seconds
from inceptionlab.errors import MeasurementError

NOISE = 0.25
"""Largest distance of the quartiles of the multiplication's time over its median."""
SIDE = 1536
"""Side of the matrices that are multiplied in each round."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that does the same work another way: `run` is one pass over `batch` images."""

    name: str
    run: Work
    batch: int
    macs: int
    precision: str = "fp32"
    ours: bool = True
    passes: int = 1
    """1: inference; 3: a training step, which multiplies about three times as much."""
    peak: Callable[[], int | None] | None = None
    """Runs once and gives the bytes it took at most, where `run` works in another process."""
    close: Work = lambda: None
    """Called when nothing is measured any more."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of a candidate in seconds, one per round."""

    candidate: Candidate
    times: list[float] = field(default_factory=list[float])

    @property
    def median(self) -> float:
        """Seconds of a pass."""
        return float(np.median(self.times))

    @property
    def gflops(self) -> float:
        """Billions of multiplications and additions per second."""
        c = self.candidate
        return 2e-9 * c.macs * c.batch * c.passes / self.median


@dataclass(frozen=True, slots=True)
class Race:
    """The times of every candidate, the noise of the machine, and the GFLOP/s of its fastest multiplication."""

    timings: tuple[Timing, ...]
    noise: float
    gflops: float


def race(
    candidates: Sequence[Candidate], device: torch.device, rounds: int = 15,
    step: Callable[[int], None] = lambda _: None, noisy: bool = False,
) -> Race:  # fmt: skip
    """Measure every candidate in interleaved rounds, after two that warm up; `step` is told the number of each.

    Raises `MeasurementError` where the machine is too noisy for a comparison, unless `noisy` is allowed.
    """
    found = tuple(Timing(candidate) for candidate in candidates)
    square, control = torch.ones(SIDE, SIDE, device=device), list[float]()
    for number in range(rounds + 2):
        step(number)
        order = found if number % 2 else found[::-1]
        for one in order:
            took = seconds(one.candidate.run, device)
            if number > 1:
                one.times.append(took)
        control.append(min(seconds(lambda: torch.mm(square, square), device) for _ in range(3)))
    low, middle, high = np.quantile(control[2:], [0.25, 0.5, 0.75])
    noise = float((high - low) / middle)
    if noise > NOISE and not noisy:
        raise MeasurementError(
            f"this machine is too noisy for a comparison: the time of one and the same multiplication spreads by "
            f"{noise:.0%} between its quartiles ({NOISE:.0%} is allowed); stop other programs, or give --noisy"
        )
    return Race(found, noise, 2e-9 * SIDE**3 / min(control))


def ratio(baseline: Timing, one: Timing) -> tuple[float, float, float]:
    """(times as many images per second as the baseline, low, high), a 95 % interval by the bootstrap over rounds."""
    a = np.array(baseline.times) / baseline.candidate.batch
    b = np.array(one.times) / one.candidate.batch
    picks = np.random.default_rng(0).integers(0, len(a), (2000, len(a)))
    ratios = np.median(a[picks], 1) / np.median(b[picks], 1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(np.median(a) / np.median(b)), float(low), float(high)
