"""What a benchmark found: records, tables in Markdown, a drawing below the machine's roof, files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inceptionlab import storage
from inceptionlab.benchmarking.peaks import MachinePeaks
from inceptionlab.benchmarking.profiling import LayerTimes, profile_table
from inceptionlab.benchmarking.race import Timing, ratio
from inceptionlab.report.figures import BLUE, GREY, ORANGE, figure_svg


@dataclass(frozen=True, slots=True)
class Row:
    """What a candidate came to; `ratio` is how many times as many images per second as the baseline, between `low` and
    `high` with 95 %, `peak_memory` the bytes of its first pass, None where nobody counts them.
    """

    name: str
    precision: str
    batch: int
    p50_ms: float
    p95_ms: float
    images_per_second: float
    ratio: float
    low: float
    high: float
    gflops: float
    share_of_peak: float
    ours: bool
    peak_memory: int | None = None


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """A network in batches of a size: where it was measured, with what, and a row per candidate, the baseline first.

    `peak_gflops` and `peak_by` say for each precision the highest rate of the machine and what had it, `intensity` how
    many multiplications and additions the network does per byte.
    """

    network: str
    batch: int
    input: tuple[int, int, int]
    train: bool
    device: str
    threads: int
    torch: str
    noise: float
    peak_gflops: dict[str, float]
    peak_by: dict[str, str]
    bandwidth_gb: float
    intensity: float
    versions: dict[str, str]
    rows: tuple[Row, ...]
    profile: tuple[LayerTimes, ...] = ()

    def as_markdown(self) -> str:
        """A section with its tables."""
        peaks = ", ".join(f"{name} {value:.0f} ({self.peak_by[name]})" for name, value in self.peak_gflops.items())
        what = "training" if self.train else "inference"
        versions = ", ".join(f"{name} {value}" for name, value in self.versions.items())
        memory = "\n".join(
            f"| {row.name} | {row.precision} | {row.peak_memory / 2**20:.0f} |"
            for row in self.rows if row.peak_memory is not None
        )  # fmt: skip
        where = f"\n\n{profile_table(self.profile, self.peak_gflops.get('fp32'))}" if self.profile else ""
        return (
            f"### {self.network}, {'×'.join(map(str, self.input))}, batch {self.batch}, {what}\n\n"
            f"{self.device}, {self.threads} threads; {versions}; peak, GFLOP/s: {peaks}; noise {self.noise:.0%}\n\n"
            f"{table(self.rows)}\n\n"
            f"| first pass | precision | peak memory, MiB |\n|---|---|---:|\n{memory}{where}"
        )

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(self.as_markdown())}</pre>"


def raised(peaks: MachinePeaks, timings: Iterable[Timing], profile: Iterable[LayerTimes] = ()) -> MachinePeaks:
    """The peaks raised to all that was measured, so that nothing exceeds them."""
    for one in timings:
        peaks = peaks.raised(one.candidate.precision, one.gflops, f"{one.candidate.name}, the whole network")
    for layers in profile:
        peaks = peaks.raised("fp32", layers.gflops, f"{layers.kind} of the network")
    return peaks


def rows_of(
    timings: Sequence[Timing], peaks: MachinePeaks, memory: Mapping[tuple[str, str], int | None] | None = None
) -> tuple[Row, ...]:
    """A row per candidate, the first being the baseline of the ratios; peaks that a candidate exceeds are raised."""
    peaks, rows = raised(peaks, timings), list[Row]()
    for one in timings:
        c, times = one.candidate, np.array(one.times)
        rows.append(
            Row(
                c.name, c.precision, c.batch, 1e3 * one.median, 1e3 * float(np.quantile(times, 0.95)),
                c.batch / one.median, *ratio(timings[0], one), one.gflops,
                one.gflops / peaks.peaks[c.precision].gflops, c.ours, (memory or {}).get((c.name, c.precision)),
            )
        )  # fmt: skip
    return tuple(rows)


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    heads = "candidate | precision | batch | p50 ms | p95 ms | img/s | times the first (95 %) | GFLOP/s | of peak"
    lines = [f"| {heads} |", "|---|---|---:|---:|---:|---:|---|---:|---:|"]
    lines += [
        f"| {row.name} | {row.precision} | {row.batch} | {row.p50_ms:.1f} | {row.p95_ms:.1f} | "
        f"{row.images_per_second:.1f} | {row.ratio:.2f} ({row.low:.2f} to {row.high:.2f}) | "
        f"{row.gflops:.0f} | {row.share_of_peak:.0%} |"
        for row in rows
    ]
    return "\n".join(lines)


def roofline_svg(result: BenchmarkResult) -> str:
    """GFLOP/s of every candidate below the roof of the machine, at the arithmetic of the network per byte (its feature
    maps written and read once, its weights read once).
    """
    rows = result.rows
    names, colours = [f"{row.name}, {row.precision}" for row in rows], [BLUE if row.ours else ORANGE for row in rows]

    def plot(axes: Any) -> None:
        x = np.logspace(-1, 3.2, 60)
        for precision, peak in result.peak_gflops.items():
            axes[0].plot(x, np.minimum(peak, x * result.bandwidth_gb), color=GREY, linewidth=1)
            axes[0].annotate(f"{precision} {peak:.0f}", (x[-1], peak), color=GREY, fontsize=8, ha="right", va="bottom")
        for row, colour in zip(rows, colours, strict=True):
            axes[0].plot([result.intensity], [row.gflops], "o", color=colour)
        axes[0].set(xscale="log", yscale="log", xlabel="FLOP per byte", ylabel="GFLOP/s")
        places = list(range(len(rows))[::-1])
        axes[1].barh(places, [row.ratio for row in rows], color=colours)
        axes[1].set(yticks=places, yticklabels=names, xlabel="times the first")

    return figure_svg(12, 1.4 + 0.42 * max(5, len(rows)), 2, plot)


def as_json(results: Sequence[BenchmarkResult]) -> list[dict[str, Any]]:
    """Plain values of the records."""
    return [asdict(result) for result in results]


def write_results(output: Path, results: Sequence[BenchmarkResult]) -> None:
    """Write OUTPUT.json, OUTPUT.md, and a drawing OUTPUT-NETWORK-BATCH.svg for each result."""
    output.parent.mkdir(parents=True, exist_ok=True)
    storage.write_json(output.with_name(output.name + ".json"), as_json(results))
    sections: list[str] = []
    for result in results:
        drawing = output.with_name(f"{output.name}-{result.network}-{result.batch}.svg")
        storage.write(drawing, roofline_svg(result))
        sections.append(f"{result.as_markdown()}\n\n![below the roof]({drawing.name})")
    storage.write(output.with_name(output.name + ".md"), "\n\n".join(sections) + "\n")
