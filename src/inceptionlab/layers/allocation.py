"""What becomes of memory that is let go."""

from __future__ import annotations

import ctypes
from collections.abc import Generator
from contextlib import contextmanager

_MMAP_THRESHOLD = -3
"""`M_MMAP_THRESHOLD` of glibc's mallopt: blocks from here on are of the system, smaller ones of a heap."""
LARGE = 16 << 20
"""Below it the system's work on fresh pages takes longer than the memory is worth."""
_USUAL = 32 << 20
"""What glibc comes to by itself where large blocks come and go (`DEFAULT_MMAP_THRESHOLD_MAX`)."""


@contextmanager
def freed_at_once() -> Generator[None]:
    """Within it, blocks of 16 MiB and more go back to the system as soon as they are let go.

    Otherwise glibc keeps those of up to 32 MiB in its heap, whose gaps take as much memory again as checkpointing
    saves. Without glibc nothing changes.
    """
    _set(LARGE)
    try:
        yield
    finally:
        _set(_USUAL)


def _set(threshold: int) -> None:
    try:
        ctypes.CDLL("libc.so.6").mallopt(_MMAP_THRESHOLD, threshold)
    except (OSError, AttributeError):
        return
