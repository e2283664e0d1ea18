"""`inceptionlab check-data`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from inceptionlab.data.audit import Findings, Pair

SHOWN = 10


def check_data(
    path: str, *, data_dir: Path | None = None, out: Annotated[Path | None, Parameter(alias="-o")] = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:  # fmt: skip
    """Look for what spoils a data set: unreadable and duplicate pictures, leaks between splits, classes out of balance.

    Exit code 1 where pictures cannot be read, leak from one split into another, or stand under two classes.

    Parameters
    ----------
    path
        A folder of pictures with a folder a class (in train/, val/, test/ or without splits), or a data set by name.
    data_dir
        Folder in which named data sets are looked for.
    out
        A report with pictures to write: .html.
    json_
        Print one object with everything.
    """
    from inceptionlab.data.audit import check_folder, check_set
    from inceptionlab.data.registry import NAMES, load_data
    from inceptionlab.report.data_page import data_report
    from inceptionlab.storage import write

    found = check_set(load_data(path, None, data_dir)) if path in NAMES else check_folder(Path(path))
    if out is not None:
        write(out, data_report(path, found))
    print(json.dumps(_record(found), indent=1, ensure_ascii=False)) if json_ else _show(found)
    if out is not None and not json_:
        print(out)
    if found.unreadable or found.leaks or found.conflicts:
        sys.exit(1)


def _record(found: Findings) -> dict[str, Any]:
    def pairs(some: list[Pair]) -> list[list[str]]:
        return [[a.name, b.name] for a, b in some]

    return {
        "counts": found.counts, "imbalance": found.imbalance, "sizes": [[*size, n] for size, n in found.sizes],
        "modes": found.modes, "unreadable": [list(row) for row in found.unreadable], "exact": pairs(found.exact),
        "near": pairs(found.near), "leaks": pairs(found.leaks), "conflicts": pairs(found.conflicts),
    }  # fmt: skip


def _show(found: Findings) -> None:
    for split, counts in found.counts.items():
        smallest, largest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        print(f"{split}: {sum(counts.values()):,} pictures of {len(counts)} classes, from {counts[smallest]:,} "
              f"({smallest}) to {counts[largest]:,} ({largest})")  # fmt: skip
    print("sizes: " + ", ".join(f"{w}x{h} ({n:,})" for (w, h), n in found.sizes) + "   modes: "
          + ", ".join(f"{mode} ({n:,})" for mode, n in found.modes.items()))  # fmt: skip
    print(f"unreadable: {len(found.unreadable)}")
    for _, why in found.unreadable[:SHOWN]:
        print(f"  {why}")
    pairs = {
        "exact duplicates": found.exact, "near duplicates": found.near, "leaks between splits": found.leaks,
        "pictures under two classes": found.conflicts,
    }  # fmt: skip
    for name, some in pairs.items():
        print(f"{name}: {len(some)}")
        for a, b in some[:SHOWN]:
            print(f"  {a.name} ({a.label}) and {b.name} ({b.label})")
