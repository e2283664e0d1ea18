"""What stands in the table of the zoo."""

from __future__ import annotations

from dataclasses import dataclass

from inceptionlab.analysis.geometry import measure
from inceptionlab.zoo.registry import REGISTRY


@dataclass(frozen=True, slots=True)
class ZooFacts:
    """A named form with its numbers; `input` is (channels, height, width), `top1` is published, in per cent."""

    name: str
    member: str
    form: str
    year: int
    params: int
    params_with_aux: int
    macs: int
    input: tuple[int, int, int]
    top1: float | None
    source: str


def facts_of(name: str) -> ZooFacts:
    """The facts of a network by its full name."""
    entry = REGISTRY[name]
    measured = measure(entry.make())
    source = f"{entry.source}; accuracy: {entry.top1_source}" if entry.top1_source else entry.source
    return ZooFacts(
        name, entry.member, name.partition(".")[2] or "default", entry.year, measured.params,
        measured.params_with_aux, measured.macs, measured.network.input.shape, entry.top1, source,
    )  # fmt: skip
