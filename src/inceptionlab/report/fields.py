"""Effective receptive fields over an image: where the energy lies, and the window that theory gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from inceptionlab.explaining.receptive import HALF, MOST, EffectiveField
from inceptionlab.report.figures import PALETTE, Figure, short

SIDE = 2.1
"""Inches of an image."""
THEORY, INNER, OUTER = "#fefefe", PALETTE["amber"][0], PALETTE["sky"][0]
WORDS = 25
"""Letters of what a node is that fit above an image."""
DARKEST = 0.4
"""How bright the image stays where no energy is."""


def field_figure(fields: Sequence[EffectiveField], image: UInt8[np.ndarray, "h w c"]) -> Figure:
    """Each field over the image, which has the size of the network's input: it is bright where the energy is; around
    it the areas of 50 % (amber) and 95 % of the energy (blue), and dashed the theoretical field.
    """

    def plot(axes: Any) -> None:
        for place, one in zip(axes, fields, strict=True):
            _over(place, one, image)

    return Figure(SIDE * len(fields), SIDE + 0.95, len(fields), plot)


def _over(axes: Any, one: EffectiveField, image: UInt8[np.ndarray, "h w c"]) -> None:
    from matplotlib.patches import Rectangle

    axes.imshow(_lit(image, one.energy), interpolation="none")
    for share, colour in ((MOST, OUTER), (HALF, INNER)):
        _outline(axes, one.energy >= one.level(share), colour)
    top, left, bottom, right = one.theoretical
    axes.add_patch(Rectangle((left - 0.5, top - 0.5), right - left + 1, bottom - top + 1, fill=False,
                             edgecolor=THEORY, linewidth=1.1, linestyle=(0, (3, 2))))  # fmt: skip
    height, width = one.energy.shape
    axes.set(xticks=[], yticks=[], xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.set_title(f"{short(one.node)}\n{short(one.what, WORDS)}", fontsize=9)
    below = (f"theory {one.height} × {one.width} px", f"50 %: {one.half:.1f} px   95 %: {one.most:.1f} px",
             f"reach {one.reach:.1f} px")  # fmt: skip
    axes.set_xlabel("\n".join(below), fontsize=8.5, loc="left")
    for spine in axes.spines.values():
        spine.set_visible(False)


def _lit(image: UInt8[np.ndarray, "h w c"], energy: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w c"]:
    """The image in grey or colour, dark where no energy is; the root of the energy is what is seen of it."""
    light = np.sqrt(energy / energy.max())[..., None]
    pixels = np.repeat(image, 3, 2) if image.shape[2] == 1 else image
    return (pixels * (DARKEST + (1 - DARKEST) * light)).astype(np.uint8)


def _outline(axes: Any, inside: np.ndarray, colour: str) -> None:
    """The border of an area of pixels, along their sides."""
    padded = np.pad(inside, 1)
    lines: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for y, x in zip(*np.nonzero(padded[1:, :] != padded[:-1, :]), strict=True):
        lines.append(((x - 1.5, y - 0.5), (x - 0.5, y - 0.5)))
    for y, x in zip(*np.nonzero(padded[:, 1:] != padded[:, :-1]), strict=True):
        lines.append(((x - 0.5, y - 1.5), (x - 0.5, y - 0.5)))
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection(lines, colors=colour, linewidths=1.4, capstyle="round"))
