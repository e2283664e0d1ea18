"""A drawing as shapes with places in pixels, which writers of files turn into their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Literal, TypeAlias

from inceptionlab.analysis.figures import (
    ROUND,
    SIZES,
    Box,
    Circle,
    Figure,
    Kind,
    Label,
    Look,
    Panel,
    Point,
    Style,
    Wire,
)
from inceptionlab.analysis.lettering import text_width

HEAD = 6.5
"""The length of an arrowhead."""
EDGE, TITLE, LEGEND = 28.0, 62.0, 20.0
WIDE = 1400.0
"""From here on a title stands at the left, where a reader begins."""
MEANINGS: dict[Kind, str] = {
    "conv": "convolution", "depthwise": "depthwise convolution", "pool": "pooling",
    "fuse": "concatenation, sum", "gate": "attention, norm, activation, scale", "head": "linear, dropout",
    "block": "a block as one box", "other": "a module of your own",
}  # fmt: skip
READING = "k×k/s: kernel/stride; below it channels×height×width of the output"
Class: TypeAlias = Kind | Literal["panel", "sum"]


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle with round corners; `path` and `params` are those of the node that it stands for, `times` over."""

    x: float
    y: float
    width: float
    height: float
    kind: Class
    path: str = ""
    params: int = 0
    times: int = 1
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line: ("M" or "L", x, y) and, around a corner, ("Q", corner x, corner y, x, y)."""

    steps: tuple[tuple[str, *tuple[float, ...]], ...]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Filled:
    """A filled triangle: an arrowhead."""

    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text; `y` is its base."""

    x: float
    y: float
    text: str
    style: Style
    anchor: Literal["start", "middle", "end"] = "middle"


@dataclass(frozen=True, slots=True)
class Disc:
    """A circle with a plus in it."""

    x: float
    y: float
    radius: float


Shape: TypeAlias = Rect | Stroke | Filled | Text | Disc


@dataclass(frozen=True, slots=True)
class Scene:
    """A drawing of `width` by `height` pixels: its shapes, those behind first."""

    title: str
    width: float
    height: float
    shapes: tuple[Shape, ...]

    @property
    def boxes(self) -> list[Rect]:
        """The boxes, each with the parameters of what it stands for."""
        return [shape for shape in self.shapes if isinstance(shape, Rect) and shape.kind != "panel" and shape.tip]


def scene_of(figure: Figure, title: str, about: str, look: Look) -> Scene:
    """A figure with its title, a line about it, and the legend of the colours that occur in it."""
    inner = look.place(figure.length, figure.breadth)
    heads = (text_width(title, SIZES["title"], bold=True), text_width(about, SIZES["note"]))
    width = max(inner[0], *heads, 300.0 if look.legend else 0.0) + 2 * EDGE
    left = (width - inner[0]) / 2
    shapes = list(_shapes(figure, (left, TITLE), look))
    occurring = {s.kind for s in shapes if isinstance(s, Rect)}
    kinds: list[Kind] = [kind for kind in MEANINGS if kind in occurring]
    dashed = any(isinstance(s, Stroke) and s.dashed for s in shapes)
    below, rows = list[Shape](), 0.0
    if look.legend:
        below, rows = _legend(kinds, dashed, width, TITLE + inner[1] + EDGE)
    wide = look.layout == "horizontal" and width > WIDE
    at, anchor = (EDGE, "start") if wide else (width / 2, "middle")
    titles = (Text(at, 26, title, "title", anchor), Text(at, 44, about, "note", anchor))
    shapes.sort(key=_depth)
    return Scene(title, width, TITLE + inner[1] + EDGE + rows, (*titles, *shapes, *below))


def _depth(shape: Shape) -> int:
    """Grounds lie behind arrows, and those behind boxes and text."""
    return 0 if isinstance(shape, Rect) and shape.kind == "panel" else 1 if isinstance(shape, Stroke | Filled) else 2


def _shapes(figure: Figure, origin: Point, look: Look) -> Iterator[Shape]:
    for along, across, part, times in figure.walk():
        (dx, dy), (ox, oy) = look.place(along, across), origin
        x, y = ox + dx, oy + dy
        match part:
            case Box() | Panel():
                width, height = look.place(part.along, part.across)
                if isinstance(part, Panel):
                    yield Rect(x, y, width, height, "panel")
                else:
                    yield Rect(x, y, width, height, part.kind, part.path, part.params, times, part.tip)
                    yield from _lines(part.lines, x + width / 2, y + height / 2)
            case Wire():
                points = [look.place(u, v) for u, v in part.points]
                yield from _wire([(x + px, y + py) for px, py in points], part)
            case Circle():
                yield Disc(x, y, part.radius)
            case Label() if part.text:
                yield Text(x + part.moved[0], y + part.moved[1], part.text, part.style, part.anchor)
            case _:
                pass


def _lines(lines: Sequence[tuple[Style, str]], x: float, middle: float) -> Iterator[Text]:
    top = middle - 7.5 * len(lines)
    for i, (style, text) in enumerate(lines):
        yield Text(x, top + 15 * i + 11.4, text, style)


def _wire(points: list[Point], wire: Wire) -> Iterator[Shape]:
    corners = [p for i, p in enumerate(points) if i == 0 or p != points[i - 1]]
    if len(corners) < 2:
        return
    (ax, ay), (bx, by) = corners[-2:]
    length = hypot(bx - ax, by - ay)
    dx, dy = (bx - ax) / length, (by - ay) / length
    if wire.arrow:
        foot = (bx - HEAD * dx, by - HEAD * dy)
        side = (-dy * HEAD * 0.5, dx * HEAD * 0.5)
        yield Filled(((bx, by), (foot[0] + side[0], foot[1] + side[1]), (foot[0] - side[0], foot[1] - side[1])))
        corners[-1] = (bx - HEAD * 0.8 * dx, by - HEAD * 0.8 * dy)
    yield Stroke(tuple(_steps(corners)), wire.dashed)


def _steps(corners: list[Point]) -> Iterator[tuple[str, *tuple[float, ...]]]:
    """The way through corners, each of them round."""
    yield ("M", *corners[0])
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        reach = min(ROUND, _distance(before, corner) / 2, _distance(corner, after) / 2)
        yield ("L", *_towards(corner, before, reach))
        yield ("Q", *corner, *_towards(corner, after, reach))
    yield ("L", *corners[-1])


def _distance(a: Point, b: Point) -> float:
    return hypot(b[0] - a[0], b[1] - a[1])


def _towards(start: Point, end: Point, reach: float) -> Point:
    share = reach / max(_distance(start, end), 1e-9)
    return (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)


def _legend(kinds: Sequence[Kind], dashed: bool, width: float, top: float) -> tuple[list[Shape], float]:
    """Swatches with their meanings in rows, and how to read a box; the height of all that."""
    x, y, shapes = EDGE, top + 6, list[Shape]()
    entries: list[tuple[Kind | None, str]] = [(kind, MEANINGS[kind]) for kind in kinds]
    entries += [(None, "identity")] if dashed else []
    for kind, meaning in entries:
        room = 24 + text_width(meaning, SIZES["note"]) + 12
        if x > EDGE and x + room > width - EDGE + 12:
            x, y = EDGE, y + LEGEND
        line = Stroke((("M", x, y), ("L", x + 16, y)), dashed=True)
        shapes += [Rect(x, y - 6, 16, 12, kind) if kind else line, Text(x + 22, y + 4, meaning, "note", "start")]
        x += room
    for line in _reading(width - 2 * EDGE):
        y += LEGEND
        shapes.append(Text(EDGE, y + 4, line, "note", "start"))
    return shapes, y - top + EDGE


def _reading(room: float) -> list[str]:
    if text_width(READING, SIZES["note"]) <= room:
        return [READING]
    return [part.strip() for part in READING.split(";")]
