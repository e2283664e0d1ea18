"""The errors of InceptionLab: sentences that say what was given, where, and what would work."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class InceptionLabError(Exception):
    """Anything that is wrong with what the user gave; the command line shows the sentence and exits with 2."""


class SpecError(InceptionLabError, ValueError):
    """A spec that means nothing: a wrong value, an unknown name, branches that do not fit together."""


class SizeError(SpecError):
    """An input too small for a network; names the node, its input and the smallest picture that works."""


class DataError(InceptionLabError, ValueError):
    """Data that is missing, unreadable, corrupt or unusable."""


class RunError(InceptionLabError, RuntimeError):
    """A training run that cannot go on or cannot be read."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause with the known names nearest to `name`, for the end of an error message."""
    names = list(known)
    close = get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(repr(n) for n in close)}?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"known are {shown}" if names else "nothing is known by any name here"


def one_of(kind: str, name: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse `kind(name=value)` where the value is not a known one."""
    if value not in known:
        raise SpecError(f"{kind}({name}={value!r}): {nearest(str(value), known)}")


def positive(kind: str, **values: object) -> None:
    """Refuse sizes and counts that are not whole numbers of at least 1."""
    for name, value in values.items():
        if not isinstance(value, int) or value < 1:
            raise SpecError(f"{kind}({name}={value!r}): it must be a whole number of at least 1")
