"""The guides of the documentation as pages of a terminal; the wheel holds them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from inceptionlab.errors import ConfigError, nearest

Language = Literal["en", "zh"]
PACKAGE = Path(__file__).parents[1]
INDEX = "index"


@cache
def guides(language: Language) -> dict[str, Path]:
    """The pages on one subject each, by name; those that are not translated are the English ones."""
    folder = next(place for place in (PACKAGE / "docs", PACKAGE.parents[1] / "docs") if place.is_dir())
    found: dict[str, Path] = {}
    for name in ("en", language):
        found |= {page.stem: page for page in sorted((folder / name).glob("*.md")) if page.stem != INDEX}
    return found


def show_guides(language: Language) -> None:
    """Print the names of the guides, each with its title."""
    table = Table(box=None, show_header=False)
    for name, page in guides(language).items():
        table.add_row(name, page.read_text(encoding="utf-8").partition("\n")[0].lstrip("# "))
    Console().print(table)


def show_guide(topic: str, language: Language, commands: list[str]) -> None:
    """Print a guide, page by page on a terminal. Raises `ConfigError` for a topic that is none."""
    if topic not in guides(language):
        raise ConfigError(f"there is no help on {topic!r}; {nearest(topic, (*guides(language), *commands))}")
    text = re.sub(r"<!--.*?-->\n*", "", guides(language)[topic].read_text(encoding="utf-8"), flags=re.DOTALL)
    console = Console()
    if not console.is_terminal:
        print(text)
        return
    with console.pager(styles=True):
        console.print(Markdown(text))
