"""What a number depends on besides its configuration: versions, device, data and source."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

PACKAGES = ("inceptionlab", "torch", "lightning-fabric", "numpy", "pillow", "scikit-learn")


@dataclass(frozen=True, slots=True)
class Environment:
    """Versions, device, the GPUs dealt to the process, threads, digests of the data and of the source, the command, the
    precision that was computed in, the processes that worked together, and the images that were left out.
    """

    when: str
    command: tuple[str, ...]
    python: str
    packages: dict[str, str]
    device: str
    visible_gpus: str
    threads: int
    platform: str
    data: str
    source: str
    precision: str
    processes: int = 1
    left_out: tuple[str, ...] = ()


def environment(
    device: torch.device, data: str, precision: str, processes: int = 1, left_out: tuple[str, ...] = ()
) -> Environment:
    """What this process computes with, on data of these digests."""
    return Environment(
        when=datetime.now(UTC).isoformat(timespec="seconds"), command=(Path(sys.argv[0]).name, *sys.argv[1:]),
        python=platform.python_version(), packages={name: version(name) for name in PACKAGES},
        device=device_name(device), visible_gpus=os.environ.get("CUDA_VISIBLE_DEVICES", "all"),
        threads=torch.get_num_threads(), platform=platform.platform(), data=data, source=source_digest(),
        precision=precision, processes=processes, left_out=left_out,
    )  # fmt: skip


def device_name(device: torch.device) -> str:
    """The name of a device as people know it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    model = next((line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), "CPU")
    return f"{model}, {os.cpu_count()} cores" if device.type == "cpu" else str(device)


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def source_digest() -> str:
    """Sixteen hexadecimal digits that identify the installed source of this package."""
    root = Path(__file__).parents[1]
    content = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in (".py", ".toml"):
            content.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return content.hexdigest()[:16]
