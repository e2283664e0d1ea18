"""What a drawing consists of, and how figures are put together, in the direction of the flow or beside it.

A figure lies along the flow (`length`) and across it (`breadth`). Its way in is at (0, axis) and its way out at
(length, axis), so that figures can be put one after another by their axes whatever stands beside these. Only boxes,
whose text is always written from left to right, need to know whether the flow goes down or to the right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from inceptionlab.analysis.lettering import text_width
from inceptionlab.errors import ConfigError, nearest

GAP, MARGIN, ROUND = 26.0, 12.0, 8.0
"""Between figures one after another, around the figures of a panel, and the radius of corners."""
HEADING = 24.0
Kind: TypeAlias = Literal["conv", "depthwise", "pool", "fuse", "gate", "head", "block", "other", "input"]
Style: TypeAlias = Literal["title", "heading", "name", "what", "note"]
SIZES: dict[Style, float] = {"title": 15, "heading": 11.5, "name": 10.5, "what": 12, "note": 10.5}
"""The size of the letters of each style of text, in pixels."""
Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Look:
    """How a network is drawn."""

    layout: Literal["vertical", "horizontal"] = "vertical"
    """The direction of the flow: downwards, or to the right as on a slide."""
    params: bool = False
    """Write the parameters of each box."""
    legend: bool = True
    """Explain the colours below the drawing."""
    fold: bool = True
    """Draw equal blocks that follow one another once, and say how many they are."""
    theme: Literal["auto", "light", "dark"] = "auto"
    """The colours; "auto" is that of the reader's system in an SVG, and light in other files."""

    def __post_init__(self) -> None:
        for name, known in (("layout", ("vertical", "horizontal")), ("theme", ("auto", "light", "dark"))):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name}={getattr(self, name)!r}: {nearest(str(getattr(self, name)), known)}")

    def along(self, width: float, height: float) -> Point:
        """(along, across) the flow, of a place or of a size in pixels."""
        return (height, width) if self.layout == "vertical" else (width, height)

    def place(self, along: float, across: float) -> Point:
        """(x, y) of a place."""
        return (across, along) if self.layout == "vertical" else (along, across)


USUAL = Look()


@dataclass(frozen=True, slots=True)
class Box:
    """A box of so much `along` and `across`, with lines of text; `params` are the parameters of what it stands for."""

    along: float
    across: float
    kind: Kind
    lines: tuple[tuple[Style, str], ...] = ()
    path: str = ""
    params: int = 0
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Circle:
    """Where two arms are added."""

    radius: float


@dataclass(frozen=True, slots=True)
class Wire:
    """A way through corners, with an arrowhead at its end or without; a dashed one computes nothing."""

    points: tuple[Point, ...]
    arrow: bool = True
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text at a place, moved by (x, y) pixels."""

    text: str
    style: Style = "name"
    moved: Point = (0.0, 0.0)
    anchor: Literal["start", "middle", "end"] = "start"


@dataclass(frozen=True, slots=True)
class Panel:
    """A ground behind figures that belong together."""

    along: float
    across: float


Part: TypeAlias = Box | Circle | Wire | Label | Panel


@dataclass(frozen=True, slots=True)
class Figure:
    """A laid-out part of a drawing: parts and figures with their places. `times`: so often it stands in a row; `open`:
    it begins with a wire, so that the arrow before it has its head later.
    """

    length: float
    breadth: float
    axis: float
    parts: tuple[tuple[float, float, Part | Figure], ...] = ()
    times: int = 1
    open: bool = False

    def walk(self, along: float = 0.0, across: float = 0.0, times: int = 1) -> Iterator[tuple[float, float, Part, int]]:
        """Every part with its place, and how often it stands in the network."""
        for u, v, part in self.parts:
            if isinstance(part, Figure):
                yield from part.walk(along + u, across + v, times * self.times)
            else:
                yield along + u, across + v, part, times * self.times


def column(figures: Sequence[Figure], gap: float = GAP) -> Figure:
    """Figures one after another, with arrows between them."""
    axis = max(figure.axis for figure in figures)
    behind = max(figure.breadth - figure.axis for figure in figures)
    parts: list[tuple[float, float, Part | Figure]] = []
    along = 0.0
    for i, figure in enumerate(figures):
        if i:
            parts.append((along, axis, Wire(((0, 0), (gap, 0)), arrow=not figure.open)))
            along += gap
        parts.append((along, axis - figure.axis, figure))
        along += figure.length
    return Figure(along, axis + behind, axis, tuple(parts), open=figures[0].open)


def panel(figure: Figure, names: Sequence[str], note: str, look: Look, closed: bool = False) -> Figure:
    """A figure on a ground with the names of what it draws above it, and a note at the right; a `closed` one ends
    there. Where the flow goes down, it passes between names and note.
    """
    wanted = [text_width(name, SIZES["heading"], bold=True) + 10 for name in names]
    beside = text_width(note, SIZES["note"]) + 10 if note else 0.0
    left = max(*wanted, min(sum(wanted), 170.0))
    width, height = look.place(figure.length, figure.breadth)
    if look.layout == "vertical":
        before, behind = max(0.0, left - figure.axis), max(0.0, beside - (width - figure.axis))
        left = before + figure.axis
    else:
        before, behind = 0.0, max(0.0, left + beside - width)
        left = width + behind - beside
    room = before + width + behind
    places = _in_rows(wanted, left)
    headings = [((MARGIN + x, 16 + row * 16), Label(name, "heading"))
                for name, (x, row) in zip(names, places, strict=True)]  # fmt: skip
    if note:
        headings.append(((MARGIN + room, 16), Label(note, "note", anchor="end")))
    down = HEADING + 16 * max(row for _, row in places) + 8
    parts = [(*look.along(x, y), label) for (x, y), label in headings]
    size, inner = look.along(room + 2 * MARGIN, height + down + MARGIN), look.along(MARGIN + before, down)
    return _on_ground(figure, size, inner, parts, closed)


def _on_ground(figure: Figure, size: Point, inner: Point, headings: Sequence[tuple[float, float, Label]],
               closed: bool) -> Figure:  # fmt: skip
    """A figure at `inner` on a panel of `size`, both (along, across), with the wires to its borders."""
    (length, breadth), (start, side) = size, inner
    axis, end = side + figure.axis, start + figure.length
    leaving = () if closed else ((end, axis, Wire(((0, 0), (length - end, 0)), arrow=False)),)
    entering = (0.0, axis, Wire(((0, 0), (start, 0)), arrow=not figure.open))
    parts = ((0.0, 0.0, Panel(length, breadth)), (start, side, figure), entering, *leaving, *headings)
    return Figure(length, breadth, axis, parts)


def _in_rows(widths: Sequence[float], room: float) -> list[tuple[float, int]]:
    """(x, row) of things of these widths, from left to right in rows of `room`."""
    x, row, places = 0.0, 0, list[tuple[float, int]]()
    for width in widths:
        if x and x + width > room:
            x, row = 0.0, row + 1
        places.append((x, row))
        x += width
    return places
