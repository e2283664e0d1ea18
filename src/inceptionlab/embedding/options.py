"""How features of images are computed, for Python and the command line alike; torch is not needed to read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inceptionlab.decoding import Natural, validate
from inceptionlab.exporting.about import Precision


@dataclass(frozen=True, slots=True)
class Computation:
    """How features are computed."""

    precision: Precision = "fp32"
    """Arithmetic of the network: "fp32", exact; "bf16", "fp16" or "int8" (by OpenVINO), which move the features."""
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    """"cpu", "cuda" or "mps"."""
    workers: Natural = 0
    """Threads that decode and resize while the network runs (0: as many as cores)."""
    data_dir: Path | None = None
    """Folder in which named data sets are looked for."""

    def __post_init__(self) -> None:
        validate(self)
