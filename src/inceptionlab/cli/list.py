"""`inceptionlab list`."""

from __future__ import annotations

import json
from typing import Annotated, Any

from cyclopts import Parameter

from inceptionlab.analysis.geometry import measure
from inceptionlab.errors import SpecError
from inceptionlab.zoo.registry import REGISTRY, list_models

WIDE = 160
"""Columns of a terminal that has room for sources."""


def list_(
    pattern: str = "*", *, json_: Annotated[bool, Parameter(name="--json")] = False, markdown: bool = False
) -> None:
    """Show the networks of the zoo: year, parameters, MACs, input, published accuracy and its source.

    Parameters
    ----------
    pattern
        A shell pattern of names.
    json_
        Print an array of objects.
    markdown
        Print a Markdown table.
    """
    names = list_models(pattern)
    if not names:
        raise SpecError(f"no network matches {pattern!r}; inceptionlab list shows them all")
    records = [record(name) for name in names]
    if json_:
        print(json.dumps(records, indent=1))
    elif markdown:
        print(_markdown(records))
    else:
        _print(records)


def _markdown(records: list[dict[str, Any]]) -> str:
    lines = [
        "| name | member | year | parameters | with aux | MACs | input | top-1 % |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for r in records:
        cells = [
            f"`{r['name']}`",
            r["member"],
            r["year"],
            f"{r['params']:,}",
            f"{r['params_with_aux']:,}",
            f"{r['macs']:,}",
        ]
        cells += ["×".join(map(str, r["input"])), "" if r["top1"] is None else f"{r['top1']:g}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _print(records: list[dict[str, Any]]) -> None:
    """A table; a narrow terminal is spared what is not about the network itself."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    wide = console.width >= WIDE or not console.is_terminal
    table = Table("name", box=None)
    for column in ("year", "parameters", "MACs", "input", "top-1 %", *(("with aux",) if wide else ())):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("member", "source") if wide else ():
        table.add_column(column, no_wrap=True)
    for r in records:
        top1 = "" if r["top1"] is None else f"{r['top1']:g}"
        cells = [str(r["year"]), f"{r['params']:,}", f"{r['macs']:,}", "x".join(map(str, r["input"])), top1]
        more = [f"{r['params_with_aux']:,}", r["member"], r["source"]] if wide else []
        table.add_row(r["name"], *cells, *more)
    (console if console.is_terminal else Console(width=240)).print(table)


def record(name: str) -> dict[str, Any]:
    """The facts of a network by name."""
    entry = REGISTRY[name]
    measured = measure(entry.make())
    return {
        "name": name, "member": entry.member, "form": name.partition(".")[2] or "default", "year": entry.year,
        "params": measured.params, "params_with_aux": measured.params_with_aux, "macs": measured.macs,
        "input": list(measured.network.input.shape), "top1": entry.top1,
        "source": f"{entry.source}; accuracy: {entry.top1_source}" if entry.top1_source else entry.source,
    }  # fmt: skip
