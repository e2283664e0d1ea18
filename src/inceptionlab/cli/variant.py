"""Options that commands share: a variant of a network, and short forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, get_type_hints

from cyclopts import Parameter

from inceptionlab.decoding import Count
from inceptionlab.runs.options import Changes
from inceptionlab.spec.network import Network
from inceptionlab.zoo.configure import Stem, configured


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

    def of(self, name: str | Network, aux: bool = True) -> Network:
        """The spec of this variant of a network, by whatever `network_of` reads."""
        return configured(name, self.num_classes, self.in_channels, self.input_size, aux, self.stem)
