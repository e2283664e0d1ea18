"""What stands between a spec and a text: calls of constructors whose widths are not numbers yet but holes, so that
modules which differ only in numbers have one shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

HoleKind = Literal["width", "stride", "scale", "gamma", "p", "classes"]
GroupKind = Literal["concat", "sum", "product", "split", "residual", "seq"]


@dataclass(eq=False, slots=True)
class Hole:
    """A number that may differ between modules of one shape."""

    value: int | float
    kind: HoleKind = "width"
    branch: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A sum of holes, each some times, and a number: how many channels something has."""

    terms: tuple[tuple[Hole, int], ...] = ()
    rest: int = 0

    @property
    def value(self) -> int | float:
        """Its number."""
        return self.rest + sum(hole.value * times for hole, times in self.terms)

    def times(self, factor: int) -> Form:
        """The form, `factor` times."""
        return Form(tuple((hole, times * factor) for hole, times in self.terms), self.rest * factor)

    def plus(self, other: Form) -> Form:
        """The sum of two forms."""
        found = dict(self.terms)
        for hole, times in other.terms:
            found[hole] = found.get(hole, 0) + times
        return Form(tuple((hole, times) for hole, times in found.items() if times), self.rest + other.rest)

    def with_input(self, hole: Hole, given: Form) -> Form:
        """The form with `given` in the place of a hole."""
        times = dict(self.terms).get(hole, 0)
        others = tuple(term for term in self.terms if term[0] is not hole)
        return Form(others, self.rest).plus(given.times(times)) if times else self


def of(hole: Hole) -> Form:
    """The form that is one hole."""
    return Form(((hole, 1),))


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments)`: each argument is (its keyword or "", its text, form, or another call)."""

    name: str
    arguments: tuple[tuple[str, Argument], ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """Phrases one after another, inline: `nn.Sequential(...)`."""

    children: Children

    @property
    def is_numbered(self) -> bool:
        """Whether its children are called by their positions, as nn.Sequential does."""
        return [name for name, _ in self.children] == [str(i) for i in range(len(self.children))]


@dataclass(eq=False, slots=True)
class Group:
    """What needs a class of its own. Its children read `input`, which is `given` where it stands; `output` is in
    terms of the holes outside. `holes` are its input and all within, in the order of the text.

    `more` are further texts that shape it, `numbers` further holes by name. `place` is (its address, the kind of the
    group around it); `shrinks` where its map is smaller than its input.
    """

    kind: GroupKind
    path: str
    around: GroupKind | None
    input: Hole
    given: Form
    output: Form = field(default_factory=Form)
    children: Children = ()
    holes: list[Hole] = field(default_factory=list[Hole])
    more: tuple[str, ...] = ()
    numbers: dict[str, Hole] = field(default_factory=dict[str, Hole])
    shrinks: bool = False

    def named(self, name: str) -> Phrase | None:
        """The child of a name."""
        return dict(self.children).get(name)


Phrase: TypeAlias = Call | Chain | Group
Children: TypeAlias = "tuple[tuple[str, Phrase], ...]"
Argument: TypeAlias = "str | Form | Call"


def groups_in(phrase: Phrase) -> Iterator[Group]:
    """The groups of a phrase, the innermost first."""
    if not isinstance(phrase, Call):
        for _, child in phrase.children:
            yield from groups_in(child)
    if isinstance(phrase, Group):
        yield phrase


def shape_of(phrase: Phrase) -> object:
    """What two phrases have in common that differ only in their holes."""
    match phrase:
        case Call(name=name, arguments=arguments):
            return (name, *((keyword, _shape_of_argument(value)) for keyword, value in arguments))
        case Chain(children=children):
            return ("chain", *((name, shape_of(child)) for name, child in children))
        case Group():
            inner = ((name, shape_of(child)) for name, child in phrase.children)
            return (phrase.kind, phrase.more, tuple(phrase.numbers), *inner)


def _shape_of_argument(value: Argument) -> object:
    if isinstance(value, Form):
        return (tuple(times for _, times in value.terms), value.rest)
    return shape_of(value) if isinstance(value, Call) else value
