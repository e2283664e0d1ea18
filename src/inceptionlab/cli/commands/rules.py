"""`inceptionlab rules`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.cli.reference import show_rule, show_rules
from inceptionlab.rules.facts import list_rules


def rules(name: str | None = None, *, json_: Annotated[bool, Parameter(name="--json")] = False) -> None:
    """List the rules, which follow a network's name behind "|", or show one with its arguments.

    Parameters
    ----------
    name
        A rule.
    json_
        Print an array of objects.
    """
    found = list_rules(name)
    if json_:
        print(json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False))
    else:
        show_rule(found[0]) if name else show_rules(found)
