"""Progress of long work, on standard error, on terminals and in notebooks only: output stays what a program expects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

Item = TypeVar("Item")


def watched(console: Console) -> bool:
    """Whether somebody looks at a console."""
    return console.is_terminal or console.is_jupyter


def followed(items: Iterable[Item], what: str, total: int) -> Iterable[Item]:
    """The items, with a bar that says what is going on while they are taken. What is printed meanwhile goes where it
    would go without it: rich would send standard output to the bar's terminal.
    """
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not watched(console), redirect_stdout=False) as progress:
        yield from progress.track(items, total, description=what)
