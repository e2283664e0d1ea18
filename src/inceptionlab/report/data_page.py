"""The report of a data set's checks as one page with its images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote

import numpy as np

from inceptionlab.data.audit import Findings, Pair, Seen
from inceptionlab.data.decode import decode
from inceptionlab.errors import DataError, counted
from inceptionlab.report.page import LARGEST, Figure, Table, image_source, moment, render

SHOWN = 60
"""Pairs and sentences of a kind that the page shows."""


@dataclass(frozen=True, slots=True)
class _Pairs:
    title: str
    what: str
    count: int
    pairs: list[tuple[Figure, Figure]]


@dataclass(frozen=True, slots=True)
class _Class:
    split: str
    label: str
    count: int
    percent: int


@dataclass(frozen=True, slots=True)
class _Page:
    title: str
    faulty: bool
    verdict: str
    cards: list[tuple[str, str]]
    faults: list[_Pairs]
    unreadable: list[str]
    unreadable_count: int
    imbalance: str
    classes: list[_Class]
    sizes: Table
    modes: Table
    duplicates: list[_Pairs]
    about: str
    command: str
    kind: str = "Data set"
    trial: str = ""


def data_report(name: str, found: Findings) -> str:
    """One page: what is wrong first, then the classes, the sizes and the duplicates. It loads nothing."""
    faults = [
        (len(found.unreadable), "image that cannot be read", "images that cannot be read"),
        (len(found.leaks), "leak between splits", "leaks between splits"),
        (len(found.conflicts), "image under two classes", "images under two classes"),
    ]
    wrong = [counted(*fault) for fault in faults if fault[0]]
    top = _top(found)
    return render("data.html", _Page(
        name, bool(wrong), ", ".join(wrong) or "nothing is wrong", _cards(found),
        [
            _pairs("Leaks between splits", "The same or nearly the same image in two splits.", found.leaks, top),
            _pairs("Under two classes", "The same image under two classes.", found.conflicts, top),
        ],
        [why for _, why in found.unreadable[:SHOWN]], len(found.unreadable),
        f"{found.imbalance:.2f}", _classes(found), _sizes(found), _modes(found),
        [
            _pairs("Exact duplicates", "Images whose pixels are equal.", found.exact, top),
            _pairs("Near duplicates", "Images that look alike when they are small and grey.", found.near, top),
        ],
        f"checked on {moment(datetime.now(UTC).isoformat())}", f"inceptionlab check-data {quote(name)}",
    ))  # fmt: skip


def _cards(found: Findings) -> list[tuple[str, str]]:
    """The data set in numbers."""
    splits = [(f"{split} images", f"{sum(counts.values()):,}") for split, counts in found.counts.items()]
    classes = {label for counts in found.counts.values() for label in counts}
    return [
        *splits, ("classes", f"{len(classes):,}"),
        ("cannot be read", f"{len(found.unreadable):,}"), ("leaks", f"{len(found.leaks):,}"),
        ("exact duplicates", f"{len(found.exact):,}"), ("near duplicates", f"{len(found.near):,}"),
    ]  # fmt: skip


def _top(found: Findings) -> str:
    """The folder that all images of pairs lie in, "" where they are no files."""
    names = [one.name for pair in (*found.exact, *found.near) for one in pair]
    folders = [os.path.dirname(name) for name in names]
    return os.path.commonpath(folders) if all(folders) and folders else ""


def _pairs(title: str, what: str, pairs: Sequence[Pair], top: str) -> _Pairs:
    shown = [(_figure(a, top), _figure(b, top)) for a, b in pairs[:SHOWN]]
    return _Pairs(title, what, len(pairs), shown)


def _figure(one: Seen, top: str) -> Figure:
    name = Path(one.name).relative_to(top).as_posix() if top else one.name
    return Figure(name, one.label, image_source(_pixels(one)))


def _pixels(one: Seen) -> np.ndarray:
    """The image of a file, and otherwise the small grey copy that the checks keep."""
    try:
        return np.asarray(decode(one.name, one.name, 3, (LARGEST, LARGEST))) if Path(one.name).is_file() else _grey(one)
    except DataError:
        return _grey(one)


def _grey(one: Seen) -> np.ndarray:
    return one.grey.astype(np.uint8)[..., None]


def _classes(found: Findings) -> list[_Class]:
    largest = max((n for counts in found.counts.values() for n in counts.values()), default=1)
    return [
        _Class(split, label, n, round(100 * n / max(1, largest)))
        for split, counts in found.counts.items()
        for label, n in sorted(counts.items())
    ]


def _sizes(found: Findings) -> Table:
    return Table(("width × height", "images"), [(f"{w} × {h}", f"{n:,}") for (w, h), n in found.sizes])


def _modes(found: Findings) -> Table:
    return Table(("mode", "images"), [(mode, f"{n:,}") for mode, n in found.modes.items()])
