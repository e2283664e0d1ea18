"""Files from their official source: checksum, progress, and never a half file under the right name.

Not by pooch: it takes up no broken download either, and checksum, mirror and bar would need as many lines around it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from inceptionlab.data.progress import download_bar
from inceptionlab.errors import DataError


@dataclass(frozen=True, slots=True)
class Source:
    """A file to fetch: its name, the folder it stands in on the web, and its MD5 as its makers publish it."""

    file: str
    base: str
    md5: str


def fetch(source: Source, folder: Path, mirror: str | None = None) -> Path:
    """The path of the file in `folder`, downloaded if it is not there. `mirror` is another base address.

    Raises `DataError` where the address does not answer or the content has another checksum.
    """
    target = folder / source.file
    if target.exists():
        check(target, source.md5)
        return target
    folder.mkdir(parents=True, exist_ok=True)
    url = (mirror or source.base).rstrip("/") + "/" + source.file
    partial = target.with_suffix(target.suffix + ".part")
    try:
        _download(url, partial)
        check(partial, source.md5)
    except (URLError, OSError, TimeoutError) as error:
        partial.unlink(missing_ok=True)
        raise DataError(f"{url} could not be downloaded to {folder}: {error}") from None
    except DataError:
        partial.unlink(missing_ok=True)
        raise
    os.replace(partial, target)
    return target


def check(path: Path, md5: str) -> None:
    """Raise `DataError` unless the file has this MD5."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != md5:
        raise DataError(f"{path} has the checksum {found}, its makers publish {md5}; remove it to have it fetched anew")


def _download(url: str, path: Path) -> None:
    with urlopen(url, timeout=60) as reply, path.open("wb") as file, download_bar() as progress:
        size = reply.headers.get("Content-Length")
        task = progress.add_task(url.rpartition("/")[2], total=int(size) if size else None)
        while chunk := reply.read(1 << 20):
            file.write(chunk)
            progress.advance(task, len(chunk))
        file.flush()
        os.fsync(file.fileno())
