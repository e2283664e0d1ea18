"""Lines of Python as a formatter breaks them: whole where they fit, else their arguments on a line of their own, else
one argument a line.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TypeAlias

LONGEST = 120
"""Characters of a line."""


@dataclass(frozen=True, slots=True)
class Bracketed:
    """`head(arguments)`, or `[arguments]`; an argument is a text or is bracketed too, behind its `keyword=`."""

    head: str
    arguments: tuple[tuple[str, Code], ...]
    brackets: str = "()"


Code: TypeAlias = "str | Bracketed"


def bracketed(head: str, *arguments: Code, brackets: str = "()") -> Bracketed:
    """A call of arguments without keywords."""
    return Bracketed(head, tuple(("", argument) for argument in arguments), brackets)


def flat(code: Code) -> str:
    """Code on one line."""
    if isinstance(code, str):
        return code
    inner = ", ".join(keyword + flat(argument) for keyword, argument in code.arguments)
    return f"{code.head}{code.brackets[0]}{inner}{code.brackets[1]}"


def lines_of(before: str, code: Code, indent: int, behind: str = "") -> list[str]:
    """The lines of `before` + code + `behind`, `indent` levels in."""
    start = "    " * indent + before
    whole = start + flat(code) + behind
    if isinstance(code, str) or len(whole) <= LONGEST or not code.arguments:
        return [whole]
    opening, closing = f"{start}{code.head}{code.brackets[0]}", f"{'    ' * indent}{code.brackets[1]}{behind}"
    inner = "    " * (indent + 1) + ", ".join(keyword + flat(argument) for keyword, argument in code.arguments)
    if len(inner) <= LONGEST:
        return [opening, inner, closing]
    comma = "," if len(code.arguments) > 1 else ""
    lines = [line for keyword, argument in code.arguments for line in lines_of(keyword, argument, indent + 1, comma)]
    return [opening, *lines, closing]


def docstring(text: str, indent: int = 1) -> list[str]:
    """A docstring, wrapped; quotes and backslashes, which names may hold, are made harmless."""
    margin, text = "    " * indent, harmless(text)
    whole = f'{margin}"""{text}"""'
    if len(whole) <= LONGEST:
        return [whole]
    lines = textwrap.wrap(text, LONGEST - len(margin) - 3)
    return [f'{margin}"""{lines[0]}', *(margin + line for line in lines[1:]), f'{margin}"""']


def harmless(text: str) -> str:
    """A text that can stand in a docstring."""
    return text.replace("\\", "/").replace('"', "'")
