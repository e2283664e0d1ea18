"""A network as a table for a screen, by whatever name or value it is given."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import MeasuredNetwork, MeasuredNode, format_shape
from inceptionlab.analysis.words import describe
from inceptionlab.errors import SpecError
from inceptionlab.spec.network import Network
from inceptionlab.zoo.configure import configured

BYTES = 4
"""Bytes of a parameter in fp32."""
HEAD = ("node", "what", "output", "parameters", "MACs")


class Built(Protocol):
    """A network that was built: it knows its spec."""

    @property
    def spec(self) -> Network:
        """The value it was built from."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """A network down to a depth: printed, a table as wide as the screen with what it is in all."""

    measured: MeasuredNetwork
    depth: int = 1

    @property
    def rows(self) -> list[MeasuredNode]:
        """The nodes that are shown."""
        return [row for row in self.measured.walk() if row.path.count(".") < self.depth]

    def __repr__(self) -> str:
        lines = [("  " * row.path.count(".") + row.path.rpartition(".")[2], describe(row.node),
                  format_shape(row.output), f"{row.params:,}", f"{row.macs:,}") for row in self.rows]  # fmt: skip
        whole = self.measured
        shape, title = format_shape(whole.network.input.shape), whole.network.title
        classes = f"{whole.network.classes} classes" if whole.network.classes else "features"
        totals = [f"parameters {whole.params:,} ({whole.params * BYTES / 2**20:,.1f} MB in fp32)   "
                  f"MACs {whole.macs:,} per image"]  # fmt: skip
        if whole.aux:
            totals += [f"with auxiliary heads: parameters {whole.params_with_aux:,}   MACs {whole.macs_with_aux:,}"]
        return "\n".join([f"{title}: {shape} to {classes}", *_table(lines), *totals])

    def _repr_html_(self) -> str:
        return self.measured.to_html()


def summary(model: str | Network | Built, depth: int = 1, input_size: int | tuple[int, int] | None = None) -> Summary:
    """A network (a name or file as `network_of` reads, a spec, or one that was built) as a table to print.

    `depth` is how many levels of nodes it shows, `input_size` the side, or (height, width), of images of another size,
    for the same layers. Raises `SpecError` for what is no network of ours, and `SizeError` for too small a size.
    """
    spec = model if isinstance(model, str | Network) else getattr(model, "spec", None)
    if not isinstance(spec, str | Network):
        raise SpecError(f"a {type(model).__name__} is no network of InceptionLab; give a name, a spec or a built one")
    return Summary(measure(configured(spec, input_size=input_size, aux=True, stem="imagenet")), depth)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows under a head within the width of the screen; the words of the second column make room."""
    columns = int(os.environ.get("COLUMNS", "0") or 0) or shutil.get_terminal_size((100, 24)).columns
    widths = [max(len(row[i]) for row in (HEAD, *rows)) for i in range(len(HEAD))]
    widths[1] = max(10, min(widths[1], columns - sum(widths) + widths[1] - 2 * (len(HEAD) - 1)))
    lines: list[str] = []
    for row in (HEAD, *rows):
        words = row[1] if len(row[1]) <= widths[1] else row[1][: widths[1] - 1] + "…"
        cells = [row[0].ljust(widths[0]), words.ljust(widths[1])]
        cells += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join(cells))
    return lines
