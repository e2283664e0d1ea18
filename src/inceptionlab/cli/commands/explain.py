"""`inceptionlab explain`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.decoding import Count
from inceptionlab.errors import ConfigError
from inceptionlab.explaining.options import Question


@dataclass(frozen=True)
class OfBranches:
    """What is asked about branches."""

    branches: bool = False
    """Show which branch of each module does the work too, what it sees and what it says; without images that alone."""
    data: str | None = None
    """The data whose test images --branches looks with (default: the validation images of the run)."""
    limit: Count = 500
    """How many of them, at most."""


def explain(
    run: Path, *images: Path, out: Annotated[Path | None, Parameter(alias="-o")] = None,
    question: Annotated[Question | None, Parameter(name="*")] = None,
    of: Annotated[OfBranches | None, Parameter(name="*")] = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:  # fmt: skip
    """Show what in images speaks for a class, by maps over them, and test what the maps are worth.

    Parameters
    ----------
    run
        A run folder, as train printed it, a file that import-weights wrote, or NAME@WEIGHTS (see list --pretrained).
    images
        Image files.
    out
        The page to write: .html (default: explanation.html, without --json).
    question
        What is asked.
    of
        What is asked about branches.
    json_
        Print an array of objects with the answers and the scores; with --branches an object of these and the branches.
    """
    from inceptionlab.cli.tables import ending, show_explanations
    from inceptionlab.runs.explaining import explain_predictions
    from inceptionlab.runs.looking import explain_branches
    from inceptionlab.storage import write

    path, wanted = out or (None if json_ else Path("explanation.html")), of or OfBranches()
    if path is not None:
        ending(path, ".html", "the page")
    if wanted.data and not wanted.branches:
        raise ConfigError(f"--data {wanted.data} is what --branches looks with; add --branches")
    asked, node = images or not wanted.branches, (question.node if question else None) or ""
    found = explain_predictions(str(run), list(images), question) if asked else None
    branches = explain_branches(str(run), wanted.data, wanted.limit, node) if wanted.branches else None
    whole = replace(found, branches=branches) if found else branches
    if path is not None and whole:
        write(path, whole.to_html())
    if json_ and whole:
        print(json.dumps(whole.as_record(), indent=1, ensure_ascii=False))
        return
    if found:
        show_explanations(found)
    if branches:
        print(branches)
    print(path)
