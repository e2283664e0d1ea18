"""Files of the web: taken up where a line was cut, checked, and never a half file under the right name.

Not by pooch, which begins a broken download anew and locks out no second process; proxies are those that the variables
`https_proxy`, `http_proxy` and `no_proxy` name.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import ssl
import tarfile
import time
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, cast
from urllib.error import HTTPError, URLError
from urllib.request import Request, build_opener

from inceptionlab.errors import DataError, StorageError

TRIES = 4
"""Attempts without a single new byte before a download is given up."""
PAUSE = 0.25
"""Seconds before the second attempt; doubled before each further one."""
TIMEOUT = 60.0
"""Seconds without a byte after which a line counts as cut."""
BUSY = (408, 429, 500, 502, 503, 504)
"""Answers of servers that may do better a moment later."""
LARGEST = 4 << 30
"""Bytes that a member of an archive may unpack to."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file of the web, or `member` of the archive that it is.

    `checksum` is "sha256:", "md5:" or "sha1:" and digits, of which the first may do, as its makers publish it ("": they
    publish none); it is that of the member where there is one. `token` is sent to this address alone, not to where it
    redirects.
    """

    url: str
    checksum: str = ""
    member: str = ""
    token: str = ""


def download(remote: Remote, target: Path) -> Path:
    """The file at `target`, fetched if it is not there; a second process waits for the first and finds it.

    What came before a line was cut is kept beside it and taken up by the next call. Raises `DataError` where the
    address does not answer, has no such file, or the content is another than published.
    """
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            if not target.is_file():
                _fetch_and_check(remote, target)
                return target
    check(target, remote.checksum)
    return target


def check(path: Path, checksum: str) -> None:
    """Raise `DataError` unless the file has this checksum, or it begins so; "" is not checked."""
    if not checksum:
        return
    kind, _, published = checksum.partition(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if not found.startswith(published):
        raise DataError(
            f"{path} has the checksum {found}, its makers publish {published}; remove it to have it fetched anew"
        )


@contextmanager
def _alone(target: Path) -> Generator[None]:
    """One process at a time; the lock's file goes with the last, which filelock's waiters notice."""
    from filelock import FileLock

    place = target.with_name(f".{target.name}.lock")
    with FileLock(place):
        try:
            yield
        finally:
            place.unlink(missing_ok=True)


def _fetch_and_check(remote: Remote, target: Path) -> None:
    partial = target.with_name(f".{target.name}.part")
    try:
        _fetch(remote, partial)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise StorageError(f"{partial} could not be written: the disk is full") from None
    try:
        whole = _unpacked(partial, remote.member) if remote.member else partial
        check(whole, remote.checksum)
        os.replace(whole, target)
    finally:
        for rest in (partial, _mark(partial)):
            rest.unlink(missing_ok=True)
        partial.with_suffix(".member").unlink(missing_ok=True)


def _fetch(remote: Remote, partial: Path) -> None:
    """The whole file at `partial`, in as many attempts as bring something new."""
    failures = 0
    while True:
        before = _size(partial)
        try:
            if _go_on(remote, partial):
                return
            problem = "the line was cut"
        except HTTPError as error:
            problem = _answered(remote, error, partial)
        except (URLError, HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
            problem = str(getattr(error, "reason", "") or error or repr(error))
        failures = 0 if _size(partial) > before else failures + 1
        if failures >= TRIES:
            raise DataError(f"{remote.url} could not be downloaded to {partial.parent}: {problem}{_kept(partial)}")
        time.sleep(PAUSE * 2**failures)


def _answered(remote: Remote, error: HTTPError, partial: Path) -> str:
    """What a server's refusal means. Raises `DataError` where asking again is useless."""
    error.close()
    if error.code == 416:  # there is no such part: what was kept is of another file
        partial.unlink(missing_ok=True)
    elif error.code in (401, 403) and remote.token:
        raise DataError(f"{remote.url} could not be downloaded: the token is refused ({error.code} {error.reason})")
    elif error.code not in BUSY:
        raise DataError(f"{remote.url} could not be downloaded: the server says {error.code} {error.reason}")
    return f"the server says {error.code} {error.reason}"


def _go_on(remote: Remote, partial: Path) -> bool:
    """Fetch what is missing of a file; whether it is whole then."""
    start, mark = _size(partial), _mark(partial)
    request = Request(remote.url, headers={"User-Agent": "inceptionlab", "Accept-Encoding": "identity"})
    if remote.token:
        request.add_unredirected_header("Authorization", f"Bearer {remote.token}")
    if start and mark.is_file():
        request.add_header("Range", f"bytes={start}-")
        request.add_header("If-Range", mark.read_text(encoding="ascii"))
    with cast(HTTPResponse, build_opener().open(request, timeout=TIMEOUT)) as reply:  # urlopen keeps the first proxies
        start = start if _continues(reply, start) else 0
        _remember(reply, mark)
        length = reply.headers.get("Content-Length")
        total = start + int(length) if length else None
        with partial.open("ab" if start else "wb") as file:
            _take(reply, file, remote.url.rpartition("/")[2], total)
            file.flush()
            os.fsync(file.fileno())
    return total is None or _size(partial) == total


def _take(reply: HTTPResponse, file: IO[bytes], name: str, total: int | None) -> None:
    """Write what comes, with a bar of bytes and their speed where somebody looks at the terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    hidden = not (console.is_terminal or console.is_jupyter)
    with Progress(*columns, console=console, disable=hidden) as progress:
        task = progress.add_task(name, total=total, completed=file.tell())
        while chunk := reply.read1(1 << 20):
            file.write(chunk)
            progress.advance(task, len(chunk))


def _continues(reply: HTTPResponse, start: int) -> bool:
    """Whether an answer is the rest of the file from `start` on, as asked, and not the whole of a newer one."""
    return reply.status == 206 and reply.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _remember(reply: HTTPResponse, mark: Path) -> None:
    """Keep what tells this version of the file from others; a file without it is not taken up again."""
    tag = reply.headers.get("ETag", "")
    version = tag if tag and not tag.startswith("W/") else reply.headers.get("Last-Modified", "")
    mark.write_text(version, encoding="ascii") if version else mark.unlink(missing_ok=True)


def _unpacked(archive: Path, member: str) -> Path:
    """One file of a .zip or .tar archive, beside it. Raises `DataError` where it has none of that name."""
    place = archive.with_suffix(".member")
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                _copy(zipped.open(member), zipped.getinfo(member).file_size, place)
        else:
            with tarfile.open(archive) as tarred:
                found = next(one for one in tarred if one.isreg() and Path(one.name).name == member)
                _copy(tarred.extractfile(found), found.size, place)
    except (KeyError, StopIteration, tarfile.TarError, zipfile.BadZipFile, EOFError):
        raise DataError(f"what was downloaded is no archive that holds {member}") from None
    return place


def _copy(source: IO[bytes] | None, size: int, place: Path) -> None:
    if source is None or size > LARGEST:
        raise DataError(f"a member of the archive says it has {size:,} bytes; at most {LARGEST:,} are unpacked")
    with source, place.open("wb") as file:
        shutil.copyfileobj(source, file)


def _kept(partial: Path) -> str:
    return f" ({_size(partial):,} bytes are kept for the next time)" if _size(partial) else ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _mark(partial: Path) -> Path:
    """Where the version of a partial file is kept."""
    return partial.with_suffix(".version")
