"""`inceptionlab push`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def push(
    run: Path, to: str, *, private: bool = False, licence: str = "",
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:  # fmt: skip
    """Put a finished run on the Hugging Face hub with a model card; every command loads it as hf:OWNER/NAME.

    Parameters
    ----------
    run
        A run folder, as train printed it.
    to
        hf:OWNER/NAME.
    private
        Only you may see it (where it is new).
    licence
        An identifier of the hub, such as apache-2.0.
    json_
        Print an object with the address.
    """
    from inceptionlab.runs.publishing import push

    address = push(run, to, private=private, licence=licence)
    print(json.dumps({"address": address, "name": to}) if json_ else address)
