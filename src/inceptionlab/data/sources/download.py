"""Files of data sets from their official source, with the checksum that their makers publish."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from inceptionlab import downloading
from inceptionlab.downloading import Remote


@dataclass(frozen=True, slots=True)
class Source:
    """A file to fetch: its name, the folder it stands in on the web, and its MD5 as its makers publish it."""

    file: str
    base: str
    md5: str


def fetch(source: Source, folder: Path, mirror: str | None = None) -> Path:
    """The path of the file in `folder`, downloaded if it is not there. `mirror`, or the variable
    INCEPTIONLAB_MIRROR, is another base address, under which all files stand by their names.

    Raises `DataError` where the address does not answer or the content has another checksum.
    """
    url = (mirror or os.environ.get("INCEPTIONLAB_MIRROR") or source.base).rstrip("/") + "/" + source.file
    return downloading.download(Remote(url, f"md5:{source.md5}"), folder / source.file)


def check(path: Path, md5: str) -> None:
    """Raise `DataError` unless the file has this MD5."""
    downloading.check(path, f"md5:{md5}")
