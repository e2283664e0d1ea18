"""The report of a data set's checks as one self-contained page with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from inceptionlab.data.audit import Findings, Pair, Seen
from inceptionlab.report.run_page import png

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1b1b; background: #fff }
table { border-collapse: collapse } td, th { padding: .2rem .8rem .2rem 0; text-align: left; overflow-wrap: anywhere }
figure { display: inline-block; margin: .4rem; text-align: center; font-size: 12px; max-width: 10rem;
  overflow-wrap: anywhere } img { width: 96px; image-rendering: pixelated; display: block; margin: auto }
.bar { background: #4c78a8; height: .7rem; display: inline-block } .bad { color: #b00020 }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #16181c } .bad { color: #ff8a80 } }
"""
SHOWN = 60


def data_report(name: str, found: Findings) -> str:
    """HTML without outside resources: what is wrong first, then the pairs as pictures, the classes and the sizes."""
    faults = {
        "pictures that cannot be read": len(found.unreadable), "leaks between splits": len(found.leaks),
        "pictures under two classes": len(found.conflicts),
    }  # fmt: skip
    verdict = ", ".join(f"{count} {what}" for what, count in faults.items() if count) or "nothing is wrong"
    parts = [
        f"<h1>{escape(name)}</h1><p class='{'bad' if any(faults.values()) else ''}'><b>{verdict}</b></p>",
        _pairs("Leaks between splits", found.leaks), _pairs("Under two classes", found.conflicts),
        _unreadable(found), _classes(found), _sizes(found),
        _pairs("Exact duplicates", found.exact), _pairs("Near duplicates", found.near),
    ]  # fmt: skip
    head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    body = "".join(parts)
    return f"<!doctype html><html lang='en'>{head}<title>{escape(name)}</title><style>{_STYLE}</style>{body}</html>"


def _pairs(title: str, pairs: Sequence[Pair]) -> str:
    if not pairs:
        return ""
    rows = "".join(f"<div>{_figure(a)}{_figure(b)}</div>" for a, b in pairs[:SHOWN])
    return f"<h2>{title}: {len(pairs):,}</h2>{rows}"


def _figure(one: Seen) -> str:
    data = png(one.grey.astype(np.uint8)[..., None])
    words = escape(f"{one.name} ({one.label})")
    return f"<figure><img alt='{words}' src='data:image/png;base64,{data}'><figcaption>{words}</figcaption></figure>"


def _unreadable(found: Findings) -> str:
    if not found.unreadable:
        return ""
    rows = "".join(f"<li>{escape(why)}</li>" for _, why in found.unreadable[:SHOWN])
    return f"<h2>Cannot be read: {len(found.unreadable):,}</h2><ul>{rows}</ul>"


def _classes(found: Findings) -> str:
    largest = max((n for counts in found.counts.values() for n in counts.values()), default=1)
    rows = [
        f"<tr><td>{escape(split)}</td><td>{escape(label)}</td><td>{n:,}</td>"
        f"<td><span class='bar' style='width:{200 * n / largest:.0f}px'></span></td></tr>"
        for split, counts in found.counts.items()
        for label, n in sorted(counts.items())
    ]
    return f"<h2>Classes</h2><p>Largest over smallest: {found.imbalance:.2f}</p><table>{''.join(rows)}</table>"


def _sizes(found: Findings) -> str:
    sizes = "".join(f"<tr><td>{w}×{h}</td><td>{n:,}</td></tr>" for (w, h), n in found.sizes)
    modes = "".join(f"<tr><td>{escape(mode)}</td><td>{n:,}</td></tr>" for mode, n in found.modes.items())
    return f"<h2>Sizes and modes</h2><table>{sizes}{modes}</table>"
