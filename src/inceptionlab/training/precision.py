"""Which arithmetic a device is fast in: measured, because what a CPU announces says little about it."""

from __future__ import annotations

import time
from functools import lru_cache

import torch
from torch.nn import functional as F

MIN_SPEEDUP = 1.15
"""bf16 is taken where it is at least so many times as fast."""


@lru_cache
def fastest_precision(device: str) -> str:
    """The precision to train in on a device, "bf16" or "fp32": a CPU is timed, a GPU says what it has."""
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    if device != "cpu" or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return "fp32"
    return (
        "bf16"
        if seconds_of_a_convolution(torch.float32) > MIN_SPEEDUP * seconds_of_a_convolution(torch.bfloat16)
        else "fp32"
    )


def seconds_of_a_convolution(dtype: torch.dtype) -> float:
    """The quickest of a few 3x3 convolutions of 64 channels on 32 maps of 32x32, as they occur in training."""
    x = torch.ones(32, 64, 32, 32, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.ones(64, 64, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    times: list[float] = []
    for _ in range(7):
        started = time.perf_counter()
        F.conv2d(x, weight, padding=1)
        times.append(time.perf_counter() - started)
    return min(times)
