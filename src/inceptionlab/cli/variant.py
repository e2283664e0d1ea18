"""Options that make a variant of a network of the zoo, shared by the commands that take a NAME."""

from __future__ import annotations

from dataclasses import dataclass

from inceptionlab.spec.network import Network
from inceptionlab.zoo.configure import Stem, configured


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
        """The spec of this variant of a network."""
        return configured(name, self.num_classes, self.in_channels, self.input_size, aux, self.stem)
