"""How an image becomes an input for a Frechet distance: by name, each as its first implementation does it.

The resize alone moves the distance by more than generators differ (Parmar et al., CVPR 2022, 2104.11222), so numbers
are comparable only within one protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from inceptionlab.errors import ConfigError, nearest
from inceptionlab.spec.network import Input

ProtocolName = Literal["pytorch-fid", "clean-fid", "torch-fidelity"]
SIDE = 299
AROUND_128 = Input(mean=(128 / 255,), std=(128 / 255,))
"""TensorFlow's scale: (value − 128) / 128."""


@dataclass(frozen=True, slots=True)
class ImageProtocol:
    """The way of an image `h w 3` of bytes to an input `3 299 299`, what it is called in a line, and the scale of the
    input's values.
    """

    name: str
    resize: str
    scale: Input
    prepare: Callable[[UInt8[np.ndarray, "h w 3"]], Float[Tensor, "3 h2 w2"]]


def pytorch_fid(pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 299 299"]:
    """Bilinear on values of 0 to 1, without antialiasing and with the centres of pixels at halves; then −1 to 1."""
    x = _planes(pixels)[None].div(255)
    return 2 * F.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False)[0] - 1


def clean_fid(pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 299 299"]:
    """Pillow's bicubic, which widens its kernel where images shrink, of each plane in floats; clipped to 0 to 255."""
    planes = [Image.fromarray(pixels[..., i].astype(np.float32)) for i in range(3)]
    resized = [np.asarray(plane.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).clip(0, 255) for plane in planes]
    return torch.from_numpy(np.stack(resized)).sub_(128).div_(128)


def torch_fidelity(pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 299 299"]:
    """TensorFlow 1's bilinear: no antialiasing, and pixel i of the output at i · size / 299 of the image."""
    x = _planes(pixels)
    for axis in (2, 1):
        x = _between(x, axis)
    return x.sub_(128).div_(128)


def _planes(pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 h w"]:
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1).contiguous()


def _between(x: Tensor, axis: int) -> Tensor:
    """Values between the pixels along an axis."""
    size = x.shape[axis]
    place = torch.arange(SIDE, dtype=torch.float32) * torch.tensor(size / SIDE, dtype=torch.float32)
    low = place.long()
    high, share = (low + 1).clamp_max(size - 1), place - low
    before = x.index_select(axis, low)
    return before + (x.index_select(axis, high) - before) * (share if axis == 2 else share[:, None])


PROTOCOLS: dict[ProtocolName, ImageProtocol] = {
    "pytorch-fid": ImageProtocol("pytorch-fid", "bilinear without antialiasing", Input(), pytorch_fid),
    "clean-fid": ImageProtocol("clean-fid", "Pillow's bicubic in floats", AROUND_128, clean_fid),
    "torch-fidelity": ImageProtocol("torch-fidelity", "TensorFlow 1's bilinear", AROUND_128, torch_fidelity),
}


def protocol_of(name: str) -> ImageProtocol:
    """A protocol by name. Raises `ConfigError` for an unknown one."""
    if name not in get_args(ProtocolName):
        raise ConfigError(f"there is no protocol {name!r}; {nearest(name, get_args(ProtocolName))}")
    return PROTOCOLS[name]  # type: ignore[index]
