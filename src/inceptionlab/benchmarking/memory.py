"""The largest memory that some work takes beyond what stood before it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_bytes(work: Callable[[], object], device: torch.device) -> int | None:
    """Bytes of memory that `work` takes at most beyond what is taken already: of the GPU, or of this process by Linux's
    count of its pages; None where nobody counts.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what is free already would be used first and not be counted
        _CLEAR.write_text("5", encoding="ascii")  # the peak begins anew
        before = _field("VmRSS")
    except (OSError, AttributeError):
        work()
        return None
    work()
    return max(0, _field("VmHWM") - before)


def _field(name: str) -> int:
    line = next(line for line in _STATUS.read_text(encoding="utf-8").splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
