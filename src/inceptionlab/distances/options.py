"""How features of images are computed and compared, for Python and the command line alike; torch is not needed to read
it.
"""

from __future__ import annotations

from dataclasses import dataclass

from inceptionlab.decoding import Natural
from inceptionlab.embedding.options import Computation


@dataclass(frozen=True, slots=True)
class Settings(Computation):
    """How features are computed, and what draws resamples."""

    seed: Natural = 0
    """Seed of the resamples and parts by which a distance's interval and limit are found."""
