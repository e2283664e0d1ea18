"""The errors of InceptionLab: sentences that say what was given, where, and what would work."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class InceptionLabError(Exception):
    """Anything that is wrong with what the user gave; the command line shows the sentence and exits with 2."""


class SpecError(InceptionLabError, ValueError):
    """A spec or a rule that means nothing: a wrong value, an unknown name, branches that do not fit together."""


class SizeError(SpecError):
    """An input too small for a network; names the node, its input and the smallest image that works."""


class ConfigError(InceptionLabError, ValueError):
    """A setting that means nothing: a field of a recipe or a study, a device, an option."""


class DataError(InceptionLabError, ValueError):
    """Data or weights that are missing, unreadable, corrupt or unusable."""


class StorageError(InceptionLabError, OSError):
    """A file of ours that cannot be written or read."""


class RunError(InceptionLabError, RuntimeError):
    """A run that cannot begin, go on or be read: its folder holds something else, its loss is not finite."""


class ExportError(InceptionLabError, RuntimeError):
    """A network that cannot be rewritten or exported exactly, or a file that an engine cannot run."""


class MeasurementError(InceptionLabError, RuntimeError):
    """A measurement that would mean nothing: the machine is too noisy, or a process that was measured has failed."""


class MissingExtra(InceptionLabError, ImportError):  # noqa: N818  (what it says: an extra is missing)
    """A package that is not installed; `extra` is the optional dependency of ours that brings it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed; install it with: {install_command(extra)}")
        self.extra = extra


def install_command(extra: str) -> str:
    """What to type to add an extra to this installation, from wherever it was installed: a folder of the sources, whose
    versions `constraints.txt` pins, or an index. Double quotes are understood by every shell.
    """
    folder, editable = _sources()
    if not folder:
        return f'python -m pip install "inceptionlab[{extra}]"'
    here = Path(folder) == Path.cwd()
    pins = Path("constraints.txt") if here else Path(folder) / "constraints.txt"
    constrained = f'-c "{pins}" ' if " " in str(pins) else f"-c {pins} "
    return (
        f"python -m pip install {constrained if (Path(folder) / 'constraints.txt').is_file() else ''}"
        f'{"-e " if editable else ""}"{"." if here else folder}[{extra}]"'
    )


def _sources() -> tuple[str, bool]:
    """(the folder of the sources that this was installed from, "" for none; whether it is read from there)."""
    # all take tens of milliseconds, and are needed for an error alone
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlparse
    from urllib.request import url2pathname

    try:
        about: Any = json.loads(distribution("inceptionlab").read_text("direct_url.json") or "{}")
        url = urlparse(str(about.get("url", "")))
        return (url2pathname(url.path) if url.scheme == "file" else ""), bool(about.get("dir_info", {}).get("editable"))
    except (PackageNotFoundError, ValueError, AttributeError):
        return "", False


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause with the known names nearest to `name`, for the end of an error message."""
    names = list(known)
    close = get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(repr(n) for n in close)}?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"known are {shown}" if names else "nothing is known by any name here"


def counted(n: int, thing: str, things: str = "") -> str:
    """A number of things in words: "1 image", "1,200 images", "2 classes" (whose plural is `things`)."""
    return f"{n:,} {thing if n == 1 else things or f'{thing}s'}"


def listed(items: Iterable[object], most: int = 6) -> str:
    """Things in a row for a sentence, of which no more than `most` are shown: "a, b and 998 more"."""
    names = [str(item) for item in items]
    shown, rest = names[:most], len(names) - most
    return ", ".join(shown) + (f" and {rest:,} more" if rest > 0 else "")
