"""A comparison with a library as a row of a table."""

from __future__ import annotations

from dataclasses import dataclass

LIMIT, EXACT = 1e-5, 1e-8
"""Of a relative error: against a library, and against 60 digits."""
HEAD = "| images | oracle | what | theirs | ours | relative error |\n|---|---|---|---:|---:|---:|"


@dataclass(frozen=True)
class Row:
    """What was compared: theirs and ours, None for features; the error is relative to theirs."""

    images: str
    oracle: str
    what: str
    theirs: float | None
    ours: float | None
    error: float
    limit: float = LIMIT
    note: str = ""

    @property
    def red(self) -> bool:
        """Whether the error is above the limit, or no number."""
        return not self.error <= self.limit

    def __str__(self) -> str:
        values = " | " if self.theirs is None else f"{self.theirs:.6f} | {self.ours:.6f}"
        note = f" ({self.note})" if self.note else ""
        red = "  <-- above the limit" if self.red else ""
        return f"| {self.images} | {self.oracle} | {self.what} | {values} | {self.error:.1e}{note} |{red}"
