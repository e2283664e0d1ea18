"""Equal costs: the factor of all widths at which a changed network costs what the reference does."""

from __future__ import annotations

from typing import Literal

from inceptionlab.analysis.geometry import measure
from inceptionlab.errors import SpecError
from inceptionlab.rules import widen
from inceptionlab.spec.network import Network

Cost = Literal["params", "macs"]
NEAR = 0.02
"""Widths are whole numbers, so costs meet within 2 %."""


def cost_of(network: Network, cost: Cost) -> int:
    """Parameters or multiply-adds of a network."""
    measured = measure(network)
    return measured.params if cost == "params" else measured.macs


def of_equal_cost(network: Network, target: int, cost: Cost) -> Network:
    """The network with all widths multiplied by the factor at which it costs nearest to `target`.

    Raises `SpecError` where no factor between 1/8 and 8 comes within 2 %.
    """
    low, high = 0.125, 8.0
    for _ in range(18):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if cost_of(_widened(network, middle), cost) < target else (low, middle)
    tried = sorted({round(low + step / 1000, 3) for step in range(-6, 7)})
    best = min((_widened(network, factor) for factor in tried), key=lambda one: abs(cost_of(one, cost) - target))
    reached = cost_of(best, cost)
    if abs(reached - target) > NEAR * target:
        raise SpecError(
            f"no width gives {network.title} the reference's {target:,} {cost}; the nearest is {best.title} with "
            f"{reached:,}"
        )
    return best


def _widened(network: Network, factor: float) -> Network:
    """The network by a factor that may be too near to 1 to change a width."""
    (call,) = widen(factor).calls
    return network if call.change(network) == network else call.apply(network)
