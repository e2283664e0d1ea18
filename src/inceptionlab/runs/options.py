"""The options of a run, for Python and the command line alike; torch is not needed to read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from inceptionlab.decoding import Count, Natural, validate
from inceptionlab.errors import ConfigError
from inceptionlab.zoo.configure import Stem

Compile = Literal["none", "default", "reduce-overhead", "max-autotune"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Side = Annotated[int, msgspec.Meta(ge=1, le=4096)]


@dataclass(frozen=True, slots=True)
class Changes:
    """Fields of a recipe that are set otherwise."""

    epochs: Count | None = None
    """Passes over the training images (default: the recipe's)."""
    batch_size: Count | None = None
    """Images per step (default: the recipe's)."""
    lr: float | None = None
    """The highest learning rate (default: the recipe's)."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = None
    """Arithmetic; "auto" is bf16 where the device is faster in it."""
    set_: tuple[str, ...] = ()
    """Any field of the recipe, as NAME=VALUE ("ema=0.99", "augment.flip=false"); may be repeated."""

    def __post_init__(self) -> None:
        validate(self)

    def settings(self) -> dict[str, str]:
        """The fields of `set_` by name. Raises `ConfigError` where one is not NAME=VALUE."""
        found: dict[str, str] = {}
        for text in self.set_:
            name, equals, value = text.partition("=")
            if not equals:
                raise ConfigError(f"--set {text!r}: write NAME=VALUE, such as --set ema=0.99")
            found[name.strip()] = value.strip()
        return found


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and how a run is computed, which changes its speed and memory but not its numbers (to rounding)."""

    device: Device = "auto"
    """"auto", "cpu", "cuda" or "mps"."""
    data_dir: Path | None = None
    """Folder in which named data sets are looked for, and downloaded to."""
    tensorboard: bool = False
    """Write a TensorBoard log too."""
    grad_checkpoint: str = ""
    """Nodes whose activations are computed again in the backward pass, for less memory ("inception*", "*")."""
    compile: Compile = "none"
    """Mode of torch.compile: minutes before the first step on a CPU, less time per step later."""
    shard: bool = False
    """Divide weights, gradients and the optimiser's state among the processes that torchrun started (FSDP)."""

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, slots=True)
class Choices:
    """How a network is fitted to data, and the seed."""

    seed: Natural = 0
    """Seed of the split, the initial weights, the order and the augmentation."""
    input_size: Side | None = None
    """Side of the images in pixels (default: that of the data, or the network's for photographs)."""
    stem: Stem = "auto"
    """"auto" takes a small stem for small images, but where weights are given."""
    aux: bool = False
    """Train with the network's auxiliary heads."""
    weights: Path | None = None
    """Begin with the weights of a run, a file, or published ones ("inception_v3@timm"), and with their stem."""
    limit_train: Count | None = None
    """Use only so many training images, for a trial."""
    limit_test: Count | None = None
    """Use only so many test images, for a trial."""
    skip_unreadable: bool = False
    """Leave out the images of a folder that cannot be read, and name them, instead of stopping at the first."""

    def __post_init__(self) -> None:
        validate(self)
