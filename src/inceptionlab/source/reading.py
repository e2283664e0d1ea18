"""From measured nodes to phrases: which constructor a node becomes, and with which arguments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from inceptionlab.analysis.costs import has_bias
from inceptionlab.analysis.geometry import split_widths
from inceptionlab.analysis.measured import MeasuredNode
from inceptionlab.source.layers import (
    ACTIVATIONS,
    ConvKind,
    DenseKind,
    GhostKind,
    LayerKind,
    conv_name,
    leaf_call,
    rim_of,
    text_of,
)
from inceptionlab.source.phrases import Argument, Call, Chain, Children, Form, Group, GroupKind, Hole, Phrase, of
from inceptionlab.spec.nodes import (
    Block,
    Concat,
    Conv,
    Depthwise,
    Ghost,
    Linear,
    Node,
    Product,
    Residual,
    Seq,
    Split,
    Sum,
    Window,
)  # fmt: skip

BLOCK = "the Block "
"""How the call begins that stands for a module of the user's own."""


@dataclass(slots=True)
class Reader:
    """Reads the nodes of one network. `classifiers` are the addresses of linear layers with one output a class.

    `layers` are the classes of layers that it met with, by name; `used` are the options that calls of them give, and
    "stride by sides" for one that is not the same in height and width; `found` are the phrases of nodes by address.
    """

    classifiers: frozenset[str] = frozenset()
    layers: dict[str, LayerKind] = field(default_factory=dict[str, LayerKind])
    used: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    found: dict[str, Phrase] = field(default_factory=dict[str, Phrase])
    _open: list[Group] = field(default_factory=list[Group])
    _branch: str = ""

    def read(self, row: MeasuredNode, x: Form) -> tuple[Phrase, Form]:
        """(the phrase of a node that reads `x` channels, how many it gives); it is `found` at its address."""
        phrase, y = self._read(row, x)
        self.found[row.path] = phrase
        return phrase, y

    def _read(self, row: MeasuredNode, x: Form) -> tuple[Phrase, Form]:
        match row.node:
            case Seq():
                return self._seq(row, x)
            case Concat() | Sum() | Product() | Split() | Residual():
                return self._group(row, x)
            case Conv() | Depthwise():
                return self._conv(row.node, x)
            case Ghost():
                return self._ghost(row.node, x)
            case Linear():
                return self._linear(row, row.node, x)
            case Block():
                return Call(f"{BLOCK}{row.path}"), Form((), row.output[0])
            case _:
                return leaf_call(row.node, x), x

    def _hole(self, value: int | float, kind: str = "width") -> Hole:
        hole = Hole(value, kind, self._branch)  # type: ignore[arg-type]
        for group in self._open:
            group.holes.append(hole)
        return hole

    def _layer(self, name: str, kind: LayerKind, options: Iterable[str] = ()) -> str:
        """The name of a class of layers; another class of the same name gets a number."""
        number, wanted = 1, name
        while self.layers.get(wanted, kind) != kind:
            number += 1
            wanted = f"{name}{number}"
        self.layers[wanted] = kind
        self.used.setdefault(wanted, set()).update(options)
        return wanted

    def _conv(self, node: Conv | Depthwise, x: Form, out: Form | None = None) -> tuple[Call, Form]:
        """A convolution; `out` is how many channels it gives where that follows from others."""
        given: list[tuple[str, Argument]] = [("", x)]
        if isinstance(node, Conv):
            y, multiplier = out or of(self._hole(int(node.out))), 0
            given.append(("", y))
        else:
            y, multiplier = x.times(node.multiplier), node.multiplier
        kind = ConvKind(node.norm, node.act, has_bias(node), node.pad == "tf", multiplier)
        options = self._window(node.window)
        if isinstance(node, Conv) and node.groups > 1:
            options.append(("groups", str(node.groups)))
        name = self._layer(conv_name(kind), kind, _given(text_of(node.kernel), options))
        return Call(name, (*given, ("", text_of(node.kernel)), *options)), y

    def _window(self, window: Window) -> list[tuple[str, Argument]]:
        stride, options = window.stride, list[tuple[str, Argument]]()
        options.append(("stride", of(self._hole(stride[0], "stride")) if stride[0] == stride[1] else str(stride)))
        if (rim := rim_of(window)) != "0":
            options.append(("padding", rim))
        if window.dilation != (1, 1):
            options.append(("dilation", text_of(window.dilation)))
        return options

    def _ghost(self, node: Ghost, x: Form) -> tuple[Call, Form]:
        y, options = of(self._hole(node.out)), self._window(node.window)
        primary = ConvKind(node.norm, node.act, has_bias(node), node.pad == "tf")
        cheap = ConvKind(node.norm, node.act, has_bias(node), multiplier=node.ratio - 1)
        window = node.cheap_window
        sizes = (("padding", rim_of(window), "0"), ("dilation", text_of(window.dilation), "1"))
        more = tuple((name, text) for name, text, default in sizes if text != default)
        first = self._layer(conv_name(primary), primary, _given(text_of(node.kernel), options))
        second = self._layer(conv_name(cheap), cheap, _given(str(node.cheap), more))
        kind = GhostKind(first, second, node.ratio, node.cheap, more)
        name = self._layer(f"Ghost{conv_name(primary)}", kind, _given(text_of(node.kernel), options))
        return Call(name, (("", x), ("", y), ("", text_of(node.kernel)), *options)), y

    def _linear(self, row: MeasuredNode, node: Linear, x: Form) -> tuple[Call, Form]:
        kind = DenseKind(node.act, node.bias)
        name = self._layer(f"Dense{ACTIVATIONS[node.act] if node.act else ''}", kind)
        out = self._hole(int(node.out), "classes" if row.path in self.classifiers else "width")
        return Call(name, (("", x.times(row.input[1] * row.input[2])), ("", of(out)))), of(out)

    def _seq(self, row: MeasuredNode, x: Form) -> tuple[Phrase, Form]:
        if not row.children:
            return Call("nn.Identity"), x
        if _is_layers(row) or not all(_is_plain(_name(child)) for child in row.children):
            return self._group(row, x)
        children, y = self._links(row.children, x)
        return Chain(children), y

    def _links(self, rows: tuple[MeasuredNode, ...], x: Form) -> tuple[Children, Form]:
        children: list[tuple[str, Phrase]] = []
        for row in rows:
            phrase, x = self.read(row, x)
            children.append((_name(row), phrase))
        return tuple(children), x

    def _group(self, row: MeasuredNode, x: Form) -> tuple[Group, Form]:
        kind: GroupKind = type(row.node).__name__.lower()  # type: ignore[assignment]
        around = self._open[-1].kind if self._open else None
        group = Group(kind, row.path, around, Hole(row.input[0]), x, shrinks=row.output[1] < row.input[1])
        group.holes.append(group.input)
        outer = self._branch
        self._open.append(group)
        y = self._filled(group, row)
        self._open.pop()
        self._branch = outer
        group.output = y
        return group, y.with_input(group.input, x)

    def _filled(self, group: Group, row: MeasuredNode) -> Form:
        """Read the children of a group; how many channels it gives, in terms of its own holes."""
        x, node = of(group.input), row.node
        if isinstance(node, Seq):
            group.children, y = self._links(row.children, x)
            return y
        if isinstance(node, Concat | Sum) and node.stochastic_depth:
            group.numbers["stochastic_depth"] = self._hole(node.stochastic_depth, "p")
        widths = self._split(row, x) if isinstance(node, Split) else [x] * len(row.children)
        outputs: list[Form] = []
        for child, width in zip(row.children, widths, strict=True):
            self._branch = _name(child)
            phrase, y = self._projection(child, width, outputs) if _projects(node, child) else self.read(child, width)
            group.children += ((self._branch, phrase),)
            outputs.append(y)
            self._branch = ""
        if isinstance(node, Residual):
            self._residual(group, node)
        if isinstance(node, Concat | Split):
            total = Form()
            for y in outputs:
                total = total.plus(y)
            return total
        return outputs[0]

    def _projection(self, row: MeasuredNode, x: Form, outputs: list[Form]) -> tuple[Phrase, Form]:
        """The shortcut that makes its input as wide as the body's output."""
        conv, y = self._conv(cast(Conv, row.node), x, outputs[0])
        self.found[row.path] = conv
        return conv, y

    def _split(self, row: MeasuredNode, x: Form) -> list[Form]:
        """The widths of branches: all but the first have the same."""
        widths = split_widths(row.node, row.input[0])  # type: ignore[arg-type]
        if len(widths) == 1:
            return [x]
        self._branch = "part"
        part = of(self._hole(widths[1]))
        self._branch = ""
        return [x.plus(part.times(1 - len(widths))), *[part] * (len(widths) - 1)]

    def _residual(self, group: Group, node: Residual) -> None:
        group.more = (node.act or "", "wrapped" if node.gamma is not None or node.stochastic_depth else "")
        group.numbers["scale"] = self._hole(node.scale, "scale")
        if node.gamma is not None:
            group.numbers["gamma"] = self._hole(node.gamma, "gamma")
        if group.more[1]:
            group.numbers["drop"] = self._hole(node.stochastic_depth, "p")


def _name(row: MeasuredNode) -> str:
    return row.path.rpartition(".")[2]


def _given(kernel: str, options: Iterable[tuple[str, Argument]]) -> list[str]:
    """Which options a call gives, and "stride by sides" for one with a size of its own along each axis."""
    sizes = [("kernel_size", kernel), *options]
    used = [name for name, value in sizes if not (isinstance(value, Form) and value.value == 1)]
    return used + [f"{name} by sides" for name, value in sizes if isinstance(value, str) and "(" in value]


def _projects(node: Node, child: MeasuredNode) -> bool:
    return isinstance(node, Residual) and node.shortcut == "auto" and _name(child) == "shortcut"


def _is_plain(name: str) -> bool:
    """Whether nn.Sequential takes a name."""
    return name not in ("append", "extend", "insert", "pop")


def _is_layers(row: MeasuredNode) -> bool:
    """Whether a chain is a named thing of several layers, as a separable convolution or a head is."""
    if _name(row.children[0]).isdigit():
        return False
    return not any(isinstance(below.node, Concat | Sum | Product | Split | Residual) for below in row.walk())
