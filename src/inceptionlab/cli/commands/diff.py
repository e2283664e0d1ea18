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
    json_: Annotated[bool, Parameter(name="--json")] = False,
    variant: Annotated[Variant | None, Parameter(name="*")] = None,
) -> None:
    """Show what stands in B and not in A ("+"), the other way round ("-"), and what is different ("~").

    Parameters
    ----------
    a
        A network: of the zoo, FILE.py:FUNCTION, FILE.json or a run folder, with or without rules.
    b
        Another.
    json_
        Print an array of the lines.
    variant
        Changes of both networks.
    """
    chosen = variant or Variant()
    lines = difference.diff(chosen.of(a), chosen.of(b))
    print(json.dumps(lines, ensure_ascii=False, indent=1) if json_ else "\n".join(lines))
