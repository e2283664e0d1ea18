"""More than one look at an image: the crops of the papers, their mirror images, and several networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor

from inceptionlab.data.dataset import Samples
from inceptionlab.data.decode import FILTERS, decode
from inceptionlab.data.preprocess import Preprocess, as_image, centred
from inceptionlab.data.progress import followed
from inceptionlab.errors import counted
from inceptionlab.evaluation.options import Crops
from inceptionlab.evaluation.predictions import device_of

SCALES = (8 / 7, 9 / 7, 10 / 7, 11 / 7)
"""The shorter sides of GoogLeNet's four scales over its input: 256, 288, 320, 352 for 224."""


def views(image: Image.Image, preprocess: Preprocess, crops: Crops) -> list[Image.Image]:
    """The crops of an upright image in the size of the input, mirror images after their originals.

    1: the centre. 10: the corners and the centre of the image at its usual scale, mirrored (Krizhevsky 2012). 12: those
    and the whole image squeezed to the size, mirrored. 144: four scales, of each the three squares along the longer
    side, of each the corners, the centre and the whole square, mirrored (GoogLeNet paper, section 7).
    """
    (height, width), filter_ = preprocess.size, FILTERS[preprocess.input.interpolation]
    if crops == 1:
        stored = torch.from_numpy(preprocess.stored(image))[None]
        return [as_image(centred(stored, (height, width))[0].numpy())]
    if crops == 144:
        squares = [square for scale in SCALES for square in _squares(image, round(height * scale), filter_)]
        found = [view for square in squares for view in (*_five(square, (height, width)),
                                                         square.resize((width, height), filter_))]  # fmt: skip
    else:
        usual = max(height, width) / min(1.0, preprocess.input.crop)  # above 1, images are smaller than the input
        found = list(_five(_scaled(image, usual, filter_), (height, width)))
        found += [image.resize((width, height), filter_)] if crops == 12 else []
    return [view for one in found for view in (one, ImageOps.mirror(one))]


def _scaled(image: Image.Image, shorter: float, filter_: Image.Resampling) -> Image.Image:
    ratio = shorter / min(image.size)
    width, height = (max(1, round(side * ratio)) for side in image.size)
    return image.resize((width, height), filter_)


def _squares(image: Image.Image, side: int, filter_: Image.Resampling) -> Iterator[Image.Image]:
    scaled = _scaled(image, side, filter_)
    for place in (0.0, 0.5, 1.0):
        left, top = (round((length - side) * place) for length in scaled.size)
        yield scaled.crop((left, top, left + side, top + side))


def _five(image: Image.Image, size: tuple[int, int]) -> Iterator[Image.Image]:
    height, width = size
    for down, across in ((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5)):
        top, left = round((image.height - height) * down), round((image.width - width) * across)
        yield image.crop((left, top, left + width, top + height))


@torch.inference_mode()
def probabilities(
    networks: Sequence[tuple[Callable[[Tensor], Tensor], Preprocess]], samples: Samples, crops: Crops = 1
) -> Float[Tensor, "n classes"]:
    """The mean probabilities of every image over the crops and over the networks, each with its own preprocessing.

    Images that come from files are read from them again, at their own size.
    """

    def row(i: int) -> Tensor:
        return torch.stack([_mean(network, samples, i, preprocess, crops) for network, preprocess in networks]).mean(0)

    everything = followed(
        range(len(samples)), f"{counted(crops, 'crop')}, {counted(len(networks), 'network')}", len(samples)
    )
    return torch.stack([row(i) for i in everything])


def _mean(
    network: Callable[[Tensor], Tensor], samples: Samples, i: int, preprocess: Preprocess, crops: Crops
) -> Tensor:
    image = _image(samples, i, preprocess.stored_size if crops == 1 else None)
    found = np.stack([np.asarray(view) for view in views(image, preprocess, crops)])
    x = torch.from_numpy(found if found.ndim == 4 else found[..., None]).to(device_of(network))
    return network(preprocess.to_input(x)).float().softmax(1).mean(0).cpu()


def _image(samples: Samples, i: int, least: tuple[int, int] | None) -> Image.Image:
    if samples.paths:
        return decode(samples.paths[i], samples.paths[i], samples.channels, least)
    return as_image(samples.images[i].cpu().numpy(), f"image {i}")
