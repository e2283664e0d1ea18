"""Maps over images: orange speaks for the class, blue against it, and what says nothing is grey."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from inceptionlab.report.figures import PALETTE

SMALLEST = 224
"""Pixels of the longer side that an overlay has at least."""
BRIGHTEST = 99.0
"""The percentile of a map's sizes that is drawn in full; single pixels beyond it would make all others pale."""
MOST = 0.9
"""How much of the image a colour covers where the map is largest."""
DARKEST, LIGHTEST = 0.08, 0.85
"""The blacks and the whites of the image beneath, which is grey, so that all colour is the map's."""
STEEP = 1.3
"""The power of a value that its colour covers the image by: what is weak stays grey."""
FOR, AGAINST = PALETTE["red"][0], PALETTE["blue"][0]
HOT = PALETTE["amber"][1]
"""What the strongest of what speaks for a class becomes."""


class Mapped(Protocol):
    """What has a map."""

    @property
    def map(self) -> Float[np.ndarray, "h w"]:
        """A value for each pixel."""
        ...


def overlay(pixels: UInt8[np.ndarray, "h w c"], attribution: Mapped | Float[np.ndarray, "h w"]) -> Image.Image:
    """A map over its image, of at least 224 pixels: orange speaks for the class, blue against it; the more colour, the
    more. The largest value of the map has all of it, whatever it is: colours compare places, not images.
    """
    values = attribution if isinstance(attribution, np.ndarray) else attribution.map
    size = enlarged(pixels).size
    high = float(np.percentile(np.abs(values), BRIGHTEST)) or float(np.abs(values).max()) or 1.0
    much = np.asarray(Image.fromarray((values / high).astype(np.float32)).resize(size, Image.Resampling.BICUBIC))
    strength = np.abs(much).clip(0, 1)[..., None]
    hot = _rgb(FOR) + (_rgb(HOT) - _rgb(FOR)) * strength**3
    colour = np.where(much[..., None] > 0, hot, _rgb(AGAINST))
    grey = np.asarray(enlarged(pixels).convert("L"), np.float32)[..., None] / 255
    beneath = DARKEST + (LIGHTEST - DARKEST) * grey
    covered = MOST * strength**STEEP
    return Image.fromarray((255 * (beneath * (1 - covered) + colour * covered)).clip(0, 255).astype(np.uint8))


def enlarged(pixels: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    """The image in colour with a longer side of at least 224 pixels; of a small one each pixel becomes a square."""
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).convert("RGB")
    times = max(1, -(-SMALLEST // max(image.size)))
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)


def _rgb(colour: str) -> Float[np.ndarray, " 3"]:
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
