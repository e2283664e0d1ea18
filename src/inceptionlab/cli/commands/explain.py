"""`inceptionlab explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.explaining.options import Question
from inceptionlab.runs.options import Device


def explain(
    run: Path, *images: Path, out: Annotated[Path | None, Parameter(alias="-o")] = None,
    question: Annotated[Question | None, Parameter(name="*")] = None, device: Device = "cpu",
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:  # fmt: skip
    """Show what in images speaks for a class, by maps over them, and test what the maps are worth.

    Parameters
    ----------
    run
        A run folder, as train printed it, a file that import-weights wrote, or NAME@WEIGHTS (see list --pretrained).
    images
        Image files (with --branches also none).
    out
        The page to write: .html (default: explanation.html, without --json).
    question
        What is asked.
    device
        "auto", "cpu", "cuda" or "mps".
    json_
        Print one object with the answers, the scores and the branches.
    """
    from inceptionlab.cli.tables import ending, show_explanations
    from inceptionlab.runs.explaining import explain_predictions
    from inceptionlab.storage import write

    path = out or (None if json_ else Path("explanation.html"))
    if path is not None:
        ending(path, ".html", "the page")
    found = explain_predictions(str(run), list(images), question, device=device)
    if path is not None:
        write(path, found.to_html())
    print(json.dumps(found.as_record(), indent=1, ensure_ascii=False)) if json_ else show_explanations(found)
    if path is not None and not json_:
        print(path)
