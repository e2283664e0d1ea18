"""Tables as text for a terminal and as HTML for a notebook: two columns of words, then columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDEST = 40
"""Characters of a cell of text, at most."""


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under a head; words stand at the left of their column, numbers at the right."""
    cells = [[cell if len(cell) <= WIDEST else cell[: WIDEST - 1] + "…" for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(widths[i]) if i < 2 else cell.rjust(widths[i]) for i, cell in enumerate(row))
        for row in cells
    )


def html_table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as HTML; every cell is escaped."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
