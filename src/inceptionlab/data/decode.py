"""One image from a file: read defensively, turned upright, in the right mode and size. Nothing else opens images."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from math import ceil
from pathlib import Path
from threading import Lock
from typing import IO, Literal

from PIL import Image, ImageOps, UnidentifiedImageError

from inceptionlab.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm")
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""What a file may hold, whatever its name says. Pillow knows more, and would start Ghostscript for an EPS."""
SMALLEST = 4
LARGEST = 100_000_000
"""Pixels; an image of 10,000 x 10,000 is read, one of 20,000 x 20,000 is refused before it is unpacked."""

ORIENTATION = 0x0112
"""The tag of EXIF that says how an image is turned."""
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_OPENING = Lock()


def decode_as_stored(file: str | Path | IO[bytes], where: str) -> Image.Image:
    """The image as RGB, its rows as the file has them whatever its EXIF says: so other libraries read images. Raises
    what `decode` does.
    """
    return _decoded(file, where, None, lambda image: image.convert("RGB"))[0]


def decode(
    file: str | Path | IO[bytes], where: str, channels: int, least: tuple[int, int] | None = None
) -> Image.Image:
    """The image as RGB (3 channels) or grey (1), turned upright as its EXIF says.

    A JPEG may be unpacked at a half, a quarter or an eighth of its size, if it stays twice as large as `least` asks.
    Raises `DataError`, naming `where`, for what cannot be read, is smaller than 4 pixels a side or too large.
    """
    return decode_with_mode(file, where, channels, least)[0]


def decode_with_mode(
    file: str | Path | IO[bytes], where: str, channels: int, least: tuple[int, int] | None = None
) -> tuple[Image.Image, str]:
    """(the image as `decode` gives it, the mode that it has in the file, such as "RGB", "L" or "CMYK")."""
    return _decoded(file, where, least, lambda image: upright(image, channels))


def _decoded(
    file: str | Path | IO[bytes],
    where: str,
    least: tuple[int, int] | None,
    convert: Callable[[Image.Image], Image.Image],
) -> tuple[Image.Image, str]:
    try:
        with _opened(file) as image:
            check_size(image.size, where)
            mode = image.mode
            if least is not None:
                image.draft(None, (2 * max(least), 2 * max(least)))
            return convert(image), mode
    except FileNotFoundError:
        raise DataError(f"{where} does not exist") from None
    except IsADirectoryError:
        raise DataError(f"{where} is a folder, not an image") from None
    except Image.DecompressionBombError:
        raise DataError(f"{where} is larger than {LARGEST:,} pixels; make it smaller first") from None
    except DataError:
        raise
    except Exception as error:  # every format of Pillow raises exceptions of its own
        raise DataError(f"{where} cannot be read as an image: {_why(file, error)}") from None


def _why(file: str | Path | IO[bytes], error: Exception) -> str:
    """Why a file could not be read as an image, in words that need no knowledge of Pillow."""
    if (file.seek(0, os.SEEK_END) if not isinstance(file, str | Path) else Path(file).stat().st_size) == 0:
        return "it is empty"
    if isinstance(error, UnidentifiedImageError):
        return f"it is of no format that is known here ({', '.join(FORMATS)})"
    if "truncated" in str(error).lower():
        return "it ends too early; copy or download it anew"
    return str(error) or type(error).__name__


def upright(image: Image.Image, channels: int) -> Image.Image:
    """An image turned as its EXIF says, as RGB (3 channels) or grey (1); the image itself where it is so already, since
    Pillow's functions would copy it each time.
    """
    mode = "RGB" if channels == 3 else "L"
    image.load()  # a PNG may have its EXIF behind its pixels
    turned = image if image.getexif().get(ORIENTATION, 1) == 1 else ImageOps.exif_transpose(image)
    return turned if turned.mode == mode else turned.convert(mode)


def _opened(file: str | Path | IO[bytes]) -> Image.Image:
    """The file with its header read. Pillow warns above 89 million pixels, and `check_size` refuses above `LARGEST`."""
    with _OPENING, warnings.catch_warnings():  # filters are the process's: threads would restore each other's
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(file, formats=FORMATS)


def check_size(size: tuple[int, int], where: str) -> None:
    """Raise `DataError` for an image of (width, height) that is too small or too large to be read."""
    width, height = size
    if min(size) < SMALLEST:
        raise DataError(f"{where} is {width}x{height} pixels; an image needs at least {SMALLEST}x{SMALLEST}")
    if width * height > LARGEST:
        raise DataError(f"{where} is {width:,}x{height:,} pixels, more than {LARGEST:,}; make it smaller first")


def fitted(
    image: Image.Image, size: tuple[int, int], crop: float, interpolation: Literal["bilinear", "bicubic"]
) -> Image.Image:
    """The centre crop of (height, width) after a resize that makes it `crop` of the image's shorter side."""
    height, width = size
    target = round(width / crop), round(height / crop)
    ratio = max(target[0] / image.width, target[1] / image.height)
    if image.width * image.height * ratio**2 > LARGEST:  # a long strip, of which no more than the middle is used
        image = _middle(image, (ceil(2 * target[0] / ratio), ceil(2 * target[1] / ratio)))
    resized = image.resize(
        (max(width, round(image.width * ratio)), max(height, round(image.height * ratio))), FILTERS[interpolation]
    )
    left, top = (resized.width - width) // 2, (resized.height - height) // 2
    return resized.crop((left, top, left + width, top + height))


def _middle(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of an image, at most (width, height)."""
    width, height = min(size[0], image.width), min(size[1], image.height)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
