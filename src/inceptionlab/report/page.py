"""HTML pages from templates: one style sheet, text escaped, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from inceptionlab.errors import counted
from inceptionlab.report.figures import PALETTE, themed

if TYPE_CHECKING:
    from jinja2 import Environment

LARGEST = 160
"""Pixels of the longer side of an image in a page."""
SMALL = 64
"""Pixels up to which an image stands there without loss."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; numbers are aligned to the right, the columns `left` to the left."""

    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    left: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Figure:
    """An image with what stands under it; `source` is its address within the page, "" for one that cannot be shown."""

    name: str
    label: str
    source: str


def render(template: str, page: Any) -> str:
    """A page: the template sees the dataclass `page` under that name. All but charts is escaped."""
    return _environment().get_template(template).render(page=page)


def style_sheet() -> str:
    """The style sheet that all pages have."""
    return Path(__file__).with_name("templates").joinpath("style.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("inceptionlab.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    tables: Any = environment  # Jinja says no types of what may be put into its tables
    tables.globals["palette"] = PALETTE
    tables.filters.update(themed=themed, address=svg_address, counted=counted)
    return environment


def image_source(pixels: UInt8[np.ndarray, "h w c"], largest: int = LARGEST) -> str:
    """An image as an address within a page, no larger than `largest` pixels: small ones as PNG, photographs as JPEG."""
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    image.thumbnail((largest, largest))
    kind = "PNG" if max(image.size) <= SMALL else "JPEG"
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=88)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def svg_address(svg: str) -> str:
    """An SVG document as an address within a page, so that its style sheet stays its own."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def duration(seconds: float) -> str:
    """A time in the unit that people would say it in."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def moment(when: str) -> str:
    """A moment of ISO 8601 for people: "24 November 2026, 12:04 UTC"; another text as it is."""
    try:
        found = datetime.fromisoformat(when)
    except ValueError:
        return when
    return f"{found.day} {found:%B %Y, %H:%M} {found.tzname() or ''}".rstrip()
