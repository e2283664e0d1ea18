"""What geometry finds: a network and its nodes with their shapes, costs and receptive fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inceptionlab.analysis.costs import Shape
from inceptionlab.analysis.markup import html_table, text_table
from inceptionlab.analysis.receptive import Field
from inceptionlab.analysis.words import describe
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Node

_COLUMNS = ("node", "what", "output", "parameters", "MACs", "field")


@dataclass(frozen=True, slots=True, repr=False)
class MeasuredNode:
    """A node with what geometry knows of it; `children` are measured too, so this is the tree once more.

    `params` and `macs` include the children. `field` is the receptive field on the network's input.
    """

    path: str
    node: Node
    input: Shape
    output: Shape
    params: int
    macs: int
    field: Field
    children: tuple[MeasuredNode, ...] = ()

    def __repr__(self) -> str:
        shapes = f"{format_shape(self.input)} to {format_shape(self.output)}"
        return (
            f"<{self.path or 'node'}: {describe(self.node)}; {shapes}, {self.params:,} parameters, {self.macs:,} MACs>"
        )

    def walk(self) -> Iterator[MeasuredNode]:
        """The node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True, repr=False)
class MeasuredNetwork:
    """A network with its top-level nodes and auxiliary heads measured."""

    network: Network
    children: tuple[MeasuredNode, ...]
    aux: tuple[MeasuredNode, ...]

    @property
    def params(self) -> int:
        """Parameters without the auxiliary heads."""
        return sum(child.params for child in self.children)

    @property
    def params_with_aux(self) -> int:
        """Parameters with the auxiliary heads."""
        return self.params + sum(head.params for head in self.aux)

    @property
    def macs(self) -> int:
        """Multiply-adds of one image without the auxiliary heads."""
        return sum(child.macs for child in self.children)

    @property
    def macs_with_aux(self) -> int:
        """Multiply-adds of one image with the auxiliary heads run."""
        return self.macs + sum(head.macs for head in self.aux)

    def __repr__(self) -> str:
        """The top-level nodes as a table that fits a screen."""
        return f"{self._totals()}\n{text_table(_COLUMNS, self._rows())}"

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """The top-level nodes as an HTML table, as a notebook shows them."""
        return html_table(self._totals(), _COLUMNS, self._rows())

    def _totals(self) -> str:
        shape = format_shape(self.network.input.shape)
        costs = f"{self.params:,} parameters, {self.macs:,} MACs"
        heads = f"; with auxiliary heads {self.params_with_aux:,} and {self.macs_with_aux:,}" if self.aux else ""
        return f"{self.network.title} at {shape}: {costs}{heads}"

    def _rows(self) -> list[list[str]]:
        whole, rows = self.network.input.shape, list[list[str]]()
        for row in (*self.children, *self.aux):
            field = "x".join(str(side) for side in row.field.sizes(whole)["largest"])
            numbers = [format_shape(row.output), f"{row.params:,}", f"{row.macs:,}", field]
            rows.append([row.path, describe(row.node), *numbers])
        return rows

    def stages(self) -> dict[int, MeasuredNode]:
        """The last node before the head at each stride, finest first."""
        count = len(self.network.stem.children) + len(self.network.body.children)
        return {row.field.height.jump: row for row in self.children[:count]}

    def walk(self) -> Iterator[MeasuredNode]:
        """Every node, parents first, the auxiliary heads last."""
        for top in (*self.children, *self.aux):
            yield from top.walk()


def format_shape(shape: Shape) -> str:
    """A shape as it stands in tables: channels x height x width."""
    return "x".join(str(side) for side in shape)
