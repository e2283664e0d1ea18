"""How an image becomes an input: one value, read by training, test, prediction, the server, export and crops alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab.data.decode import check_size, decode, fitted, upright
from inceptionlab.errors import DataError, counted
from inceptionlab.spec.network import Input, Network

Foreign = str | Path | IO[bytes] | Image.Image | np.ndarray
"""An image as a user has it."""


@dataclass(frozen=True, slots=True)
class Preprocess:
    """The way of an image to a network that takes `input`, in two steps.

    First it is fitted to `stored_size`, in bytes; so it stands in a data set, and training can crop. Then its centre is
    cut out, scaled if it is smaller than the input, and normalised. For data of a native size `input` says so
    (`for_native`), and the first step leaves their images as they are.
    """

    input: Input

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the network's input."""
        return self.input.height, self.input.width

    @property
    def turned(self) -> bool:
        """Whether the network takes the planes in the order B, G, R."""
        return self.input.order == "BGR"

    def mean_and_std(
        self, device: torch.device | str = "cpu"
    ) -> tuple[Float[Tensor, "1 c 1 1"], Float[Tensor, "1 c 1 1"]]:
        """The mean and the deviation of each plane on the scale of pixels, in the order R, G, B."""
        return _constant(self.input.mean, torch.device(device)), _constant(self.input.std, torch.device(device))

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) at which images are kept: that of the network's resize."""
        height, width = (max(1, round(side / self.input.crop)) for side in self.size)
        return height, width

    @property
    def stored_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) at which images are kept."""
        return (*self.stored_size, self.input.channels)

    def for_native(self, size: tuple[int, int], name: str) -> Preprocess:
        """The same for the data set `name`, whose images all have the size (height, width) and are not zoomed.

        Raises `DataError` where the input has other proportions, since images are never distorted.
        """
        height, width = size
        if self.input.height * width != self.input.width * height:
            raise DataError(
                f"the images of {name} are {height}x{width} and the network takes {self.input.height}x"
                f"{self.input.width}; give an input of the same proportions, such as {height}x{width}"
            )
        return replace(self, input=replace(self.input, crop=self.input.height / height))

    def stored(self, image: Image.Image) -> UInt8[np.ndarray, "h w c"]:
        """An upright image in the network's mode, at the size at which it is kept."""
        pixels = np.array(fitted(image, self.stored_size, 1.0, self.input.interpolation))
        return pixels if pixels.ndim == 3 else pixels[..., None]

    def read(self, file: str | Path | IO[bytes], where: str) -> UInt8[np.ndarray, "h w c"]:
        """A file's image at the size at which it is kept.

        Raises `DataError`, naming `where`, for what cannot be read.
        """
        return self.stored(decode(file, where, self.input.channels, least=self.stored_size))

    def pixels(self, image: Foreign, where: str = "the image") -> UInt8[np.ndarray, "h w c"]:
        """An image at the size at which it is kept: a file, one of Pillow's, or an array `h w`, `h w 1` or `h w 3` of
        bytes. Raises `DataError`, naming `where`, for what cannot be read, is too small or too large.
        """
        if isinstance(image, np.ndarray):
            image = as_image(image, where)
        if not isinstance(image, Image.Image):
            return self.read(image, where)
        check_size(image.size, where)
        return self.stored(upright(image, self.input.channels))

    def prepare(self, image: Foreign, where: str = "the image") -> Float[Tensor, "1 c h w"]:
        """The input for an image, of which `pixels` says what it may be and what is raised."""
        return self.batch(torch.from_numpy(self.pixels(image, where))[None])

    def batch(self, images: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b c h2 w2"]:
        """The inputs for images as they stand in a data set."""
        return self.to_input(centred(images, self.size))

    def to_input(self, images: Shaped[Tensor, "b h w c"]) -> Float[Tensor, "b c h2 w2"]:
        """Normalised floats in channels-last memory, in the network's size, of pixels from 0 to 255."""
        taken = self.input
        if images.shape[3] != taken.channels:
            raise DataError(
                f"the images have {counted(images.shape[3], 'channel')} and the network takes {taken.channels}"
            )
        # whole rows at once: a mean for every three values in turn takes twice the time
        mean, std = (one.view(-1).repeat(images.shape[2]) for one in self.mean_and_std(images.device))
        x = (images.flatten(2) - mean).div_(std).view(images.shape).permute(0, 3, 1, 2)
        x = x.flip(1) if self.turned else x
        if x.shape[2:] != self.size:
            x = F.interpolate(x, self.size, mode="bilinear", antialias=True)
        return x.contiguous(memory_format=torch.channels_last)


def normalised(
    pixels: Shaped[Tensor, "b c h w"], mean: Float[Tensor, "1 c 1 1"], std: Float[Tensor, "1 c 1 1"], turned: bool
) -> Float[Tensor, "b c h w"]:
    """Planes of pixels from 0 to 255 as a network takes them; `turned` gives them in the order B, G, R."""
    x = (pixels - mean).div_(std)
    return x.flip(1) if turned else x


def centred(images: UInt8[Tensor, "b h w c"], size: tuple[int, int]) -> UInt8[Tensor, "b h2 w2 c"]:
    """The centre crop of images that are larger than `size`; others as they are."""
    top, left = (max(0, (images.shape[1 + i] - size[i]) // 2) for i in (0, 1))
    return images[:, top : top + size[0], left : left + size[1]] if top or left else images


def create_transform(network: Network | nn.Module) -> Callable[[Foreign], Float[Tensor, "c h w"]]:
    """A function that makes the network's input `c h w` of an image: a file (of which a large JPEG is unpacked at a
    reduced scale, as for training), one of Pillow's, or an array `h w`, `h w 1` or `h w 3` of bytes.

    `network` is a spec, or a model of ours. The function raises `DataError` for what is no such image.
    """
    found: object = network if isinstance(network, Network) else getattr(network, "spec", None)
    if not isinstance(found, Network):
        raise DataError(f"create_transform takes a network of ours or its spec, not {type(network).__name__}")
    preprocess = Preprocess(found.input)
    return lambda image: preprocess.prepare(image, str(image) if isinstance(image, str | Path) else "the image")[0]


def as_image(pixels: UInt8[np.ndarray, ...], where: str = "the array") -> Image.Image:
    """An array `h w`, `h w 1` or `h w 3` of bytes as an image. Raises `DataError`, naming `where`, for another."""
    grey = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    if grey.dtype != np.uint8 or grey.ndim not in (2, 3) or (grey.ndim == 3 and grey.shape[2] != 3):
        shape = "x".join(map(str, pixels.shape))
        raise DataError(f"{where} is {shape} of {pixels.dtype}; an image is h x w, h x w x 1 or h x w x 3 of uint8")
    return Image.fromarray(np.ascontiguousarray(grey))


@lru_cache(maxsize=64)
def _constant(values: tuple[float, ...], device: torch.device) -> Float[Tensor, "1 c 1 1"]:
    """Mean or deviation on the scale of pixels, made once for a device."""
    with torch.inference_mode(False):  # training may be the next to use it
        return torch.tensor(values, device=device).mul_(255).view(1, -1, 1, 1)
