"""`inceptionlab show`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.analysis.formulas import explain as explained
from inceptionlab.analysis.formulas import explanations
from inceptionlab.analysis.tables import as_records
from inceptionlab.cli.network_tables import print_network
from inceptionlab.cli.variant import Variant
from inceptionlab.spec.network import Network


def show(
    name: str, *, explain: str | None = None, layers: bool = False, depth: int = 1,
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
        Print the formulas of the node at this address with its numbers in them; of all that match a pattern, "*" for
        the top-level nodes, "**.pool" for every node of that name.
    layers
        Show every layer as it is built (convolution, norm and activation apart) with the memory that it takes, as
        torchsummary does.
    depth
        How many levels of nodes to show.
    aux
        Show the auxiliary heads too.
    json_
        Print an array of nodes, an object of the layers and their totals, or an object of formulas by address.
    variant
        Changes of the network.
    """
    network = (variant or Variant()).of(name, aux)
    if explain is not None:
        found = explanations(network, explain) if json_ else None
        print(json.dumps(found, ensure_ascii=False) if json_ else "\n".join(explained(network, explain)))
    elif layers:
        _print_layers(network, json_)
    elif json_:
        print(json.dumps(as_records(network)))
    else:
        print_network(network, depth)


def _print_layers(network: Network, as_json: bool) -> None:
    from inceptionlab.nn.summary import summary

    found = summary(network)
    totals = {name: round(getattr(found, name), 2) for name in ("input_mb", "pass_mb", "params_mb", "total_mb")}
    whole = {**asdict(found), "params": found.params, "trainable": found.trainable, **totals}
    print(json.dumps(whole) if as_json else found)
