"""The report of a data set's checks as one page with its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inceptionlab.data.audit import Findings, Pair, Seen
from inceptionlab.report.page import Table, png, render

SHOWN = 60
"""Pairs and sentences of a kind that the page shows."""


@dataclass(frozen=True, slots=True)
class _Figure:
    words: str
    source: str


@dataclass(frozen=True, slots=True)
class _Pairs:
    title: str
    count: int
    pairs: list[tuple[_Figure, _Figure]]


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
    faults: list[_Pairs]
    unreadable: list[str]
    unreadable_count: int
    imbalance: str
    classes: list[_Class]
    sizes: Table
    duplicates: list[_Pairs]


def data_report(name: str, found: Findings) -> str:
    """One page: what is wrong first, then the classes, the sizes and the duplicates. It loads nothing."""
    faults = {
        "images that cannot be read": len(found.unreadable), "leaks between splits": len(found.leaks),
        "images under two classes": len(found.conflicts),
    }  # fmt: skip
    return render("data.html", _Page(
        name, any(faults.values()),
        ", ".join(f"{count} {what}" for what, count in faults.items() if count) or "nothing is wrong",
        [_pairs("Leaks between splits", found.leaks), _pairs("Under two classes", found.conflicts)],
        [why for _, why in found.unreadable[:SHOWN]], len(found.unreadable),
        f"{found.imbalance:.2f}", _classes(found), _sizes(found),
        [_pairs("Exact duplicates", found.exact), _pairs("Near duplicates", found.near)],
    ))  # fmt: skip


def _pairs(title: str, pairs: Sequence[Pair]) -> _Pairs:
    return _Pairs(title, len(pairs), [(_figure(a), _figure(b)) for a, b in pairs[:SHOWN]])


def _figure(one: Seen) -> _Figure:
    return _Figure(f"{one.name} ({one.label})", png(one.grey.astype(np.uint8)[..., None]))


def _classes(found: Findings) -> list[_Class]:
    largest = max((n for counts in found.counts.values() for n in counts.values()), default=1)
    return [
        _Class(split, label, n, round(100 * n / max(1, largest)))
        for split, counts in found.counts.items()
        for label, n in sorted(counts.items())
    ]


def _sizes(found: Findings) -> Table:
    rows = [(f"{w}×{h}", f"{n:,}") for (w, h), n in found.sizes]
    return Table(("size or mode", "images"), [*rows, *((mode, f"{n:,}") for mode, n in found.modes.items())])
