"""`inceptionlab show`."""

from __future__ import annotations

import json
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.analysis import formulas, geometry
from inceptionlab.analysis.measured import format_shape
from inceptionlab.analysis.tables import as_records, rows
from inceptionlab.analysis.words import describe
from inceptionlab.cli.variant import Variant
from inceptionlab.spec.network import Network


def show(
    name: str, *, explain: str | None = None, depth: int = 1, aux: bool = True,
    json_: Annotated[bool, Parameter(name="--json")] = False,
    variant: Annotated[Variant | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Show a network as the table of its paper, with shapes, parameters, MACs and receptive fields.

    Parameters
    ----------
    name
        A network of the zoo; rules may follow, as in "small_v1 | residual(0.1)".
    explain
        Print the formulas of the node at this address with its numbers in them.
    depth
        How many levels of nodes to show.
    aux
        Show the auxiliary heads too.
    json_
        Print an array of nodes.
    variant
        Changes of the network.
    """
    network = (variant or Variant()).of(name, aux)
    if explain is not None:
        print("\n".join(formulas.explain(network, explain)))
    elif json_:
        print(json.dumps(as_records(network)))
    else:
        _table(network, depth)


def _table(network: Network, depth: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("node", "what", box=None)
    for column in ("output", "parameters", "MACs", "field"):
        table.add_column(column, justify="right")
    for row in rows(network, depth):
        sizes = row.field.sizes(network.input.shape)
        field = f"{_side(sizes['smallest'])}…{_side(sizes['largest'])}"
        numbers = format_shape(row.output), f"{row.params:,}", f"{row.macs:,}", field
        table.add_row("  " * row.path.count(".") + row.path, describe(row.node), *numbers)
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=200)
    console.print(
        f"[bold]{network.title}[/bold]   input {format_shape(network.input.shape)}   {network.classes} classes"
    )
    console.print(table)
    total = geometry.measure(network)
    console.print(f"parameters {total.params:,}   MACs {total.macs:,} (multiply-adds; FLOPs are twice that)")
    if network.aux:
        console.print(f"with auxiliary heads: parameters {total.params_with_aux:,}   MACs {total.macs_with_aux:,}")


def _side(sizes: list[int]) -> str:
    return str(sizes[0]) if sizes[0] == sizes[1] else f"{sizes[0]}×{sizes[1]}"
