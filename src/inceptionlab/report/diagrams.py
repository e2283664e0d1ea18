"""Diagrams of networks in files: SVG as it is, PNG and PDF by matplotlib, which is there anyway and brings its font."""

from __future__ import annotations

import io
import warnings
from math import ceil, sqrt
from pathlib import Path
from typing import Any

from inceptionlab import storage
from inceptionlab.analysis.drawing import scene
from inceptionlab.analysis.figures import SIZES, USUAL, Look
from inceptionlab.analysis.scene import Disc, Filled, Rect, Scene, Shape, Stroke, Text
from inceptionlab.analysis.svg import DARK, LIGHT, Colours, to_svg
from inceptionlab.errors import ConfigError, counted
from inceptionlab.report.figures import installed_fonts
from inceptionlab.spec.network import Network
from inceptionlab.zoo.naming import as_network

ENDINGS = (".svg", ".png", ".pdf")
PER_INCH, POINTS = 96.0, 0.75
"""Pixels of a drawing in an inch, and points in one of them."""
SCALE, MOST_PIXELS, LONGEST_SIDE = 2.0, 40e6, 30_000
"""Pixels of a PNG for one of the drawing and how many those are at most, unless a width is given; and of a side."""
LEGIBLE = 6.5
"""Pixels of the smallest letters that can be read."""
LONGEST_PAGE = 200.0
"""Inches of a side of a page of PDF, at most."""


def save_drawing(
    network: Network | str, file: str | Path, path: str = "", depth: int = 8, look: Look = USUAL,
    width: int | None = None,
) -> Path:  # fmt: skip
    """Draw a network (a value, or what `network_of` reads), or its node at the address `path`, into a file: SVG, PNG or
    PDF by the ending of its name.

    `width` is that of a PNG in pixels (None: twice the drawing's own). Raises `ConfigError` for another ending and for
    a width that is too large, `SpecError` for an unknown address, `StorageError` where the file cannot be written.
    """
    file = Path(file)
    if file.suffix.lower() not in ENDINGS:
        raise ConfigError(f"{file} ends in {file.suffix or 'nothing'}: a drawing is written as .svg, .png or .pdf")
    if width is not None and file.suffix.lower() != ".png":
        raise ConfigError(f"--width is that of a PNG in pixels; {file} is drawn in lines, which have any size")
    drawing = scene(as_network(network), path, depth, look)
    content = to_svg(drawing, look) if file.suffix.lower() == ".svg" else render(drawing, file.suffix[1:], look, width)
    storage.write(file, content)
    return file


def illegible(drawing: Scene, width: int | None = None) -> str:
    """How high the smallest letters of a PNG of `width` pixels are and what makes them larger, if they are too small to
    read; else nothing.
    """
    smallest = min(SIZES.values())
    pixels = smallest * _scale(drawing, width)
    if pixels >= LEGIBLE:
        return ""
    enough = ceil(drawing.width * LEGIBLE / smallest)
    return (
        f"{counted(round(pixels), 'pixel')} high, too small to read: draw it with --width {enough}, or draw less, "
        "blocks as boxes (--depth 1) or one module (--node ADDRESS); .svg and .pdf have any size"
    )


def render(drawing: Scene, ending: str, look: Look = USUAL, width: int | None = None) -> bytes:
    """A scene as the content of a PNG of `width` pixels or of a PDF."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    png = ending.lower() == "png"
    scale = _scale(drawing, width) if png else min(1.0, LONGEST_PAGE * PER_INCH / max(drawing.width, drawing.height))
    inches = (drawing.width / PER_INCH, drawing.height / PER_INCH)
    colours = DARK if look.theme == "dark" else LIGHT
    style: dict[Any, Any] = {"pdf.fonttype": 42, "text.parse_math": False, "font.family": installed_fonts()}
    with mpl.rc_context(style), warnings.catch_warnings():
        # a letter that no installed font has becomes a box
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        size = inches if png else (inches[0] * scale, inches[1] * scale)
        figure = Figure(figsize=size, facecolor=colours["ground"][0])
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, drawing.width), ylim=(drawing.height, 0))
        axes.axis("off")
        for i, shape in enumerate(drawing.shapes):
            _add(axes, shape, colours, POINTS if png else POINTS * scale, i)
        content = io.BytesIO()
        about = {"Title": drawing.title} if png else {"Title": drawing.title, "CreationDate": None}
        figure.savefig(content, format=ending.lower(), dpi=PER_INCH * scale if png else PER_INCH,
                       facecolor=colours["ground"][0], metadata=about)  # fmt: skip
    return content.getvalue()


def _scale(drawing: Scene, width: int | None) -> float:
    """Pixels of a PNG for one of the drawing."""
    if width is None:
        return min(SCALE, sqrt(MOST_PIXELS / (drawing.width * drawing.height)),
                   LONGEST_SIDE / max(drawing.width, drawing.height))  # fmt: skip
    scale = width / drawing.width
    height = round(drawing.height * scale)
    if width < 1 or height < 1:
        raise ConfigError(f"a width of {width} pixels leaves nothing of the drawing; give 100 or more")
    if max(width, height) > LONGEST_SIDE:
        raise ConfigError(f"a width of {width:,} pixels makes an image of {width:,} x {height:,}, and a side has "
                          f"{LONGEST_SIDE:,} at most; write a .pdf or .svg, which have any size")  # fmt: skip
    return scale


def _add(axes: Any, shape: Shape, colours: Colours, points: float, order: int) -> None:
    """Add a shape to axes in pixels, of which one has so many `points`."""
    from matplotlib.patches import Circle, Polygon

    line = colours["line"][1]
    match shape:
        case Rect():
            axes.add_patch(_rectangle(shape, colours, points, order))
        case Stroke():
            axes.add_patch(_stroke(shape, line, points, order))
        case Filled(points=corners):
            axes.add_patch(Polygon(corners, facecolor=line, edgecolor="none", zorder=order))
        case Text(style=style):
            colour = colours["soft" if style in ("name", "note") else "ground"][1]
            axes.text(shape.x, shape.y, shape.text, fontsize=SIZES[style] * points, color=colour, zorder=order,
                      weight="bold" if style in ("title", "heading") else "normal",
                      ha={"start": "left", "middle": "center", "end": "right"}[shape.anchor])  # fmt: skip
        case Disc(x=x, y=y, radius=r):
            fill, border = colours["sum"]
            axes.add_patch(Circle((x, y), r, facecolor=fill, edgecolor=border, linewidth=points, zorder=order))
            signs = (((x - r / 2, x + r / 2), (y, y)), ((x, x), (y - r / 2, y + r / 2)))
            for xs, ys in signs:
                axes.plot(xs, ys, color=border, linewidth=1.8 * points, zorder=order + 0.5)


def _rectangle(rect: Rect, colours: Colours, points: float, order: int) -> Any:
    from matplotlib.patches import FancyBboxPatch

    fill, border = colours[rect.kind]
    corner = 10.0 if rect.kind == "panel" else min(6.0, rect.height / 4)
    return FancyBboxPatch((rect.x, rect.y), rect.width, rect.height, facecolor=fill, edgecolor=border,
                          boxstyle=f"round,pad=0,rounding_size={corner}", linewidth=points, zorder=order)  # fmt: skip


def _stroke(stroke: Stroke, colour: str, points: float, order: int) -> Any:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Way

    codes = {"M": (Way.MOVETO,), "L": (Way.LINETO,), "Q": (Way.CURVE3, Way.CURVE3)}
    kinds = [code for sign, *_ in stroke.steps for code in codes[sign]]
    places = [pair for _, *numbers in stroke.steps for pair in zip(numbers[::2], numbers[1::2], strict=True)]
    return PathPatch(Way(places, kinds), facecolor="none", edgecolor=colour, linewidth=1.3 * points, zorder=order,
                     linestyle=(0, (3, 2.4)) if stroke.dashed else "solid", capstyle="butt")  # fmt: skip
