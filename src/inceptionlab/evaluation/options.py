"""What is tried with a trained network, for Python and the command line alike; torch is not needed to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inceptionlab.decoding import Count, validate

Crops = Literal[1, 10, 12, 144]


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is tested, and what is tried beside the plain test. Raises `ConfigError` for a value out of its range."""

    crops: Crops = 1
    """Crops of each image, mirror images among them: 1, 10, 12 or 144 (the papers')."""
    temperature: bool = False
    """Fit a temperature on the run's validation images and show what calibration gains."""
    corruptions: bool = False
    """Test on noisy, blurred, brightened, flattened and compressed images too."""
    limit_test: Count | None = None
    """Use only so many test images (default: as in training)."""
    skip_unreadable: bool = False
    """Leave out the images of other data that cannot be read, and name them (those of a run: as in training)."""

    def __post_init__(self) -> None:
        validate(self)
