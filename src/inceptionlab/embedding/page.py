"""A contact sheet: each image that was looked for, with its nearest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inceptionlab.data.decode import decode
from inceptionlab.embedding.records import Query, SimilarImages
from inceptionlab.errors import DataError, counted
from inceptionlab.report.page import LARGEST, Figure, image_source, render

SHOWN = 100
"""Images that were looked for of which the page shows the nearest."""


@dataclass(frozen=True, slots=True)
class _Page:
    title: str
    about: str
    rows: list[list[Figure]]
    kind: str = "Similar images"
    trial: str = ""


def similar_page(found: SimilarImages) -> str:
    """One page that loads nothing; images that are no files any more stand there by their names."""
    rows = found.queries[:SHOWN]
    all_of = counted(len(found.queries), "image")
    shown = f"the first {len(rows)} of {all_of}" if len(rows) < len(found.queries) else all_of
    about = f"{shown}, each with its nearest among {found.count:,} by {found.metric} distance, nearest first"
    return render("similar.html", _Page("Similar images", about, [_row(query) for query in rows]))


def _row(query: Query) -> list[Figure]:
    nearest = [_figure(one.name, f"{one.distance:.4g}") for one in query.nearest]
    return [_figure(query.name, "looked for"), *nearest]


def _figure(name: str, label: str) -> Figure:
    """A file is called by its folder and its name."""
    try:
        there = len(name) < 4096 and Path(name).is_file()
        source = image_source(np.asarray(decode(name, name, 3, (LARGEST, LARGEST)))) if there else ""
    except (DataError, OSError, ValueError):  # a name may be any text
        source = ""
    return Figure("/".join(Path(name).parts[-2:]) if source else name, label, source)
