"""`inceptionlab check-data`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def check_data(
    path: str, *, data_dir: Path | None = None, out: Annotated[Path | None, Parameter(alias="-o")] = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:  # fmt: skip
    """Look for what spoils a data set: unreadable and duplicate images, leaks between splits, classes out of balance.

    Exit code 1 where images cannot be read, leak from one split into another, or stand under two classes.

    Parameters
    ----------
    path
        A folder of images with a folder per class (in train/, val/, test/ or without splits), a data set by name,
        hf:NAME or stream:NAME.
    data_dir
        Folder in which named data sets are looked for.
    out
        A report with images to write: .html.
    json_
        Print one object with everything.
    """
    from inceptionlab.cli.tables import ending, show_findings
    from inceptionlab.data.audit import check_data
    from inceptionlab.report.data_page import data_report
    from inceptionlab.storage import write

    if out is not None:
        ending(out, ".html", "the report")
    found = check_data(path, data_dir)
    if out is not None:
        write(out, data_report(path, found))
    print(json.dumps(found.as_record(), indent=1, ensure_ascii=False)) if json_ else show_findings(found)
    if out is not None and not json_:
        print(out)
    if not found.is_clean:
        sys.exit(1)
