"""`inceptionlab history`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.zoo.history import history as steps_of_history


def history(*, json_: Annotated[bool, Parameter(name="--json")] = False) -> None:
    """Show the family's history as a chain of rules on one network: what each step saved, and what it won.

    Parameters
    ----------
    json_
        Print an object of the steps and of the study that recorded the accuracies.
    """
    found = steps_of_history()
    print(json.dumps(asdict(found), ensure_ascii=False, indent=1) if json_ else found)
