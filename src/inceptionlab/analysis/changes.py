"""What made one node of another, in phrases: wrapped, added, removed, or a field that differs.

A phrase is said twice: with its numbers, and without them for nodes that changed alike by different numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from typing import Any

from inceptionlab.analysis.lettering import cut
from inceptionlab.analysis.words import describe
from inceptionlab.spec.nodes import Branches, Children, Container, Node, Norm, Residual, Seq
from inceptionlab.spec.tree import children_of, join

LONGEST = 60
ALONE, ORDER = "alone in a Seq or no longer", "in another order"
WORDS = {"out": "width", "act": "activation", "pad": "padding", "count_pad": "padding counted"}
"""Fields in words."""
EXACT = 3
"""Phrases of a node that are said with their numbers, at most."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A change at the address `where` within a node: `what` it is, and its `kind` without numbers."""

    what: str
    kind: str
    where: str = ""


def phrases(old: Node, new: Node, where: str = "") -> Iterator[Phrase]:
    """What made `new` of `old`; nothing for equal ones."""
    match old, new:
        case _ if old == new:
            return
        case Residual(), Residual():
            yield from _fields(old, new, where)
            yield from phrases(old.body, new.body, where)
        case _, Residual(body=body):
            yield Phrase(f"wrapped in Residual({new.scale:g})", "wrapped in Residual", where)
            yield from phrases(old, body, where)
        case Residual(body=body), _:
            yield Phrase("no longer residual", "no longer residual", where)
            yield from phrases(body, new, where)
        case Seq(), Seq():
            yield from _sequences(old, new, where)
        case _, Seq() if (place := _holds(new, old)) is not None:
            yield from _around(new, place, old, where, "after", "before")
            yield from phrases(old, new.children[place][1], where)
        case Seq(), _ if (place := _holds(old, new)) is not None:
            yield from _around(old, place, new, where, "behind it removed:", "before it removed:")
            yield from phrases(old.children[place][1], new, where)
        case Container(), Container() if not isinstance(old, Seq) and not isinstance(new, Seq):
            yield from _branches(old, new, where)
        case _ if type(old) is type(new):
            yield from _fields(old, new, where)
        case _:
            yield _became(old, new, where)


def told(found: Sequence[Phrase]) -> tuple[str, str]:
    """The phrases of a node as a text with numbers, and one without; both without where there are many."""
    kinds = _joined([(phrase.kind, phrase.where) for phrase in found])
    exact = [(phrase.what, phrase.where) for phrase in found]
    return (_joined(exact) if len({what for what, _ in exact}) <= EXACT else kinds), kinds


def _joined(entries: Sequence[tuple[str, str]]) -> str:
    places: dict[str, list[str]] = {}
    for what, where in entries:
        places.setdefault(what, []).append(where)
    return ", ".join(what + _at(found) for what, found in places.items())


def _at(places: Sequence[str]) -> str:
    if len(places) == 1:
        return f" in {places[0]}" if places[0] else ""
    return f" in {len(places)} places"


def _holds(seq: Seq, node: Node) -> int | None:
    """The place of a node within a sequence: its own, or that of what it was made into."""
    nodes = [child for _, child in seq.children]
    if node in nodes:
        return nodes.index(node)
    if not children_of(node):
        return None
    likely = (i for i, child in enumerate(nodes) if isinstance(child, type(node) | Residual))
    return next(likely, None)


def _around(seq: Seq, place: int, node: Node, where: str, after: str, before: str) -> Iterator[Phrase]:
    """What a sequence has before and behind one of its nodes."""
    if len(seq.children) == 1:
        yield Phrase(ALONE, ALONE, where)
    for i, (_, child) in enumerate(seq.children):
        if i != place:
            side = after if i > place else before
            yield Phrase(f"{short(child)} {side} {_word(node)}", f"{short(child)} {side} {_word(node)}", where)


def _word(node: Node) -> str:
    return node.how if isinstance(node, Branches) else "it"


def _sequences(old: Seq, new: Seq, where: str) -> Iterator[Phrase]:
    if not all(name.isdigit() for name, _ in (*old.children, *new.children)):
        yield from _by_name(old.children, new.children, where, "")
        return
    before, after = [node for _, node in old.children], [node for _, node in new.children]
    for what, i, j, k, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what == "replace" and j - i == end - k:
            for step in range(j - i):
                yield from phrases(before[i + step], after[k + step], join(where, str(i + step)))
        elif what == "replace":
            yield _became(Seq(*before[i:j]), Seq(*after[k:end]), where)
        elif what != "equal":
            for node in (*before[i:j], *after[k:end]):
                verb = "removed" if what == "delete" else "added"
                yield Phrase(f"{short(node)} {verb}", f"{_plain(node)} {verb}", where)


def _branches(old: Container, new: Container, where: str) -> Iterator[Phrase]:
    kinds = type(old).__name__, type(new).__name__
    if kinds[0] != kinds[1]:
        text = f"{kinds[0]} became {kinds[1]}"
        yield Phrase(text, text, where)
    else:
        yield from _fields(old, new, where)
    yield from _by_name(old.children, new.children, where, "branch ")


def _by_name(old: Children, new: Children, where: str, word: str) -> Iterator[Phrase]:
    before, after = dict(old), dict(new)
    if [name for name in before if name in after] != [name for name in after if name in before]:
        yield Phrase(ORDER, ORDER, where)
    for name, node in before.items():
        if name in after:
            yield from phrases(node, after[name], join(where, name))
        else:
            yield Phrase(f"{word}{name} removed", f"{word}{name} removed", where)
    for name, node in after.items():
        if name not in before:
            yield Phrase(f"{word}{name} added ({short(node)})", f"{word}{name} added", where)


def _became(old: Node, new: Node, where: str) -> Phrase:
    return Phrase(f"{short(old)} became {short(new)}", f"{_plain(old)} became {_plain(new)}", where)


def _plain(node: Node) -> str:
    """A node without its width; what has branches by its kind."""
    if isinstance(node, Seq) and node.children:
        return " → ".join(_plain(child) for _, child in node.children)
    if children_of(node):
        return type(node).__name__
    return re.sub(r"(conv|ghost|linear) \w+", r"\1", describe(node))


def _fields(old: Any, new: Any, where: str, prefix: str = "") -> Iterator[Phrase]:
    """The fields that differ between two values of one kind; children are no fields."""
    for field in fields(old):
        a, b = getattr(old, field.name), getattr(new, field.name)
        if a == b or field.name in ("children", "extent", "body"):
            continue
        name = prefix + WORDS.get(field.name, field.name.replace("_", " "))
        if isinstance(a, Norm) and isinstance(b, Norm):
            yield from _fields(a, b, where, f"{name} ")
        else:
            yield Phrase(f"{name} {_value(a)} → {_value(b)}", f"other {name}", where)


def _value(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case int() | str():
            return str(value)
        case float():
            return f"{value:g}"
        case tuple():
            return "×".join(_value(side) for side in value)  # type: ignore[reportUnknownVariableType]
        case _:
            return short(value)


def short(node: Node) -> str:
    """A node in so few words that several fit a line."""
    return cut(describe(node), LONGEST)
