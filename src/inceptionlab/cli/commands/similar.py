"""`inceptionlab similar`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def similar(
    *images: str, among: str, run: Path | None = None, node: str | None = None, top: int = 5,
    metric: Literal["cosine", "euclidean"] = "cosine", out: Annotated[Path | None, Parameter(alias="-o")] = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:  # fmt: skip
    """Find the images that are nearest to others by their features, exactly.

    Exit code 1 where some images cannot be read; the others are looked for.

    Parameters
    ----------
    images
        The images to look for: files, folders, patterns, addresses, .parquet files, sets; - is standard input.
    among
        What to look among: a file that embed wrote, a table of features of another program, or images, whose features
        are computed, and kept in the cache, by the network that --run names.
    run
        The network, where --among does not say it: a run folder, a file of import-weights, NAME@WEIGHTS or
        hf:OWNER/NAME.
    node
        The node whose features are compared, where --among does not say it (default: what the classifier reads).
    top
        How many images to show for each.
    metric
        "cosine" (1 − the cosine of the angle) or "euclidean" (the length of the difference).
    out
        A page with the images to write: .html.
    json_
        Print an object for each image, one a line.
    """
    from inceptionlab.cli.tables import ending, show_similar
    from inceptionlab.embedding.page import similar_page
    from inceptionlab.runs.embedding import similar
    from inceptionlab.storage import write

    if out is not None:
        ending(out, ".html", "the page")
    found = similar(images, among, run, top, metric, node)
    for why in found.unreadable:
        print(f"left out: {why}", file=sys.stderr)
    if json_:
        for query in found.queries:
            print(json.dumps({**asdict(query), "metric": metric}, ensure_ascii=False))
    else:
        show_similar(found)
    if out is not None:
        write(out, similar_page(found))
        if not json_:
            print(out)
    if found.unreadable:
        sys.exit(1)
