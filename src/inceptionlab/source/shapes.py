"""From groups to classes: groups of one shape are instances of one class, and their differences its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from keyword import iskeyword

from inceptionlab.source.phrases import Form, Group, Hole, Phrase, groups_in, shape_of

_RESERVED = ("self", "x", "nn", "torch", "F", "math", "in_channels", "out_channels", "num_classes", "width", "widths")
_SCALARS = {"stride": "stride", "scale": "scale", "gamma": "gamma", "p": "drop"}
_FACTORS = (2, 3, 4, 6, 8)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a class: one number, or a tuple of them; `places` say of which holes it is."""

    name: str
    places: tuple[int, ...]
    hint: str


@dataclass(slots=True)
class Shape:
    """A class to be written. `texts` says each hole of an instance, in order, as the class's code says it: a number or
    an expression of parameters.
    """

    instances: list[Group]
    texts: list[int | float | str] = field(default_factory=list["int | float | str"])
    labels: list[str] = field(default_factory=list[str])
    parameters: tuple[Parameter, ...] = ()
    name: str = ""

    @property
    def first(self) -> Group:
        """The first instance, whose phrases are those of the class."""
        return self.instances[0]

    def column(self, place: int) -> list[int | float]:
        """The numbers of a hole in all instances."""
        return [group.holes[place].value for group in self.instances]


Shapes = dict[object, Shape]


def shapes_of(phrases: Iterable[Phrase]) -> Shapes:
    """The classes that phrases need, by their shapes, the innermost first."""
    found: Shapes = {}
    for phrase in phrases:
        for group in groups_in(phrase):
            found.setdefault(shape_of(group), Shape([])).instances.append(group)
    for shape in found.values():
        _settle(shape, found)
    return found


def _settle(shape: Shape, known: Shapes) -> None:
    """Find the texts of the holes and the parameters."""
    inner, owned = _inner_labels(shape, known), _inner_texts(shape, known)
    origins: list[int | None] = []  # the hole whose parameter a hole is; None where it is no parameter itself
    for place in range(len(shape.first.holes)):
        text, origin = _text(shape, place, origins, owned)
        shape.texts.append(text)
        origins.append(origin)
    shape.labels = [_label(shape, place, origins, inner) for place in range(len(origins))]
    new = [place for place, origin in enumerate(origins) if origin == place]
    shape.parameters = tuple(_parameters(shape, new))
    names = {parameter.places: parameter.name for parameter in shape.parameters}
    own = {place: _indexed(places, name, place) for places, name in names.items() for place in places}
    for place, origin in enumerate(origins):
        text = shape.texts[place]
        if origin is not None:
            shape.texts[place] = own[origin]
        elif isinstance(text, str):  # an expression of a hole before it: "{3} // 2"
            shape.texts[place] = text.format(*shape.texts)


def _indexed(places: tuple[int, ...], name: str, place: int) -> str:
    return name if len(places) == 1 else f"{name}[{places.index(place)}]"


def _text(
    shape: Shape, place: int, origins: list[int | None], owned: dict[Hole, _Owned]
) -> tuple[int | float | str, int | None]:
    """(the text of a hole, the hole whose parameter it is)."""
    hole, column, holes = shape.first.holes[place], shape.column(place), shape.first.holes
    if hole.kind != "classes" and len(set(column)) == 1:
        return column[0], None
    for other, origin in enumerate(origins):
        alike = origin == other and holes[other].kind == hole.kind and shape.column(other) == column
        if alike and not _told_apart(owned.get(hole), owned.get(holes[other])):
            return "", other
    related = _related(shape, place) if hole.kind == "width" else None
    return (related, None) if related else ("", place)


_Owned = tuple[Group, "int | float | str"]
"""A group within, and how its class says a hole."""


def _told_apart(one: _Owned | None, other: _Owned | None) -> bool:
    """Whether a group within has two parameters for two holes; then so has the class around it."""
    return one is not None and other is not None and one[0] is other[0] and one[1] != other[1]


def _related(shape: Shape, place: int) -> str | None:
    """A width that is a multiple or a part of another in every instance, and not by chance: "4 * {0}"."""
    column = shape.column(place)
    if place == 0 or len(set(column)) < 3 or not isinstance(shape.texts[0], str):
        return None
    inputs = shape.column(0)
    for factor in _FACTORS:
        if all(width == factor * given for width, given in zip(column, inputs, strict=True)):
            return f"{factor} * {{0}}"
        if all(width * factor == given for width, given in zip(column, inputs, strict=True)):
            return f"{{0}} // {factor}"
    return None


def _inner_labels(shape: Shape, known: Shapes) -> dict[Hole, str]:
    """What groups within call their holes."""
    labels: dict[Hole, str] = {}
    for _, child in shape.first.children:
        for group in groups_in(child):
            inner = known[shape_of(group)]
            labels |= dict(zip(group.holes[1:], inner.labels[1:], strict=True))
    return labels


def _inner_texts(shape: Shape, known: Shapes) -> dict[Hole, _Owned]:
    """Holes of groups within, by the outermost that has them; the input of a group is its own."""
    owned: dict[Hole, _Owned] = {}
    for _, child in shape.first.children:
        for group in groups_in(child):
            owned |= {
                hole: (group, text)
                for hole, text in zip(group.holes[1:], known[shape_of(group)].texts[1:], strict=True)
            }
    return owned


def _label(shape: Shape, place: int, origins: list[int | None], inner: dict[Hole, str]) -> str:
    """What a hole is called in the class, before names are made unlike each other."""
    group, hole = shape.first, shape.first.holes[place]
    if hole.kind == "classes":
        return "num_classes"
    if hole.kind != "width":
        return _SCALARS[hole.kind]
    if place == 0:
        return "in_channels"
    outputs = [one.output.value for one in shape.instances]
    if group.kind not in ("concat", "split") and shape.column(place) == outputs:
        return "out_channels"
    same = [one for one, origin in zip(group.holes, origins, strict=True) if origin == origins[place]]
    names = {inner.get(one, one.branch) for one in same}
    name = names.pop() if len(names) == 1 and origins[place] is not None else "width"
    unsafe = not name.isidentifier() or not name.isascii() or iskeyword(name) or name in _RESERVED
    return "width" if unsafe or (name in ("body", "shortcut") and group.kind == "residual") else name


def _parameters(shape: Shape, new: list[int]) -> Iterable[Parameter]:
    """The parameters, in the order in which the code needs them: widths of one label are a tuple."""
    labels: dict[str, list[int]] = {}
    for place in new:
        labels.setdefault(shape.labels[place], []).append(place)
    for label, places in sorted(labels.items(), key=lambda pair: _rank(shape, pair[1][0])):
        kind = shape.first.holes[places[0]].kind
        hint = "float" if kind in ("scale", "gamma", "p") else "int"
        if label == "num_classes":  # all of them are the network's
            yield Parameter(label, (places[0],), "int")
        elif kind == "width" and len(places) > 1:
            name = "widths" if label == "width" else label
            yield Parameter(name, tuple(places), f"tuple[{', '.join(['int'] * len(places))}]")
        else:
            for number, place in enumerate(places):
                yield Parameter(f"{label}{number + 1 if number else ''}", (place,), hint)


def _rank(shape: Shape, place: int) -> int:
    """Widths come first, other numbers behind them, the number of classes last."""
    return {"width": 0, "classes": 2}.get(shape.first.holes[place].kind, 1)


@dataclass(frozen=True, slots=True)
class Context:
    """Where an expression stands: what its holes are there, and how many numbers the tuples of its names have."""

    say: Callable[[Hole], int | float | str]
    sizes: dict[str, int] = field(default_factory=dict[str, int])


def inside(shape: Shape) -> Context:
    """The context of a class's code."""
    texts = dict(zip(shape.first.holes, shape.texts, strict=True))
    return Context(lambda hole: texts[hole], {p.name: len(p.places) for p in shape.parameters if len(p.places) > 1})


def form_text(form: Form, context: Context) -> str:
    """A form as an expression: "one + three[1] + 32"."""
    words: list[str] = []
    rest: int | float = form.rest
    for hole, times in form.terms:
        said = context.say(hole)
        if isinstance(said, str):
            words.append(_term(said, times, not words))
        else:
            rest += said * times
    if rest or not words:
        words.append(str(rest) if not words else f" {'-' if rest < 0 else '+'} {abs(rest)}")
    return "".join(words)


def _term(said: str, times: int, leading: bool) -> str:
    word = said if abs(times) == 1 else f"{abs(times)} * ({said})" if " " in said else f"{abs(times)} * {said}"
    if leading:
        return word if times > 0 else f"-{word}"
    return f" {'+' if times > 0 else '-'} {word}"
