"""Random streams: everything random in the library is drawn from (seed, purpose, indices).

So no two purposes share numbers, a run can go on from any step, and the caller's own generators stay as they were.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256

import numpy as np
import torch


def sequence(seed: int, purpose: str, *indices: int | str) -> np.random.SeedSequence:
    """NumPy's seed sequence of a stream; indices are numbers of at least 0, or names."""
    return np.random.SeedSequence(seed, spawn_key=(_number(purpose), *map(_number, indices)))


def stream(seed: int, purpose: str, *indices: int | str) -> torch.Generator:
    """The generator of a stream, on the CPU: `stream(0, "order", epoch)`."""
    return torch.Generator().manual_seed(_state(seed, purpose, *indices))


@contextmanager
def scope(seed: int, purpose: str, *indices: int | str, device: str | torch.device = "cpu") -> Generator[None]:
    """Within it, what draws from torch's own generators (dropout, kornia) draws from a stream; afterwards they are as
    they were. `device` is that of the computation.
    """
    devices = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng([one.index or 0 for one in devices], device_type="cuda"):
        torch.default_generator.manual_seed(_state(seed, purpose, *indices))
        for one in devices:
            torch.cuda.default_generators[one.index or 0].manual_seed(_state(seed, purpose, *indices))
        yield


def _number(index: int | str) -> int:
    return index if isinstance(index, int) else int.from_bytes(sha256(index.encode()).digest()[:4])


def _state(seed: int, purpose: str, *indices: int | str) -> int:
    return int(sequence(seed, purpose, *indices).generate_state(1, np.uint64)[0])
