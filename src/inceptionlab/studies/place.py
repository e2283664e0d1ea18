"""Where the runs of a study are computed, for Python and the command line alike; torch is not needed to read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inceptionlab.decoding import validate
from inceptionlab.errors import ConfigError
from inceptionlab.runs.options import Device


@dataclass(frozen=True, slots=True)
class Place:
    """Where the runs are computed."""

    on: Literal["here", "ray"] = "here"
    """This machine, or a Ray cluster (extra `ray`) whose machines see the study's folder at the same path."""
    workers: int = 1
    """Processes of this machine that share its cores and GPUs."""
    ray_address: str = "auto"
    """The cluster: "auto" is the one started here (ray start), "local" one of this machine's own."""
    gpus: float = 0.0
    """GPUs per run on Ray, which may be a fraction (0.5: two runs share one)."""
    device: Device = "auto"
    """"auto", "cpu", "cuda" or "mps"."""
    data_dir: Path | None = None
    """Folder in which named data sets are looked for."""

    def __post_init__(self) -> None:
        validate(self)
        if self.workers < 1 or self.gpus < 0:
            given = f"--workers {self.workers} --gpus {self.gpus:g}"
            raise ConfigError(f"{given}: give at least 1 worker and no negative number of GPUs")
