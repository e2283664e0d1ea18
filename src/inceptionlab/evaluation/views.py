"""More than one look at a picture: the crops of the papers, their mirror images, and several networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor, nn

from inceptionlab.data.batches import to_input
from inceptionlab.data.dataset import Pictures
from inceptionlab.data.decode import decode, fitted
from inceptionlab.data.progress import followed
from inceptionlab.spec.network import Input

Crops = Literal[1, 10, 12, 144]
SCALES = (8 / 7, 9 / 7, 10 / 7, 11 / 7)
"""The shorter sides of GoogLeNet's four scales over its input: 256, 288, 320, 352 for 224."""


def views(picture: Image.Image, size: tuple[int, int], crop: float, crops: Crops) -> list[Image.Image]:
    """The crops of a picture for inputs of `size` (height, width), mirror images after their originals.

    1: the centre. 10: the corners and the centre of the picture at its usual scale, mirrored (Krizhevsky 2012). 12:
    those and the whole picture squeezed to the size, mirrored. 144: four scales, of each the three squares along the
    longer side, of each the corners, the centre and the whole square, mirrored (GoogLeNet paper, section 7).
    """
    if crops == 1:
        return [fitted(picture, size, crop, "bicubic")]
    if crops == 144:
        squares = [square for scale in SCALES for square in _squares(picture, round(size[0] * scale))]
        found = [view for square in squares for view in (*_five(square, size), _squeezed(square, size))]
    else:
        found = list(_five(_scaled(picture, max(size) / crop), size))
        found += [_squeezed(picture, size)] if crops == 12 else []
    return [view for one in found for view in (one, ImageOps.mirror(one))]


def _scaled(picture: Image.Image, shorter: float) -> Image.Image:
    ratio = shorter / min(picture.size)
    width, height = (max(1, round(side * ratio)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def _squares(picture: Image.Image, side: int) -> Iterator[Image.Image]:
    scaled = _scaled(picture, side)
    for place in (0.0, 0.5, 1.0):
        left, top = (round((length - side) * place) for length in scaled.size)
        yield scaled.crop((left, top, left + side, top + side))


def _five(picture: Image.Image, size: tuple[int, int]) -> Iterator[Image.Image]:
    height, width = size
    for down, across in ((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5)):
        top, left = round((picture.height - height) * down), round((picture.width - width) * across)
        yield picture.crop((left, top, left + width, top + height))


def _squeezed(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture.resize((size[1], size[0]), Image.Resampling.BICUBIC)


@torch.inference_mode()
def probabilities(
    networks: Sequence[tuple[nn.Module, Input]], pictures: Pictures, crops: Crops = 1
) -> Float[Tensor, "n classes"]:
    """The mean probabilities of every picture over the crops and over the networks, each with its own input.

    Pictures that come from files are read from them again, at their own size.
    """

    def row(i: int) -> Tensor:
        return torch.stack([_mean(network, _picture(pictures, i), input, crops) for network, input in networks]).mean(0)

    everything = followed(range(len(pictures)), f"{crops} crop(s), {len(networks)} network(s)", len(pictures))
    return torch.stack([row(i) for i in everything])


def _picture(pictures: Pictures, i: int) -> Image.Image:
    if pictures.paths:
        return decode(pictures.paths[i], pictures.paths[i], pictures.channels)
    pixels = pictures.images[i].cpu().numpy()
    return Image.fromarray(pixels if pictures.channels == 3 else pixels[..., 0])


def _mean(network: nn.Module, picture: Image.Image, input: Input, crops: Crops) -> Tensor:
    found = views(picture, (input.height, input.width), input.crop, crops)
    pixels = np.stack([np.asarray(view) for view in found])
    x = to_input(torch.from_numpy(pixels if pixels.ndim == 4 else pixels[..., None]), input)
    device = next(network.parameters()).device
    return network(x.to(device)).float().softmax(1).mean(0).cpu()
