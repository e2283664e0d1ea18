"""Common corruptions of test images, with kornia: how much accuracy is left on images that are not clean.

A few of the kinds of Hendrycks and Dietterich 2019, each at three severities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from inceptionlab.data.dataset import Samples
from inceptionlab.data.stores.images import InMemory
from inceptionlab.errors import MissingExtra
from inceptionlab.rng import stream

SEVERITIES = (1, 2, 3)
_NOISE, _BLUR = (0.04, 0.08, 0.12), (0.6, 1.0, 1.5)
_BRIGHT, _CONTRAST, _JPEG = (0.1, 0.2, 0.3), (0.75, 0.5, 0.3), (80.0, 50.0, 25.0)
BATCH = 500


def _noise(x: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    return x + _NOISE[severity - 1] * torch.randn(x.shape, generator=generator).to(x.device)


def _blur(x: Tensor, severity: int, _: torch.Generator) -> Tensor:
    sigma = _BLUR[severity - 1]
    return _kornia("filters").gaussian_blur2d(x, (7, 7), (sigma, sigma))


def _brightness(x: Tensor, severity: int, _: torch.Generator) -> Tensor:
    return _kornia("enhance").adjust_brightness(x, _BRIGHT[severity - 1])


def _contrast(x: Tensor, severity: int, _: torch.Generator) -> Tensor:
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * _CONTRAST[severity - 1]


def _jpeg(x: Tensor, severity: int, _: torch.Generator) -> Tensor:
    grey = x.shape[1] == 1
    coded = _kornia("enhance").jpeg_codec_differentiable(
        x.expand(-1, 3, -1, -1) if grey else x, torch.tensor([_JPEG[severity - 1]], device=x.device)
    )
    return coded.mean(1, keepdim=True) if grey else coded


CORRUPTIONS: dict[str, Callable[[Tensor, int, torch.Generator], Tensor]] = {
    "noise": _noise, "blur": _blur, "brightness": _brightness, "contrast": _contrast, "jpeg": _jpeg,
}  # fmt: skip


def corrupted(samples: Samples, kind: str, severity: int) -> Samples:
    """The images with a corruption of `CORRUPTIONS` at severity 1 to 3, on the device where they are.

    Equal calls give equal images. Raises `MissingExtra` where kornia is not installed.
    """
    generator = stream(0, "corruption", kind, severity)
    parts: list[Tensor] = []
    for start in range(0, len(samples), BATCH):
        x = samples.images[start : start + BATCH].permute(0, 3, 1, 2).float() / 255
        changed = CORRUPTIONS[kind](x, severity, generator).clamp(0, 1)
        parts.append((changed * 255).round().to(torch.uint8).permute(0, 2, 3, 1))
    return replace(samples, images=InMemory(torch.cat(parts)))


def _kornia(part: str) -> Any:
    """A module of kornia, which is imported here alone: it takes a second, and may not be installed."""
    try:
        return import_module(f"kornia.{part}")
    except ImportError:
        raise MissingExtra("kornia", "augment") from None
