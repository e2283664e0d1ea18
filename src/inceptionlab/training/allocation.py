"""What becomes of memory that is let go: settings of glibc's heap. Without glibc nothing changes.

They are settings of the whole process, so a command that trains makes them (`launched`), and so does a process that was
started for one training; a function of the library never does.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

LARGE = 16 << 20
"""Below it the system's work on fresh pages takes longer than the memory is worth."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
"""Parameters of mallopt: free bytes at the heap's end that go back to the system; bytes from which a block lies outside
the heap; how many such blocks there may be.
"""
_USUAL = {_TRIM_THRESHOLD: 64 << 20, _MMAP_THRESHOLD: 32 << 20, _MMAP_MAX: 1 << 16}
"""What glibc has, or comes to by itself where large blocks come and go."""
_LARGE_PAGES = 14
"""`MADV_HUGEPAGE`."""


@contextmanager
def launched(checkpointing: bool) -> Generator[None]:
    """Within it the heap is as training in this process wants it: pages are kept, or with gradient checkpointing freed
    at once. The environment variable INCEPTIONLAB_KEEP_PAGES=0 leaves the heap as it is.
    """
    if os.environ.get("INCEPTIONLAB_KEEP_PAGES", "1") == "0":
        yield
        return
    with freed_at_once() if checkpointing else pages_kept():
        yield


@contextmanager
def freed_at_once() -> Generator[None]:
    """Within it, blocks of 16 MiB and more go back to the system as soon as they are let go.

    Otherwise glibc keeps those of up to 32 MiB in its heap, whose gaps take as much memory again as checkpointing
    saves.
    """
    _set({_MMAP_THRESHOLD: LARGE})
    try:
        yield
    finally:
        _set(_USUAL)


@contextmanager
def pages_kept() -> Generator[None]:
    """Within it, memory that is let go stays with the process, in large pages where the system has them.

    A step of training asks for the same blocks as the one before; otherwise the system clears hundreds of megabytes of
    small pages for each step. Afterwards all that is free goes back.
    """
    _set({_MMAP_MAX: 0, _TRIM_THRESHOLD: -1})
    _ask_for_large_pages()
    try:
        yield
    finally:
        _set(_USUAL)
        if (library := _glibc()) is not None:
            library.malloc_trim(0)


def _glibc() -> Any:
    try:
        library = ctypes.CDLL("libc.so.6")
        library.mallopt  # noqa: B018  (musl has none)
    except (OSError, AttributeError):
        return None
    return library


def _set(parameters: dict[int, int]) -> None:
    library = _glibc()
    if library is not None:
        for name, value in parameters.items():
            library.mallopt(name, value)


def _ask_for_large_pages() -> None:
    """Grow the heap by half of the machine's memory, none of which is taken before it is written to, and ask for large
    pages there.
    """
    library = _glibc()
    if library is None or not hasattr(library, "madvise"):
        return
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    library.malloc.restype = ctypes.c_void_p
    start = library.malloc(ctypes.c_size_t(size))
    if start is None:  # the system does not lend out more than it has
        return
    first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
    library.madvise(ctypes.c_void_p(first), ctypes.c_size_t(start + size - first), _LARGE_PAGES)
    library.free(ctypes.c_void_p(start))
