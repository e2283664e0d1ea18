"""Effective receptive fields: where in an image a unit of a node really looks, by the energy of its gradient.

The theoretical field says which pixels can matter; most of the energy comes from far fewer, around its middle (Luo et
al. 2016, arXiv 1701.04128).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inceptionlab import rng
from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.markup import text_table
from inceptionlab.analysis.measured import MeasuredNode
from inceptionlab.analysis.receptive import Axis
from inceptionlab.analysis.words import describe
from inceptionlab.errors import DataError, SpecError, nearest
from inceptionlab.evaluation.predictions import fitting_batch
from inceptionlab.explaining.places import outputs_at
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.nn.modes import in_evaluation
from inceptionlab.spec.tree import matches

BATCH = 64
HALF, MOST = 0.5, 0.95
"""The shares of the energy whose areas are measured."""
Window = tuple[int, int, int, int]
"""(top, left, bottom, right): first and last row and column of pixels."""


@dataclass(frozen=True, slots=True, repr=False)
class EffectiveField:
    """The field of the centre unit of the node at `node`, which is `what` in a few words, on `images` images.

    `energy` is the share of each pixel of the input in the squared gradient; `theoretical` are the pixels of the image
    that can matter; `half` and `most` are the sides in pixels of squares as large as the smallest areas that hold 50 %
    and 95 % of the energy.
    """

    node: str
    what: str
    images: int
    theoretical: Window
    half: float
    most: float
    reach: float
    energy: Float[np.ndarray, "h w"] = field(compare=False)

    @property
    def height(self) -> int:
        """Rows of the theoretical field within the image."""
        return self.theoretical[2] - self.theoretical[0] + 1

    @property
    def width(self) -> int:
        """Columns of the theoretical field within the image."""
        return self.theoretical[3] - self.theoretical[1] + 1

    def level(self, share: float) -> float:
        """The least energy of a pixel within the smallest area that holds this share."""
        ordered = np.sort(self.energy, axis=None)[::-1]
        return float(ordered[_count(ordered, share) - 1])

    def __repr__(self) -> str:
        return (
            f"<{self.node}: {self.what}; theoretical field {self.height}x{self.width} in the image, effective "
            f"{self.half:.1f} (50 %) and {self.most:.1f} (95 %) pixels, reach {self.reach:.0f}>"
        )

    def as_record(self) -> dict[str, Any]:
        """Its numbers for JSON, without the pixels."""
        return {
            "node": self.node, "what": self.what, "images": self.images, "theoretical": list(self.theoretical),
            "half": round(self.half, 3), "most": round(self.most, 3),
            "reach": round(self.reach, 3),
        }  # fmt: skip


def receptive_field(network: InceptionNetwork, node: str, images: Float[Tensor, "n c h w"]) -> EffectiveField:
    """The effective receptive field of the node at an address on images, prepared as the network's input.

    Raises `SpecError` for an unknown address, `DataError` where there is no image or it has another shape.
    """
    (found,) = receptive_fields(network, node, images)
    return found


def receptive_fields(
    network: InceptionNetwork, pattern: str, images: Float[Tensor, "n c h w"]
) -> tuple[EffectiveField, ...]:
    """Those of every node whose address matches a pattern, "inception3a.*" for the branches of a module.

    Errors are those of `receptive_field`.
    """
    _check(network, images)
    rows = {row.path: row for row in measure(network.spec).walk()}
    found = [pattern] if pattern in rows else [path for path in rows if "*" in pattern and matches(pattern, path)]
    if not found:
        raise SpecError(f"{network.spec.title} has no node {pattern!r}; {nearest(pattern, rows)}")
    with in_evaluation(network):
        return tuple(_field(network, rows[path], images) for path in found)


def _check(network: InceptionNetwork, images: Tensor) -> None:
    if len(images) == 0:
        raise DataError("a receptive field is measured on images, and none was given; give at least one")
    if tuple(images.shape[1:]) != network.spec.input.shape:
        given, wanted = ("x".join(map(str, shape)) for shape in (images.shape[1:], network.spec.input.shape))
        raise DataError(f"the images are {given} and {network.spec.title} takes {wanted}")


def _field(network: InceptionNetwork, row: MeasuredNode, images: Tensor) -> EffectiveField:
    energy = torch.zeros(images.shape[2:], dtype=torch.float64)
    for x in torch.split(images, fitting_batch(BATCH, (images.shape[2], images.shape[3]))):
        energy += _energy(network, row.path, x)
    if not bool(energy.sum() > 0):
        raise DataError(f"no pixel of these images changes the centre of {row.path}; its units give 0 on all of them")
    shares = (energy / energy.sum()).numpy()
    ordered = np.sort(shares, axis=None)[::-1]
    half, most = sqrt(_count(ordered, HALF)), sqrt(_count(ordered, MOST))
    window, reach = _window(row, images), _reach(shares)
    return EffectiveField(row.path, describe(row.node), len(images), window, half, most, reach, shares)


def _energy(network: InceptionNetwork, node: str, x: Tensor) -> Float[Tensor, "h w"]:
    """The squared gradient of the centre unit of all channels, added over images and channels of the input.

    The channels are added with random signs, so that the square of the sum has the sum of their squares as its mean:
    added plainly, channels that look for opposite things would hide each other.
    """
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        output = outputs_at(network, x, [node])[1][node]
        centre = output[:, :, output.shape[2] // 2, output.shape[3] // 2] if output.ndim == 4 else output
        coins = torch.rand(centre.shape, generator=rng.stream(0, "receptive field", node)) < 0.5
        signs = 2 * coins.to(centre) - 1
        (gradient,) = torch.autograd.grad((centre * signs).sum(), x)
    return gradient.double().square().sum((0, 1)).cpu()


def _count(ordered: Float[np.ndarray, " n"], share: float) -> int:
    """How many of the energies, in this order, hold a share of their sum."""
    held = np.cumsum(ordered) < share * ordered.sum() * (1 - 1e-9)  # for rounding
    return min(len(ordered), int(np.count_nonzero(held)) + 1)


def _reach(energy: Float[np.ndarray, "h w"]) -> float:
    """The side of the square around the middle of the energy that holds `MOST` of it."""
    rows, columns = np.indices(energy.shape)
    away = np.maximum(abs(rows - (rows * energy).sum()), abs(columns - (columns * energy).sum())).ravel()
    order = np.argsort(away, kind="stable")
    return 2 * float(away[order][_count(energy.ravel()[order], MOST) - 1]) + 1


def _window(row: MeasuredNode, images: Tensor) -> Window:
    def side(axis: Axis, cells: int, size: int) -> tuple[int, int]:
        return (0, size - 1) if axis.high == float("inf") else axis.within(cells // 2, size)

    top, bottom = side(row.field.height, row.output[1], images.shape[2])
    left, right = side(row.field.width, row.output[2], images.shape[3])
    return top, left, bottom, right


def field_table(fields: tuple[EffectiveField, ...]) -> str:
    """A row per field as text."""
    heads = ("node", "what", "theoretical", "50 % of the energy", "95 %", "reach")
    return text_table(heads, [
        (one.node, one.what, f"{one.height}x{one.width}", f"{one.half:.1f} px", f"{one.most:.1f} px",
         f"{one.reach:.1f} px")
        for one in fields
    ])  # fmt: skip
