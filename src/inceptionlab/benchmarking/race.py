"""The benchmark: contestants in interleaved rounds, medians with intervals, shares of what the machine can do.

Rounds are interleaved so that a busy moment slows everyone; a matrix multiplication runs in each round, and where its
time spreads too far the machine is too noisy for a comparison.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from inceptionlab.errors import RunError
from inceptionlab.exporting.engines import DTYPES

Work = Callable[[], object]
NOISE = 0.25
"""Largest distance of the quartiles of the multiplication's time over its median."""
SIDE = 1536


@dataclass(frozen=True, slots=True)
class Contestant:
    """Something that does the same work another way: `run` is one pass over `batch` pictures."""

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


@dataclass(slots=True)
class Machine:
    """What a machine can do: GFLOP/s of a matrix multiplication by precision, GB/s of a copy."""

    peaks: dict[str, float]
    bandwidth: float
    threads: int
    device: str = ""
    noise: float = 0.0

    def at_best(self, other: Machine) -> None:
        """Take over what another measurement found to be more: a busy moment makes a peak smaller, never larger."""
        self.peaks = {name: max(peak, other.peaks.get(name, 0.0)) for name, peak in self.peaks.items()}
        self.bandwidth = max(self.bandwidth, other.bandwidth)


@dataclass(slots=True)
class Measured:
    """Times of a contestant in seconds, one a round."""

    contestant: Contestant
    times: list[float] = field(default_factory=list[float])

    @property
    def median(self) -> float:
        """Seconds of a pass."""
        return float(np.median(self.times))

    @property
    def gflops(self) -> float:
        """Billions of multiplications and additions a second."""
        c = self.contestant
        return 2e-9 * c.macs * c.batch * c.passes / self.median


def measured_machine(device: torch.device, precisions: Sequence[str]) -> Machine:
    """Measure the peaks of a device: the best of some multiplications and copies."""
    peaks: dict[str, float] = {}
    for precision in precisions:
        dtype = DTYPES.get(precision)
        if dtype is not None:
            a, b = (torch.ones(SIDE, SIDE, dtype=dtype, device=device) for _ in range(2))
            best = min(seconds(lambda a=a, b=b: torch.mm(a, b), device) for _ in range(8))
            peaks[precision] = 2e-9 * SIDE**3 / best
    x = torch.ones(1 << 26, device=device)
    y = torch.empty_like(x)
    copy = min(seconds(lambda: y.copy_(x), device) for _ in range(5))
    return Machine(peaks, 2e-9 * x.numel() * 4 / copy, torch.get_num_threads())


def seconds(work: Work, device: torch.device) -> float:
    """How long some work takes, until the device is done with it."""
    _settle(device)
    began = time.perf_counter()
    work()
    _settle(device)
    return time.perf_counter() - began


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def race(
    contestants: Sequence[Contestant], device: torch.device, rounds: int = 15,
    step: Callable[[int], None] = lambda _: None, noisy: bool = False, machine: Machine | None = None,
) -> tuple[list[Measured], float]:  # fmt: skip
    """(the times of every contestant in interleaved rounds, after two that warm up; the noise of the machine).

    The peak of `machine` is raised to the fastest of the multiplications between the rounds. Raises `RunError` where
    the machine is too noisy for a comparison, unless `noisy` is allowed.
    """
    found = [Measured(contestant) for contestant in contestants]
    square, control = torch.ones(SIDE, SIDE, device=device), list[float]()
    for number in range(rounds + 2):
        step(number)
        order = found if number % 2 else found[::-1]
        for one in order:
            took = seconds(one.contestant.run, device)
            if number > 1:
                one.times.append(took)
        control.append(min(seconds(lambda: torch.mm(square, square), device) for _ in range(3)))
    if machine is not None:
        machine.at_best(Machine({"fp32": 2e-9 * SIDE**3 / min(control)}, 0.0, machine.threads))
    low, middle, high = np.quantile(control[2:], [0.25, 0.5, 0.75])
    noise = float((high - low) / middle)
    if noise > NOISE and not noisy:
        raise RunError(
            f"this machine is too noisy for a comparison: the time of one and the same multiplication spreads by "
            f"{noise:.0%} between its quartiles ({NOISE:.0%} is allowed); stop other programs, or give --noisy"
        )
    return found, noise


def ratio(base: Measured, one: Measured) -> tuple[float, float, float]:
    """(how many times as many pictures a second as the base, with the 95 % interval over rounds by the bootstrap)."""
    a = np.array(base.times) / base.contestant.batch
    b = np.array(one.times) / one.contestant.batch
    picks = np.random.default_rng(0).integers(0, len(a), (2000, len(a)))
    ratios = np.median(a[picks], 1) / np.median(b[picks], 1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(np.median(a) / np.median(b)), float(low), float(high)


def as_records(found: Sequence[Measured], machine: Machine) -> list[dict[str, Any]]:
    """A row a contestant, the first being the base of the ratios."""
    rows: list[dict[str, Any]] = []
    for one in found:
        c = one.contestant
        times, peak = np.array(one.times), machine.peaks.get(c.precision)
        faster, low, high = ratio(found[0], one)
        rows.append({
            "name": c.name, "precision": c.precision, "batch": c.batch, "p50_ms": 1e3 * one.median,
            "p95_ms": 1e3 * float(np.quantile(times, 0.95)), "images_per_second": c.batch / one.median,
            "ratio": faster, "low": low, "high": high, "gflops": one.gflops,
            "share_of_peak": one.gflops / peak if peak else None, "ours": c.ours,
        })  # fmt: skip
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    heads = (
        "contestant",
        "precision",
        "batch",
        "p50 ms",
        "p95 ms",
        "img/s",
        "times the first (95 %)",
        "GFLOP/s",
        "of peak",
    )
    lines = ["| " + " | ".join(heads) + " |", "|---|---|---:|---:|---:|---:|---|---:|---:|"]
    for row in rows:
        share = f"{row['share_of_peak']:.0%}" if row["share_of_peak"] else ""
        lines.append(
            f"| {row['name']} | {row['precision']} | {row['batch']} | {row['p50_ms']:.1f} | {row['p95_ms']:.1f} | "
            f"{row['images_per_second']:.1f} | {row['ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f}) | "
            f"{row['gflops']:.0f} | {share} |"
        )
    return "\n".join(lines)


def roofline_svg(rows: Sequence[dict[str, Any]], machine: Machine, intensity: float) -> str:
    """GFLOP/s of every contestant below the roof of the machine, at the arithmetic a byte of the network (its maps
    written and read once, its weights read once).
    """
    from inceptionlab.report.charts import BLUE, GREY, ORANGE, figure_svg

    def plot(axes: Any) -> None:
        x = np.logspace(-1, 3.2, 60)
        for precision, peak in machine.peaks.items():
            axes[0].plot(x, np.minimum(peak, x * machine.bandwidth), color=GREY, linewidth=1)
            axes[0].annotate(f"{precision} {peak:.0f}", (x[-1], peak), color=GREY, fontsize=8, ha="right", va="bottom")
        for row in rows:
            axes[0].plot([intensity], [row["gflops"]], "o", color=BLUE if row["ours"] else ORANGE)
        axes[0].set(xscale="log", yscale="log", xlabel="FLOP a byte", ylabel="GFLOP/s")
        names = [f"{row['name']}, {row['precision']}" for row in rows]
        places = range(len(rows))[::-1]
        axes[1].barh(list(places), [row["ratio"] for row in rows], color=[BLUE if r["ours"] else ORANGE for r in rows])
        axes[1].set(yticks=list(places), yticklabels=names, xlabel="times the first")

    return figure_svg(12, 1.4 + 0.42 * max(5, len(rows)), 2, plot)
