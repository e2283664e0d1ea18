"""Contact sheets: the feature maps of each branch, and the filters of a first layer."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from inceptionlab.errors import counted
from inceptionlab.explaining.maps import FeatureMaps
from inceptionlab.report.figures import Figure, short

MOST_MAPS, ACROSS, MOST_FILTERS = 20, 4, 256
"""Maps of a branch that are shown, how many beside each other, and the filters that are shown."""
LARGER = 4
"""Pixels of a filter's pixel, so that what lies between filters is narrow."""
BRIGHTEST = 99.5
"""The percentile of a branch's values that is white."""
SIDE = 1.9
"""Inches of the width of a branch's sheet."""


def maps_figure(branches: Sequence[FeatureMaps], image: UInt8[np.ndarray, "h w c"] | None = None) -> Figure:
    """The strongest maps of each branch, strongest first, all of a branch on one scale from black (its least value) to
    white; the image that they are of stands before them.
    """
    most = max(min(MOST_MAPS, len(one.maps)) for one in branches)

    def plot(axes: Any) -> None:
        if image is not None:
            axes[0].imshow(image.squeeze(), interpolation="none", cmap="gray", vmin=0, vmax=255)
            _bare(axes[0], "image", "")
        for place, one in zip(axes[image is not None :], branches, strict=True):
            shown = min(MOST_MAPS, len(one.maps))
            place.imshow(tiled(_grey(one.maps[:shown]), ACROSS, ceil(most / ACROSS)), interpolation="none")
            _bare(place, short(one.node), f"{shown} of {counted(len(one.maps), 'map')}")

    columns = len(branches) + (image is not None)
    return Figure(SIDE * columns, 0.7 + SIDE * max(1.0, ceil(most / ACROSS) / ACROSS), columns, plot)


def filters_figure(filters: Float[np.ndarray, "out c h w"]) -> Figure:
    """The filters of a first layer, all on one scale: grey is 0; of three channels in colour, otherwise their mean."""
    shown = filters[:MOST_FILTERS]
    across = ceil(sqrt(2 * len(shown)))
    planes = shown if shown.shape[1] == 3 else np.repeat(shown.mean(1, keepdims=True), 3, 1)
    pixels = (0.5 + 0.5 * planes / max(float(np.abs(planes).max()), 1e-12)).transpose(0, 2, 3, 1)
    pixels = pixels.repeat(LARGER, 1).repeat(LARGER, 2)

    def plot(axes: Any) -> None:
        axes[0].imshow(tiled(pixels, across), interpolation="none")
        height, width = filters.shape[2:]
        _bare(axes[0], "", f"{len(shown)} of {counted(len(filters), 'filter')}, {height} × {width} pixels")

    return Figure(6.4, 0.5 + 6.2 * ceil(len(shown) / across) / across, 1, plot)


def tiled(tiles: Float[np.ndarray, "n h w 3"], across: int, least: int = 1) -> Float[np.ndarray, "rows columns 4"]:
    """Pictures from 0 to 1 as one, so many beside each other in at least so many rows; between them it is clear."""
    count, height, width, _ = tiles.shape
    gap = max(1, round(height / 16))
    down, across = max(least, ceil(count / across)), across if least > 1 else min(across, count)
    sheet = np.zeros((down * (height + gap) - gap, across * (width + gap) - gap, 4))
    for i, tile in enumerate(tiles):
        top, left = i // across * (height + gap), i % across * (width + gap)
        sheet[top : top + height, left : left + width] = np.dstack([tile, np.ones((height, width))])
    return sheet


def _grey(maps: Float[np.ndarray, "c h w"]) -> Float[np.ndarray, "c h w 3"]:
    low, high = float(maps.min()), float(np.percentile(maps, BRIGHTEST))
    return np.repeat(((maps - low) / max(high - low, 1e-12)).clip(0, 1)[..., None], 3, 3)


def _bare(axes: Any, title: str, below: str) -> None:
    """Axes of a picture: no ticks, no frame."""
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(below, fontsize=8.5, loc="left")
    axes.set_anchor("N")
    for spine in axes.spines.values():
        spine.set_visible(False)
