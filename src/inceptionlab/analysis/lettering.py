"""How much room text takes, without a font at hand: by the widths of DejaVu Sans, which is wider than the fonts of
browsers and systems, so that what fits by it fits by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import east_asian_width

_WIDTHS = {" .,:;|!'·": 0.35, "ijl()[]/": 0.39, "frt-": 0.42, "mwMW…→×+−=%@": 0.9, "CDGHNOQU&": 0.78}
"""Parts of the size of the letters."""
_LETTERS = {letter: width for letters, width in _WIDTHS.items() for letter in letters}
_USUAL, _FULL = 0.645, 1.0


def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of a line of text in letters of `size`, in the unit of `size`."""
    parts = (_FULL if east_asian_width(c) in "WF" else _LETTERS.get(c, _USUAL) for c in text)
    return sum(parts) * size * (1.1 if bold else 1.0)


def wrapped(words: Sequence[str], sign: str, longest: int) -> list[str]:
    """Words joined by `sign` into lines of about `longest` letters; a line that goes on ends in the sign."""
    lines = [""]
    for i, word in enumerate(words):
        part = word if i == len(words) - 1 else f"{word}{sign}"
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > longest:
            lines.append("")
        lines[-1] += part
    return [line.strip() for line in lines if line.strip()]


def cut(text: str, longest: int) -> str:
    """A text of at most so many letters, with "…" where some are left out."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
