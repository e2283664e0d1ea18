"""`inceptionlab diff`."""

from __future__ import annotations

import json
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.analysis import difference
from inceptionlab.cli.variant import Variant


def diff(
    a: str,
    b: str,
    *,
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    json_: Annotated[bool, Parameter(name="--json")] = False,
    variant: Annotated[Variant | None, Parameter(name="*")] = None,
) -> None:
    """Show what makes B of A: a change of many nodes in one line, with what it costs, and the totals last.

    Parameters
    ----------
    a
        A network: of the zoo, FILE.py:FUNCTION, FILE.json or a run folder, with or without rules.
    b
        Another.
    all_
        Show every node that stands in B and not in A ("+"), the other way round ("-"), or differs ("~").
    json_
        Print an object of the groups, of every change, and of the totals of A and B.
    variant
        Changes of both networks.
    """
    chosen = variant or Variant()
    found = difference.diff(chosen.of(a), chosen.of(b))
    if json_:
        print(json.dumps(found.as_record(), ensure_ascii=False, indent=1))
    else:
        print("\n".join(found.lines) if all_ else found)
