"""What a machine can do at most: the fastest of several primitives in each precision, and of all that was measured.

No single primitive is the fastest everywhere: on some CPUs a matrix multiplication of MKL has half the rate of a
convolution of oneDNN, on others it is the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from inceptionlab.benchmarking.timing import Work, seconds
from inceptionlab.exporting.engines import DTYPES

SIDES = {"cpu": (512, 1024, 1536), "cuda": (2048, 4096, 8192)}
"""Sides of the square matrices that are multiplied."""
CONVOLUTIONS = ((1, 512, 32), (3, 256, 32), (3, 128, 64))
"""Window, channels and side of the maps that are convolved, in batches of 2."""
BATCH = 2
TRIES, SLOW = 3, 0.3
"""Tries of each primitive after one that warms up, of which the fastest counts; one of more seconds has no others."""
UNAVAILABLE = (RuntimeError, NotImplementedError, AttributeError)
"""What torch raises for an operator that it does not have on this device in this precision."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest rate that was seen in a precision, in GFLOP/s, and what had it."""

    gflops: float
    by: str


@dataclass(frozen=True, slots=True)
class MachinePeaks:
    """The peak in each precision, GB/s of a copy, threads."""

    peaks: Mapping[str, Peak]
    bandwidth: float
    threads: int

    def raised(self, precision: str, gflops: float, by: str) -> MachinePeaks:
        """The same with a peak of at least `gflops`: what was measured was possible."""
        known = self.peaks.get(precision)
        if known is not None and known.gflops >= gflops:
            return self
        return replace(self, peaks={**self.peaks, precision: Peak(gflops, by)})

    def with_best_of(self, other: MachinePeaks) -> MachinePeaks:
        """The higher peaks of two measurements: a busy moment makes a peak lower, never higher."""
        best = replace(self, bandwidth=max(self.bandwidth, other.bandwidth))
        for precision, peak in other.peaks.items():
            best = best.raised(precision, peak.gflops, peak.by)
        return best


@dataclass(frozen=True, slots=True)
class Primitive:
    """An operation that does nothing but multiply and add: billions of these, and the work."""

    name: str
    gflop: float
    run: Work


@torch.inference_mode()
def measured_peaks(device: torch.device, precisions: Sequence[str]) -> MachinePeaks:
    """Measure the peaks of a device; a precision that none of the primitives has here is left out."""
    x = torch.ones(1 << 26, device=device)
    y = torch.empty_like(x)
    copy = min(seconds(lambda: y.copy_(x), device) for _ in range(TRIES))
    found = MachinePeaks({}, 2e-9 * x.numel() * x.element_size() / copy, torch.get_num_threads())
    for precision in precisions:
        for make in (_multiplications, _convolutions):
            for primitive in _available(make(device, precision)):
                found = found.raised(precision, rate(primitive, device), primitive.name)
    return found


def rate(primitive: Primitive, device: torch.device) -> float:
    """GFLOP/s of a primitive at its fastest; 0 where torch does not have it."""
    try:
        best = seconds(primitive.run, device)
        for _ in range(TRIES if best < SLOW else 0):
            best = min(best, seconds(primitive.run, device))
    except UNAVAILABLE:
        return 0.0
    return primitive.gflop / best


def _available(primitives: Iterator[Primitive]) -> Iterator[Primitive]:
    """The primitives up to the first that cannot be made here."""
    try:
        yield from primitives
    except UNAVAILABLE:
        return


def _multiplications(device: torch.device, precision: str) -> Iterator[Primitive]:
    dtype = torch.int8 if precision == "int8" else DTYPES[precision]
    multiply: Callable[[Tensor, Tensor], Tensor] = torch.mm
    if precision == "int8":
        multiply = torch._int_mm  # type: ignore[reportPrivateUsage]  # torch's only one that gives sums in 32 bits
    for side in SIDES[device.type]:
        a, b = (torch.ones(side, side, dtype=dtype, device=device) for _ in range(2))
        name = f"multiplication of {side}×{side} matrices"
        yield Primitive(name, 2e-9 * side**3, lambda a=a, b=b: multiply(a, b))


def _convolutions(device: torch.device, precision: str) -> Iterator[Primitive]:
    for window, channels, side in CONVOLUTIONS:
        gflop = 2e-9 * BATCH * (channels * window * side) ** 2
        name = f"convolution {window}×{window} of {channels} channels"
        geometry = [window // 2] * 2, [1, 1], [1, 1], 1
        maps, filters = (BATCH, channels, side, side), (channels, channels, window, window)
        if precision == "int8":
            if device.type == "cpu":
                yield Primitive(f"{name} by oneDNN", gflop, _eight_bits(maps, filters, geometry))
            continue
        x, weight = (
            torch.ones(shape, dtype=DTYPES[precision], device=device).contiguous(memory_format=torch.channels_last)
            for shape in (maps, filters)
        )
        yield Primitive(name, gflop, lambda x=x, weight=weight, g=geometry: F.conv2d(x, weight, None, g[1], g[0]))
        if device.type == "cpu" and torch.backends.mkldnn.is_available():
            yield Primitive(f"{name} by oneDNN", gflop, _packed(x, weight, geometry))


def _packed(x: Tensor, weight: Tensor, geometry: tuple[list[int], list[int], list[int], int]) -> Work:
    """A convolution whose filters are in oneDNN's own layout."""
    operators: Any = torch.ops.mkldnn
    ready = operators._reorder_convolution_weight(weight, *geometry, list(x.shape))
    return lambda: operators._convolution_pointwise(x, ready, None, *geometry, "none", [], "")


def _eight_bits(
    maps: tuple[int, ...], filters: tuple[int, ...], geometry: tuple[list[int], list[int], list[int], int]
) -> Work:
    """A convolution of 8 bits by oneDNN."""
    pad, stride, dilation, groups = geometry
    operators: Any = torch.ops.onednn
    x = torch.ones(maps, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    scales, zeros = torch.full((filters[0],), 0.01), torch.zeros(filters[0], dtype=torch.int)
    weight = torch.ones(filters, dtype=torch.int8)
    ready = operators.qconv_prepack(weight, scales, 0.01, 0, stride, pad, dilation, groups, list(maps))
    return lambda: operators.qconv_pointwise(
        x,
        0.01,
        0,
        ready,
        scales,
        zeros,
        None,
        stride,
        pad,
        dilation,
        groups,
        0.01,
        0,
        torch.uint8,
        "none",
        [],
        "",
    )
