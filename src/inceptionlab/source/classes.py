"""The text of a class: its docstring, what it is made of, how it computes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inceptionlab.source.expressions import Speaker, is_word, quoted
from inceptionlab.source.layout import LONGEST, Code, bracketed, docstring, lines_of
from inceptionlab.source.phrases import Call, Group, Phrase, of
from inceptionlab.source.shapes import Shape, Shapes, inside

FUNCTIONS = {"relu": "F.relu", "gelu": "F.gelu", "silu": "F.silu", "leaky_relu": "F.leaky_relu",
             "hardswish": "F.hardswish", "elu": "F.elu", "tanh": "torch.tanh", "sigmoid": "torch.sigmoid"}  # fmt: skip
_SIGNS = {"sum": " + ", "product": " * "}


def class_text(shape: Shape, shapes: Shapes) -> list[str]:
    """The lines of a class. Parameters that its code does not need are taken from it."""
    group, before = shape.first, _named_part(shape)
    speaker = Speaker(shapes, inside(shape))
    made, computed = [*before, *_made(group, speaker)], _computed(group, speaker)
    text = "\n".join(made)
    shape.parameters = tuple(one for one in shape.parameters if re.search(rf"(?<![.\w]){one.name}\b", text))
    signature = [f"{one.name}: {one.hint}" for one in shape.parameters]
    chained = group.kind == "seq" and _words(group)
    return [
        f"class {shape.name}(nn.{'Sequential' if chained else 'Module'}):",
        *docstring(_about(group, speaker, _places(shape))),
        "",
        *method("__init__", signature, "None"),
        "        super().__init__()",
        *made,
        *([] if chained else ["", *method("forward", ["x: Tensor"], "Tensor"), *computed]),
    ]


def _named_part(shape: Shape) -> list[str]:
    """What the branches of a split read gets a name where it is computed."""
    if shape.first.kind != "split" or len(shape.first.children) == 1 or " " not in str(shape.texts[1]):
        return []
    line = f"        part = {shape.texts[1]}"
    shape.texts[1] = "part"
    return [line]


def method(name: str, parameters: Sequence[str], result: str) -> list[str]:
    """The head of a method."""
    return lines_of("def ", bracketed(name, "self", *parameters), 1, f" -> {result}:")


def _words(group: Group) -> bool:
    """Whether the children can be attributes."""
    return all(is_word(name) for name, _ in group.children)


def _looped(group: Group) -> bool:
    """Whether the code runs over its children, identities among them, because their names cannot all stand in it."""
    names = {name for name, _ in group.children}
    unfit = group.kind == "split" and (len(names) == 1 or bool({"self", "x", "torch"} & names))
    return group.kind == "seq" or unfit or not _words(group)


def is_nothing(phrase: Phrase) -> bool:
    """Whether a phrase is the identity."""
    return isinstance(phrase, Call) and phrase.name == "nn.Identity"


def assigned(name: str, code: Code, indent: int = 2) -> list[str]:
    """The statement that makes a child."""
    if is_word(name):
        return lines_of(f"self.{name} = ", code, indent)
    return lines_of("", bracketed("self.add_module", quoted(name), code), indent)


def _made(group: Group, speaker: Speaker) -> list[str]:
    """What `__init__` makes."""
    if group.kind == "residual":
        return _made_residual(group, speaker)
    lines: list[str] = []
    if (p := group.numbers.get("stochastic_depth")) is not None:
        lines += lines_of("self.stochastic_depth = ", speaker.text(of(p)), 2)
    if group.kind == "split":
        first, part = _widths(group, speaker)
        lines += lines_of("self.widths = ", bracketed("", first, *part, brackets="[]"), 2)
    for name, child in group.children:
        if not is_nothing(child) or _looped(group):
            lines += assigned(name, speaker.say(child))
    return lines


def _widths(group: Group, speaker: Speaker) -> tuple[str, list[str]]:
    """What the first branch of a split reads, and the others."""
    count = len(group.children)
    if count == 1:
        return speaker.text(of(group.input)), []
    part = of(group.holes[1])
    return speaker.text(of(group.input).plus(part.times(1 - count))), [speaker.text(part)] * (count - 1)


def _made_residual(group: Group, speaker: Speaker) -> list[str]:
    body, shortcut = group.children[0][1], group.named("shortcut")
    said = speaker.say(body)
    lines = lines_of("self.body = ", bracketed("nn.Sequential", said) if group.more[1] else said, 2)
    width = speaker.text(group.output)
    if (gamma := group.numbers.get("gamma")) is not None:
        scale = bracketed("LayerScale", width, speaker.text(of(gamma)))
        lines += lines_of("", bracketed("self.body.add_module", '"scale"', scale), 2)
    drop = speaker.text(of(group.numbers["drop"])) if "drop" in group.numbers else "0.0"
    if drop not in ("0", "0.0"):
        drops = bracketed("StochasticDepth", drop)
        lines += lines_of("", bracketed("self.body.add_module", '"drop"', drops), 2)
    if shortcut is not None and not is_nothing(shortcut):
        lines += lines_of("self.shortcut = ", speaker.say(shortcut), 2)
    scale = speaker.text(of(group.numbers["scale"]))
    return [*lines, f"        self.scale = {scale}"] if is_word(scale) else lines


def _computed(group: Group, speaker: Speaker) -> list[str]:
    """The body of `forward`."""
    match group.kind:
        case "residual":
            return _residual(group, speaker)
        case "seq":
            return ["        for layer in self.children():", "            x = layer(x)", "        return x"]
        case "split":
            return _split(group)
        case _:
            return _fused(group)


def _outputs(group: Group) -> list[str] | None:
    """The output of each branch; None where their names cannot stand in code."""
    return [_applied(name, child, "x") for name, child in group.children] if _words(group) else None


def _applied(name: str, child: Phrase, x: str) -> str:
    return x if is_nothing(child) else f"self.{name}({x})"


def _fused(group: Group) -> list[str]:
    outputs = _outputs(group)
    whole = bracketed("", *(outputs or []), brackets="[]")
    dropped = "stochastic_depth" in group.numbers
    if outputs and not dropped:
        if group.kind == "concat":
            return lines_of("return ", bracketed("torch.cat", whole, "dim=1"), 2)
        line = f"        return {_SIGNS[group.kind].join(outputs)}"
        if len(line) <= LONGEST:
            return [line]
    branches: Code = whole if outputs else "[branch(x) for branch in self.children()]"
    lines = lines_of("branches = ", branches, 2)
    if dropped:
        again = "            branches = [drop_path(y, self.stochastic_depth) for y in branches]"
        lines += ["        if self.training:", again]
    if group.kind == "concat":
        return [*lines, "        return torch.cat(branches, dim=1)"]
    function = {"sum": "torch.add", "product": "torch.mul"}[group.kind]
    return [*lines, f"        return reduce({function}, branches)"]


def _split(group: Group) -> list[str]:
    parts = "torch.split(x, self.widths, dim=1)"
    names = [name for name, _ in group.children]
    if _looped(group):
        pairs = f"zip(self.children(), {parts}, strict=True)"
        return [f"        parts = {pairs}", "        return torch.cat([branch(part) for branch, part in parts], dim=1)"]
    outputs = [_applied(name, child, name) for name, child in group.children]
    whole = bracketed("torch.cat", bracketed("", *outputs, brackets="[]"), "dim=1")
    return [*lines_of(f"{', '.join(names)} = ", parts, 2), *lines_of("return ", whole, 2)]


def _residual(group: Group, speaker: Speaker) -> list[str]:
    shortcut = group.named("shortcut")
    x = "x" if shortcut is None else _applied("shortcut", shortcut, "x")
    scale = speaker.text(of(group.numbers["scale"]))
    alpha = f"self.{scale}" if is_word(scale) else scale
    total = f"{x} + self.body(x)" if scale == "1.0" else f"torch.add({x}, self.body(x), alpha={alpha})"
    act = group.more[0]
    return [f"        return {f'{FUNCTIONS[act]}({total})' if act else total}"]


def _about(group: Group, speaker: Speaker, where: str) -> str:
    """The docstring of a class: what it computes, and where it stands."""
    names = [name for name, _ in group.children]
    said = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    match group.kind:
        case "concat":
            text = f"Branches {said}, concatenated along the channels ({where})."
        case "sum" | "product":
            text = f"Branches {said}, {'added' if group.kind == 'sum' else 'multiplied'} ({where})."
        case "split":
            text = f"Deals the channels out to {said} and concatenates what they give ({where})."
        case "seq":
            text = f"{said[0].upper()}{said[1:]}, one after another ({where})."
        case "residual":
            x, scale = "shortcut(x)" if group.named("shortcut") else "x", speaker.text(of(group.numbers["scale"]))
            total = f"{x} + {'' if scale == '1.0' else f'{scale} * '}body(x)"
            text = f"{f'{group.more[0]}({total})' if group.more[0] else total} ({where})."
    return text


def _places(shape: Shape) -> str:
    """The first and the last top-level node that a class serves."""
    tops = list(dict.fromkeys(group.path.partition(".")[0] for group in shape.instances))
    if len(tops) < 3:
        return " and ".join(tops)
    return f"{tops[0]} to {tops[-1]}"
