"""The text of the classes that a file needs besides those of its network: convolutions with norm and activation, linear
layers, and what torch has not.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from inceptionlab.source.classes import method
from inceptionlab.source.expressions import Speaker
from inceptionlab.source.layers import ACTIVATIONS, ConvKind, DenseKind, GhostKind, LayerKind, norm_call
from inceptionlab.source.layout import Bracketed, Code, bracketed, docstring, lines_of
from inceptionlab.source.shapes import Context

_DEFAULTS = {"stride": "1", "padding": "0", "dilation": "1", "groups": "1"}
_NORMS = {"batch": "batch norm", "group": "group norm", "layer": "layer norm"}


@cache
def _parts() -> dict[str, str]:
    """The definitions of `parts.py` by name, as they stand there."""
    text = Path(__file__).with_name("parts.py").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for node in ast.parse(text).body:
        segment = ast.get_source_segment(text, node) or ""
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = segment
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = segment
    return found


def parts_for(text: str) -> list[str]:
    """The definitions that a text uses, with those that they use, in order."""
    parts, needed, new = _parts(), set[str](), {text}
    while new:
        words = {word for one in new for word in re.findall(r"\w+", one)}
        more = {name for name in parts if name in words} - needed
        needed |= more
        new = {parts[name] for name in more}
    return [segment for name, segment in parts.items() if name in needed]


def layer_text(name: str, kind: LayerKind, used: set[str]) -> list[str]:
    """The class of a kind of layers, with the options that are used."""
    match kind:
        case DenseKind():
            return _dense(name, kind)
        case GhostKind():
            return _ghost(name, kind, used)
        case ConvKind():
            return _conv(name, kind, used)


def _activation(act: str | None, inplace: bool) -> list[str]:
    if act is None:
        return []
    name = ACTIVATIONS[act]  # type: ignore[index]
    inside = "inplace=True" if inplace and act not in ("gelu", "tanh", "sigmoid") else ""
    return [f"        self.act = nn.{name}({inside})"]


def _dense(name: str, kind: DenseKind) -> list[str]:
    bias = () if kind.bias else ("bias=False",)
    linear = bracketed("nn.Linear", "in_features", "out_features", *bias)
    act = f" and {ACTIVATIONS[kind.act]}" if kind.act else ""
    return [
        f"class {name}(nn.Sequential):",
        f'    """A linear layer on the flattened input{act}."""',
        "",
        *method("__init__", ["in_features: int", "out_features: int"], "None"),
        "        super().__init__()",
        "        self.flatten = nn.Flatten()",
        *lines_of("self.linear = ", linear, 2),
        *_activation(kind.act, inplace=False),
    ]


def _conv(name: str, kind: ConvKind, used: set[str]) -> list[str]:
    options = [option for option in _DEFAULTS if option in used]
    widths = ["channels: int"] if kind.multiplier else ["in_channels: int", "out_channels: int"]
    signature = [*widths, *_sizes(options, used)]
    return [
        f"class {name}(nn.Sequential):",
        *docstring(_words(kind)),
        "",
        *method("__init__", signature, "None"),
        "        super().__init__()",
        *_pad(kind, options),
        *lines_of("self.conv = ", _conv_call(kind, options), 2),
        *_norm(kind),
        *_activation(kind.act, inplace=True),
    ]


def _sizes(options: list[str], used: set[str]) -> list[str]:
    """The parameters of a window: a size for both axes where no call gives two."""
    hints = {one: "Size" if f"{one} by sides" in used else "int" for one in ("kernel_size", *options)}
    return [f"{one}: {hint}" + (f" = {_DEFAULTS[one]}" if one in options else "") for one, hint in hints.items()]


def _ghost(name: str, kind: GhostKind, used: set[str]) -> list[str]:
    options = [option for option in _DEFAULTS if option in used]
    given = (("", "in_channels"), ("", "first"), ("", "kernel_size"), *((f"{one}=", one) for one in options))
    cheap = (("", "first"), ("", str(kind.cheap_kernel)), *((f"{one}=", text) for one, text in kind.cheap_options))
    return [
        f"class {name}(nn.Module):",
        f'    """A convolution makes 1/{kind.ratio} of the maps, cheap filters the rest from those (GhostNet)."""',
        "",
        *method("__init__", ["in_channels: int", "out_channels: int", *_sizes(options, used)], "None"),
        "        super().__init__()",
        f"        first = math.ceil(out_channels / {kind.ratio})",
        *lines_of("self.primary = ", Bracketed(kind.primary, given), 2),
        *lines_of("self.cheap = ", Bracketed(kind.cheap, cheap), 2),
        "        self.out_channels = out_channels",
        "",
        *method("forward", ["x: Tensor"], "Tensor"),
        "        first = self.primary(x)",
        "        return torch.cat([first, self.cheap(first)], dim=1)[:, : self.out_channels]",
    ]


def _words(kind: ConvKind) -> str:
    names = ["Depthwise convolution" if kind.multiplier else "Convolution"]
    names += [_NORMS[kind.norm.kind]] if kind.norm else []
    names += [ACTIVATIONS[kind.act]] if kind.act else []
    pad = " The convolution pads as TensorFlow's SAME does." if kind.tf else ""
    return f"{', '.join(names)}.{pad}"


def _out(kind: ConvKind) -> str:
    if not kind.multiplier:
        return "out_channels"
    return "channels" if kind.multiplier == 1 else f"{kind.multiplier} * channels"


def _conv_call(kind: ConvKind, options: list[str]) -> Code:
    arguments = [("", "channels" if kind.multiplier else "in_channels"), ("", _out(kind)), ("", "kernel_size")]
    arguments += [(f"{one}=", one) for one in options]
    arguments += [("groups=", "channels")] if kind.multiplier else []
    arguments += [] if kind.bias else [("bias=", "False")]
    return Bracketed("nn.Conv2d", tuple(arguments))


def _pad(kind: ConvKind, options: list[str]) -> list[str]:
    if not kind.tf:
        return []
    given = [(f"{one}=", one) for one in options if one in ("stride", "dilation")]
    return lines_of("self.pad = ", Bracketed("SamePad", (("", "kernel_size"), *given)), 2)


def _norm(kind: ConvKind) -> list[str]:
    if kind.norm is None:
        return []
    said = Speaker({}, Context(lambda hole: hole.value)).say(norm_call(kind.norm, _out(kind), "groups"))
    lines = lines_of("self.norm = ", said, 2)
    if kind.norm.kind != "group":
        return lines
    most = f"next(n for n in range({kind.norm.groups}, 0, -1) if ({_out(kind)}) % n == 0)"
    return [
        f"        groups = {most.replace('(out_channels)', 'out_channels').replace('(channels)', 'channels')}",
        *lines,
    ]
