"""`inceptionlab datasets`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.cli.reference import show_datasets
from inceptionlab.data.sources.naming import LAYOUT


def datasets(
    name: str | None = None, *, data_dir: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:  # fmt: skip
    """List the data sets that come by name, or show one: its images, its classes, the recipe that suits it.

    Parameters
    ----------
    name
        A data set by name, a folder of images, hf:NAME or stream:NAME.
    data_dir
        Folder in which named data sets are looked for.
    json_
        Print an array of objects.
    """
    from inceptionlab.data.registry import Facts, list_datasets
    from inceptionlab.describing import fields_of

    found = list_datasets(name, data_dir)
    if json_:
        print(json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False))
        return
    show_datasets(found, fields_of(Facts))
    print(f"classes: {', '.join(found[0].classes) or 'not known before it is read'}" if name else LAYOUT)
