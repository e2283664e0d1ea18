"""A network as rows: every node with its shapes, costs and receptive field."""

from __future__ import annotations

from typing import Any

from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import MeasuredNode
from inceptionlab.analysis.words import describe
from inceptionlab.spec.network import Network


def rows(network: Network, depth: int = 1) -> list[MeasuredNode]:
    """The measured nodes of a network down to a depth (1: the top-level ones), auxiliary heads last."""
    return [row for row in measure(network).walk() if row.path.count(".") < depth]


def as_records(network: Network) -> list[dict[str, Any]]:
    """Every node as `{path, kind, describe, input, output, params, macs, receptive_field, jump, centre}`."""
    return [
        {
            "path": row.path,
            "kind": type(row.node).__name__,
            "describe": describe(row.node),
            "input": list(row.input),
            "output": list(row.output),
            "params": row.params,
            "macs": row.macs,
            "receptive_field": row.field.sizes(network.input.shape),
            "jump": [row.field.height.jump, row.field.width.jump],
            "centre": [row.field.height.centre, row.field.width.centre],
        }
        for row in measure(network).walk()
    ]
