"""Options that commands share: a variant of a network, and the code behind the network of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_type_hints

from cyclopts import Parameter

from inceptionlab.decoding import Count
from inceptionlab.runs.options import Changes
from inceptionlab.spec.codec import Blocks
from inceptionlab.spec.network import Network
from inceptionlab.zoo.configure import Stem, configured
from inceptionlab.zoo.own import blocks_of

if TYPE_CHECKING:
    from inceptionlab.runs.prediction import Trained

Code = Annotated[
    Path | None, Parameter(help="The Python file that the Blocks of the run's network come from; a run holds no code.")
]


@dataclass(frozen=True)
class ShortChanges(Changes):
    """The same with a short option; the library's options know nothing of the command line."""

    epochs: Annotated[Count | None, Parameter(alias="-e")] = None
    """Passes over the training images (default: the recipe's)."""


ShortChanges.__init__.__annotations__.update(get_type_hints(ShortChanges, include_extras=True))
"""Types as values: cyclopts would look for those that are inherited in this file."""


@dataclass(frozen=True)
class Variant:
    """Changes of the network."""

    num_classes: int | None = None
    """Number of classes (0: features)."""
    in_channels: int | None = None
    """Channels of the images."""
    input_size: int | None = None
    """Side of the images in pixels."""
    stem: Stem = "auto"
    """"auto" takes a small stem for small images; "imagenet" keeps the paper's, "small" replaces it."""

    def of(self, name: str, aux: bool = True) -> Network:
        """The spec of this variant of a network, by whatever `network_of` reads."""
        return configured(name, self.num_classes, self.in_channels, self.input_size, aux, self.stem)


def blocks_in(code: Path | None) -> Blocks | None:
    """The factories of a file that was named, if one was."""
    return None if code is None else blocks_of(code)


def with_code(run: Path, code: Path | None, device: str = "cpu") -> Trained | Path:
    """A run, loaded already where a file was named for its network."""
    if code is None:
        return run
    import torch

    from inceptionlab.runs.prediction import load_run

    found = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    return load_run(run, found, blocks_of(code))
