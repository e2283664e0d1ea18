"""A network, or a node of one, as the text of a file of plain PyTorch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import MeasuredNetwork
from inceptionlab.errors import SpecError, nearest
from inceptionlab.source.blocks import layer_text, parts_for
from inceptionlab.source.classes import class_text
from inceptionlab.source.expressions import Speaker
from inceptionlab.source.layout import LONGEST, docstring, harmless, lines_of
from inceptionlab.source.naming import class_of, function_of, name_shapes
from inceptionlab.source.phrases import Call, Form, Phrase, groups_in, shape_of
from inceptionlab.source.reading import BLOCK, Reader
from inceptionlab.source.shapes import Context, Shapes, shapes_of
from inceptionlab.source.whole import network_class
from inceptionlab.spec.network import Input, Network
from inceptionlab.spec.nodes import CLASSES, Linear
from inceptionlab.spec.tree import walk
from inceptionlab.zoo.registry import REGISTRY

_IMPORTS = (
    ("import math", r"\bmath\."), ("from collections import OrderedDict", r"\bOrderedDict\b"),
    ("from functools import reduce", r"(?<!\.)\breduce\("), ("", ""), ("import torch", r"\btorch\."),
    ("import torch.nn.functional as F", r"\bF\."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Draft:
    """A network read, and the classes of its modules."""

    measured: MeasuredNetwork
    reader: Reader
    phrases: dict[str, Phrase]
    shapes: Shapes


def network_text(network: Network, command: str, has_more_weights: bool = False) -> str:
    """The file of a network; `has_more_weights` where its weights hold those of auxiliary heads that it has not.

    Raises `SpecError` for a network with a `Block`.
    """
    draft = _drafted(network)
    name, measured = class_of(network), draft.measured
    _refuse_blocks(draft.phrases.values())
    classes = _class_texts(draft, draft.phrases.values())
    last = network_class(name, measured, draft.phrases, Speaker(draft.shapes, _TOP), draft.reader)
    about = [
        _title(network),
        "",
        f"Made by     {harmless(command)}",
        f"Input       b {_spaced(network.input.shape)}: {_prepared(network.input)}",
        f"Output      b {measured.children[-1].output[0] if measured.children else network.input.channels}, "
        f"{'logits' if network.classes else 'features'}",
        f"Parameters  {measured.params_with_aux:,}",
        "",
        "Weights of InceptionLab load as they are, because every tensor has its name there:",
        "",
        f"    model = {name}()",
        '    weights = safetensors.torch.load_file("model.safetensors")',
        f"    model.load_state_dict(weights{_strict(has_more_weights)}",
    ]
    size = ", ".join(str(side) for side in network.input.shape)
    example = [f"    model = {name}().eval()", f"    print(model(torch.rand(1, {size})).shape)"]
    return _file(about, [*classes, last], draft.reader, example)


def node_text(network: Network, path: str, command: str) -> str:
    """The file of one node: its classes, with the parameters that they have in the network, and a function that makes
    it. Raises `SpecError` with the nearest addresses for a node that does not exist, and for a `Block`.
    """
    draft = _drafted(network)
    if path not in draft.reader.found:
        raise SpecError(f"{network.name} has no node {path!r}; {nearest(path, draft.reader.found)}")
    phrase, row = draft.reader.found[path], next(row for row in draft.measured.walk() if row.path == path)
    _refuse_blocks([phrase])
    classes, name = _class_texts(draft, [phrase]), function_of(path)
    shapes = f"b {_spaced(row.input)} to b {_spaced(row.output)}"
    function = [
        f"def {name}() -> nn.Module:",
        *docstring(f"The module {path}: {shapes}."),
        *lines_of("return ", Speaker(draft.shapes, Context(lambda hole: hole.value)).say(phrase), 1),
    ]
    about = [
        f"{harmless(path)} of {_title(network)}",
        "",
        f"Made by     {harmless(command)}",
        f"Parameters  {row.params:,}",
    ]
    size = ", ".join(str(side) for side in row.input)
    example = [f"    module = {name}().eval()", f"    print(module(torch.rand(1, {size})).shape)"]
    return _file(about, [*classes, function], draft.reader, example)


_TOP = Context(lambda hole: "num_classes" if hole.kind == "classes" else hole.value)
"""Within the class of the network every number is known but one."""


def _drafted(network: Network) -> _Draft:
    measured = measure(network)
    ends = frozenset(path for path, node in walk(network) if isinstance(node, Linear) and node.out == CLASSES)
    reader, phrases, widths = Reader(ends), dict[str, Phrase](), dict[str, Form]()
    x = Form((), network.input.channels)
    for row in measured.children:
        phrases[row.path], x = reader.read(row, x)
        widths[row.path] = x
    for aux, row in zip(network.aux, measured.aux, strict=True):
        phrases[row.path], _ = reader.read(row, widths[aux.after])
    shapes = shapes_of(phrases.values())
    name_shapes(shapes, network, {class_of(network), *reader.layers})
    return _Draft(measured, reader, phrases, shapes)


def _class_texts(draft: _Draft, phrases: Iterable[Phrase]) -> list[list[str]]:
    """The classes of the groups in phrases, the innermost first."""
    needed = {shape_of(group) for phrase in phrases for group in groups_in(phrase)}
    texts = {key: class_text(shape, draft.shapes) for key, shape in draft.shapes.items()}
    return [text for key, text in texts.items() if key in needed]


def _refuse_blocks(phrases: Iterable[Phrase]) -> None:
    for phrase in phrases:
        if isinstance(phrase, Call):
            if phrase.name.startswith(BLOCK):
                raise SpecError(
                    f"{phrase.name} holds a module that is written in your own code, which code cannot write; "
                    "give --node of another part, or replace the Block by nodes"
                )
        else:
            _refuse_blocks(child for _, child in phrase.children)


def _title(network: Network) -> str:
    entry = REGISTRY.get(network.name)
    title = harmless(network.title)
    return f"{title}: {entry.member}, {entry.source}." if entry else f"{title}."


def _spaced(shape: tuple[int, ...]) -> str:
    return " ".join(str(side) for side in shape)


def _prepared(image: Input) -> str:
    colours = "grey" if image.channels == 1 else image.order if image.channels == 3 else "values"
    mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (image.mean, image.std))
    return f"{colours} in 0..1, minus ({mean}), over ({std})"


def _strict(has_more_weights: bool) -> str:
    return ", strict=False)  # leaves the auxiliary heads out" if has_more_weights else ")"


def _file(about: list[str], classes: list[list[str]], reader: Reader, example: list[str]) -> str:
    """The whole text: its head, imports, what the classes need, the classes, an example."""
    body = "\n".join(line for text in classes for line in text)
    layers: list[list[str]] = []
    for name, kind in reversed(reader.layers.items()):  # a ghost convolution stands behind those that it is made of
        if _mentions(body, name):
            layers.insert(0, layer_text(name, kind, reader.used[name]))
            body = "\n".join([body, *layers[0]])
    parts = parts_for(body)
    sections = [*parts, *("\n".join(text) for text in (*layers, *classes))]
    whole = "\n\n\n".join([*sections, "\n".join(['if __name__ == "__main__":', *example])])
    imports = "\n".join(_imports(whole))
    head = "\n".join(line for given in about for line in _fitted(given))
    space = "\n\n" if whole.startswith("Size") else "\n\n\n"
    return f'"""{head}\n"""\n\n{imports}{space}{whole}\n'


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def _imports(text: str) -> Iterator[str]:
    lines = [line for line, pattern in _IMPORTS if not line or re.search(pattern, text)]
    yield from lines[1:] if lines[0] == "" else lines
    yield "from torch import Tensor, nn" if _mentions(text, "Tensor") else "from torch import nn"


def _fitted(line: str) -> list[str]:
    """A line of the head, broken behind its label where it is too long."""
    lines = list[str]()
    while len(line) > LONGEST:
        cut = line.rfind(" ", 12, LONGEST) if " " in line[12:LONGEST] else LONGEST
        lines, line = [*lines, line[:cut]], f"            {line[cut:].lstrip()}"
    return [*lines, line]
