"""One picture from a file: read defensively, oriented, in the right mode and size."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import IO, Literal

from PIL import Image, ImageOps, UnidentifiedImageError

from inceptionlab.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm")
SMALLEST = 4
LARGEST = 100_000_000
"""Pixels; a picture of 10,000 x 10,000 is read, one of 20,000 x 20,000 is refused before it is unpacked."""

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def decode(
    file: str | Path | IO[bytes], where: str, channels: int, least: tuple[int, int] | None = None
) -> Image.Image:
    """The picture as RGB (3 channels) or grey (1), turned upright as its EXIF says.

    A JPEG may be unpacked at a half, a quarter or an eighth of its size, if it stays twice as large as `least` asks.
    Raises `DataError`, naming `where`, for what cannot be read, is smaller than 4 pixels a side or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file) as picture:
                _check_size(picture.size, where)
                if least is not None:
                    picture.draft(None, (2 * max(least), 2 * max(least)))
                upright = ImageOps.exif_transpose(picture)
                return upright.convert("RGB" if channels == 3 else "L")
    except FileNotFoundError:
        raise DataError(f"{where} does not exist") from None
    except IsADirectoryError:
        raise DataError(f"{where} is a folder, not a picture") from None
    except Image.DecompressionBombError:
        raise DataError(f"{where} is larger than {LARGEST:,} pixels; make it smaller first") from None
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"{where} cannot be read as a picture: it is of no format that is known here") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise DataError(f"{where} cannot be read as a picture: {error}") from None


def _check_size(size: tuple[int, int], where: str) -> None:
    width, height = size
    if min(size) < SMALLEST:
        raise DataError(f"{where} is {width}x{height} pixels; a picture needs at least {SMALLEST}x{SMALLEST}")
    if width * height > LARGEST:
        raise DataError(f"{where} is {width:,}x{height:,} pixels, more than {LARGEST:,}; make it smaller first")


def fitted(
    picture: Image.Image, size: tuple[int, int], crop: float, interpolation: Literal["bilinear", "bicubic"]
) -> Image.Image:
    """The centre crop of (height, width) after a resize that makes it `crop` of the picture's shorter side."""
    height, width = size
    target = round(width / crop), round(height / crop)
    ratio = max(target[0] / picture.width, target[1] / picture.height)
    resized = picture.resize(
        (max(width, round(picture.width * ratio)), max(height, round(picture.height * ratio))), _FILTERS[interpolation]
    )
    left, top = (resized.width - width) // 2, (resized.height - height) // 2
    return resized.crop((left, top, left + width, top + height))
