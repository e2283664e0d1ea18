"""What a benchmark compares, and how; torch is not needed to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inceptionlab.decoding import validate
from inceptionlab.errors import ConfigError
from inceptionlab.exporting.about import Precision

Library = Literal["timm", "torchvision"]
Way = Literal["torch", "onnxruntime", "openvino", "compile"]


@dataclass(frozen=True, slots=True)
class Options:
    """What is compared, and how."""

    against: tuple[Library, ...] = ()
    """Another library whose network of the same name, with the same weights, is the baseline; may be repeated."""
    engines: tuple[Way, ...] = ("torch", "onnxruntime", "openvino")
    """What runs the network; may be repeated ("compile", minutes per network, is tried on the other library's)."""
    precision: tuple[Precision, ...] = ("fp32", "bf16")
    """Arithmetic; may be repeated ("int8" is OpenVINO's)."""
    batch: tuple[int, ...] = (1, 8)
    """Images per pass; may be repeated."""
    train: bool = False
    """Measure steps of training instead."""
    rounds: int = 15
    """Interleaved rounds that are measured, after two that warm up."""
    input_size: int | None = None
    """Side of the images in pixels (default: the network's own)."""
    device: Literal["cpu", "cuda"] = "cpu"
    """"cpu" or "cuda"."""
    noisy: bool = False
    """Compare even where the machine's own times spread too far."""
    profile: bool = False
    """Show too where the time of our network goes in torch, by kind of layer (fp32, on a CPU)."""

    def __post_init__(self) -> None:
        validate(self)
        if self.profile and (self.device != "cpu" or self.train):
            raise ConfigError("--profile looks at inference on a CPU; leave --train out and give --device cpu")
        if self.rounds < 3 or min(self.batch, default=0) < 1:
            given = f"--rounds {self.rounds} --batch {list(self.batch)}"
            raise ConfigError(f"{given}: give at least 3 rounds and 1 image")
        if self.train and "int8" in self.precision:
            raise ConfigError("--train computes in fp32, bf16 or fp16, not int8")
