"""HTML pages from templates: one style sheet, text escaped, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

if TYPE_CHECKING:
    from jinja2 import Environment

LARGEST = 160
"""Pixels of the longer side of an image in a page."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; numbers are aligned to the right, the columns `left` to the left."""

    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    left: tuple[int, ...] = (0,)


def render(template: str, page: Any) -> str:
    """A page: the template sees the dataclass `page` under that name. All but charts is escaped."""
    return _environment().get_template(template).render(page=page)


def style_sheet() -> str:
    """The style sheet that all pages have."""
    return Path(__file__).with_name("templates").joinpath("style.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("inceptionlab.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def png(pixels: UInt8[np.ndarray, "h w c"]) -> str:
    """An image as the address of a PNG within a page, no larger than 160 pixels."""
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    image.thumbnail((LARGEST, LARGEST))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
