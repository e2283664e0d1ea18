"""Predictions as they come, for people (a list of few images, a table of many) and for programs (CSV, JSON lines)."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len

from inceptionlab.evaluation.answers import DIGITS

if TYPE_CHECKING:
    from inceptionlab.data.image_sets import ImageSet
    from inceptionlab.runs.predicting import Prediction, Unreadable

    Words = Callable[[Prediction | Unreadable], str]

Form = Literal["list", "table", "csv", "json"]
FEW = 10
"""Images up to which each has a list of its own."""
WIDEST = 60
"""Columns of a terminal that the names of images take at most, so that a long one does not push all others away."""
HEADER = "path,rank,label,probability,error"
"""The first line of CSV."""


def show_predictions(found: Iterable[Prediction | Unreadable], words: Words, count: int) -> int:
    """Print predictions as they come, each at once, and on standard error why images cannot be read; gives how many.

    Raises `DataError` where none of the `count` images can be.
    """
    from inceptionlab.data.progress import followed
    from inceptionlab.errors import DataError, counted
    from inceptionlab.runs.predicting import Unreadable

    failed: list[Unreadable] = []
    for one in found if sys.stdout.isatty() else followed(found, "predicting", count):  # on a screen they are progress
        if isinstance(one, Unreadable):
            failed.append(one)
            if count > 1:
                print(one.error, file=sys.stderr, flush=True)
        if text := words(one):
            print(text, flush=True)
    if len(failed) == count:
        raise DataError(failed[0].error if count == 1 else f"none of {count:,} images can be read")
    if failed:
        print(f"{counted(len(failed), 'image')} of {count:,} cannot be read", file=sys.stderr)
    return len(failed)


def words_of(form: Form, images: ImageSet, threshold: float) -> Words:
    """How a prediction is written."""
    if form in ("csv", "json"):
        return _as_csv if form == "csv" else _as_json
    width = 0
    if form == "table":
        width = min(WIDEST, max(cell_len(images.where(i)) for i in range(images.count)))
    return partial(_for_people, threshold, width)


def _as_json(one: Prediction | Unreadable) -> str:
    return json.dumps(asdict(one), ensure_ascii=False)


def _as_csv(one: Prediction | Unreadable) -> str:
    """A row for each class that is shown; one without a class where none is, or the image cannot be read."""
    from inceptionlab.runs.predicting import Unreadable

    rows: list[tuple[object, ...]] = [(one.path, "", "", "", one.error if isinstance(one, Unreadable) else "")]
    if not isinstance(one, Unreadable) and one.top:
        rows = [(one.path, rank, of.label, f"{of.probability:.{DIGITS}f}", "") for rank, of in enumerate(one.top, 1)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().removesuffix("\n")


def _for_people(threshold: float, width: int, one: Prediction | Unreadable) -> str:
    """The classes beside the image's name, which takes `width` columns, or (0) in lines of their own below it."""
    from inceptionlab.runs.predicting import Unreadable

    if isinstance(one, Unreadable):
        return ""
    lines = [f"{of.probability:7.2%}  {of.label}" for of in one.top] or [f"none above {100 * threshold:g} %"]
    if not width:
        return "\n".join([one.path, *(f"  {line}" for line in lines)])
    name = one.path + " " * (width - cell_len(one.path))
    return "\n".join(f"{place}  {line}" for place, line in zip_longest([name], lines, fillvalue=" " * width))
