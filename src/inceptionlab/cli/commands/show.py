"""`inceptionlab show`."""

from __future__ import annotations

import json
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.analysis.formulas import explain as explained
from inceptionlab.analysis.tables import as_records
from inceptionlab.cli.network_tables import print_network
from inceptionlab.cli.variant import Variant


def show(
    name: str, *, explain: str | None = None, depth: int = 1,
    aux: Annotated[bool, Parameter(negative="--no-aux")] = True,
    json_: Annotated[bool, Parameter(name="--json")] = False,
    variant: Annotated[Variant | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Show a network as the table of its paper, with shapes, parameters, MACs and receptive fields.

    Parameters
    ----------
    name
        A network: of the zoo, FILE.py:FUNCTION, FILE.json or a run folder; rules may follow, as in
        "small_v1 | residual(0.1)".
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
        print("\n".join(explained(network, explain)))
    elif json_:
        print(json.dumps(as_records(network)))
    else:
        print_network(network, depth)
