"""The class of a whole network."""

from __future__ import annotations

import re
from dataclasses import dataclass

from inceptionlab.analysis.costs import Shape
from inceptionlab.analysis.measured import MeasuredNetwork
from inceptionlab.source.classes import assigned, is_nothing, method
from inceptionlab.source.expressions import Speaker, is_word, quoted
from inceptionlab.source.layers import DenseKind
from inceptionlab.source.layout import LONGEST, Code, bracketed, docstring, flat, lines_of
from inceptionlab.source.phrases import Call, Chain, Phrase
from inceptionlab.source.reading import Reader


@dataclass(slots=True)
class _Item:
    """Top-level nodes that are written at once: one, or neighbours that are alike and counted by their names."""

    names: list[str]
    code: Code
    output: Shape
    section: str

    @property
    def counted(self) -> tuple[str, int, int] | None:
        """(what their names begin with, the first number, the number behind the last) of three nodes or more."""
        start, number = _numbered(self.names[0])
        return (start, number, number + len(self.names)) if len(self.names) > 2 else None


def network_class(
    name: str, measured: MeasuredNetwork, phrases: dict[str, Phrase], speaker: Speaker, reader: Reader
) -> list[str]:
    """The lines of the class."""
    network, items = measured.network, _items(measured, phrases, speaker)
    made = [line for i, item in enumerate(items) for line in _made(item, bool(i) and items[i - 1].section)]
    for row in measured.aux:
        made += assigned(row.path, speaker.say(phrases[row.path]))
    signature = [f"num_classes: int = {network.classes}"] if "num_classes" in "".join(made) else []
    result = "Tensor | tuple[Tensor, ...]" if network.aux else "Tensor"
    behind = "; in training with those of the auxiliary heads behind them" if network.aux else ""
    flattens = not (network.children and _is_flat(_last(phrases, measured), reader))
    return [
        f"class {name}(nn.Module):",
        *docstring(f"{network.title}: images to {'logits' if network.classes else 'features'}{behind}."),
        "",
        *method("__init__", signature, "None"),
        "        super().__init__()",
        *made,
        "",
        *method("forward", ["x: Tensor"], result),
        *_computed(measured, items, flattens),
    ]


def _last(phrases: dict[str, Phrase], measured: MeasuredNetwork) -> Phrase:
    return phrases[measured.children[-1].path]


def _is_flat(phrase: Phrase, reader: Reader) -> bool:
    """Whether a phrase ends in a linear layer."""
    if isinstance(phrase, Call):
        return isinstance(reader.layers.get(phrase.name), DenseKind)
    ordered = isinstance(phrase, Chain) or phrase.kind == "seq"
    return ordered and bool(phrase.children) and _is_flat(phrase.children[-1][1], reader)


def _numbered(name: str) -> tuple[str, int]:
    """What a name begins with and the number at its end; -1 for none that is written as it is counted."""
    start, number = re.fullmatch(r"(.*?)(0|[1-9]\d*)?", name, re.ASCII | re.DOTALL).groups()  # type: ignore[union-attr]
    return start, -1 if number is None else int(number)


def _items(measured: MeasuredNetwork, phrases: dict[str, Phrase], speaker: Speaker) -> list[_Item]:
    network, items = measured.network, list[_Item]()
    sections = {name: word for word in ("stem", "body", "head") for name, _ in getattr(network, word).children}
    ends = {aux.after for aux in network.aux}
    for row in measured.children:
        name, phrase = row.path, phrases[row.path]
        if is_nothing(phrase) and name not in ends:
            continue
        code, section = speaker.say(phrase), sections[name]
        if items and _goes_on(items[-1], name, code) and items[-1].names[-1] not in ends:
            items[-1].names.append(name)
            items[-1].output = row.output
        else:
            items.append(_Item([name], code, row.output, section))
    return [one for item in items for one in ([item] if item.counted else _apart(item))]


def _goes_on(item: _Item, name: str, code: Code) -> bool:
    """Whether a node is the next of those that are alike."""
    start, number = _numbered(item.names[-1])
    return number >= 0 and is_word(name) and (start, number + 1) == _numbered(name) and flat(item.code) == flat(code)


def _apart(item: _Item) -> list[_Item]:
    return [_Item([name], item.code, item.output, item.section) for name in item.names]


def _made(item: _Item, before: str | bool) -> list[str]:
    """The lines of `__init__`; an empty one between stem, body and head."""
    space = [""] if before and before != item.section else []
    if item.counted is None:
        return [*space, *assigned(item.names[0], item.code)]
    start, first, end = item.counted
    added = bracketed("self.add_module", f'f"{start}{{i}}"', item.code)
    return [*space, f"        for i in range({first}, {end}):", *lines_of("", added, 3)]


def _computed(measured: MeasuredNetwork, items: list[_Item], flattens: bool) -> list[str]:
    network, shape, lines = measured.network, measured.network.input.shape, list[str]()
    if network.aux:
        lines.append("        aux: list[Tensor] = []")
    for item in items:
        lines += _applied(item, "" if item.output == shape else f"  # {_size(item.output)}")
        shape = item.output
        for aux in network.aux:
            if aux.after == item.names[-1]:
                lines += ["        if self.training:", f"            aux.append({_module(aux.name)}(x))"]
    x = "x.flatten(1)" if flattens else "x"
    if network.aux:
        return [*lines, f"        return ({x}, *aux) if self.training else {x}"]
    return [*lines, f"        return {x}"]


def _size(shape: Shape) -> str:
    """A shape as a comment, without sides of one pixel."""
    return " x ".join(str(side) for side in (shape[:1] if shape[1:] == (1, 1) else shape))


def _applied(item: _Item, comment: str) -> list[str]:
    if item.counted is None:
        line = f"        x = {_module(item.names[0])}(x)"
        return [line + comment if len(line + comment) <= LONGEST else line]
    start, first, end = item.counted
    return [
        f"        for i in range({first}, {end}):",
        f'            x = self.get_submodule(f"{start}{{i}}")(x){comment}',
    ]


def _module(name: str) -> str:
    return f"self.{name}" if is_word(name) else f"self.get_submodule({quoted(name)})"
