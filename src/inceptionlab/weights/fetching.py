"""Published weights as files: fetched into the user's cache when they are first asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from socket import getaddrinfo
from typing import Any, TypeGuard
from urllib.parse import urlsplit
from urllib.request import getproxies

from inceptionlab.downloading import Remote, check, download
from inceptionlab.errors import ConfigError, DataError, MissingExtra
from inceptionlab.storage import cache_folder
from inceptionlab.zoo.published import HUB, Published, is_published


def weights_file(row: Published) -> Path:
    """The file of published weights, downloaded if it is not in the cache (`INCEPTIONLAB_HOME`, or the system's place).

    What torch.hub or Keras have downloaded is used where its checksum is right. `INCEPTIONLAB_MIRROR` is an address
    under which all files stand by their names; `HF_ENDPOINT` is another hub, and `HF_TOKEN` is sent to it. Raises
    `DataError` where it cannot be had or is another than published, saying what to put where by hand.
    """
    target = cache_folder("weights", row.name.partition("/")[0], row.file)
    if not target.is_file() and (known := _of_another_program(row)):
        return known
    mirror = os.environ.get("INCEPTIONLAB_MIRROR", "").rstrip("/")
    try:
        if mirror and not target.is_file():
            name = row.file if row.url.startswith(HUB) else row.url.rpartition("/")[2]
            return download(Remote(f"{mirror}/{name}", row.checksum, row.member), target)
        if row.url.startswith(HUB) and not target.is_file():
            return _from_hub(row, target)
        return download(Remote(row.url, row.checksum, row.member), target)
    except DataError as error:
        if target.is_file():
            raise
        raise DataError(f"{error}; {_by_hand(row, target)}") from None


def _of_another_program(row: Published) -> Path | None:
    """The file in the cache of torch.hub or Keras, None where it is not there or not known to be the same."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    torch_home = Path(os.environ.get("TORCH_HOME") or caches / "torch")
    for folder in (torch_home / "hub" / "checkpoints", Path.home() / ".keras" / "models"):
        try:
            if row.checksum and (folder / row.file).is_file():
                check(folder / row.file, row.checksum)
                return folder / row.file
        except (DataError, OSError):
            continue
    return None


def is_remote(text: object) -> TypeGuard[str | Path]:
    """Whether a text, or a path made of one, is the name of weights elsewhere: NAME@WEIGHTS or hf:OWNER/NAME."""
    return is_published(text) or (isinstance(text, str | Path) and str(text).startswith(HUB))


def hub_endpoint() -> str:
    """The address of the Hugging Face hub, or of the one in its place."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _address(row: Published) -> str:
    """The address of a row's file, for people too."""
    if not row.url.startswith(HUB):
        return row.url
    owner, name, file = row.url.removeprefix(HUB).split("/")
    return f"{hub_endpoint()}/{owner}/{name}/resolve/main/{file}"


def _from_hub(row: Published, target: Path) -> Path:
    """A file of the hub by its own library, whose cache other programs share; without it, from its address."""
    owner, name, file = row.url.removeprefix(HUB).split("/")
    try:
        found = _hub_file(hub_library(), f"{owner}/{name}", file)
    except MissingExtra:
        return download(Remote(_address(row), row.checksum, token=os.environ.get("HF_TOKEN", "")), target)
    check(found, row.checksum)
    return found


def hub_library() -> Any:
    """huggingface_hub. Raises `MissingExtra` where it is not installed."""
    try:
        return import_module("huggingface_hub")
    except ImportError:
        raise MissingExtra("huggingface_hub, which the Hugging Face hub is reached by,", "hub") from None


def hub_name(text: str) -> str:
    """OWNER/NAME of a text hf:OWNER/NAME. Raises `ConfigError` for another."""
    name = text.removeprefix(HUB)
    if not text.startswith(HUB) or not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ConfigError(f"{text!r} is no repository of the hub; write hf:OWNER/NAME")
    return name


def hub_folder(text: str, files: Sequence[str]) -> Path:
    """A folder with files of the repository hf:OWNER/NAME, from the hub or its library's cache.

    Raises `MissingExtra` without that library, `DataError` where a file cannot be had.
    """
    name, library = hub_name(text), hub_library()
    return [_hub_file(library, name, file) for file in files][-1].parent


def _hub_file(library: Any, name: str, file: str) -> Path:
    token, out_of_reach = os.environ.get("HF_TOKEN") or None, _out_of_reach(hub_endpoint())
    try:
        return Path(
            library.hf_hub_download(
                name, file, endpoint=hub_endpoint(), token=token, local_files_only=bool(out_of_reach)
            )
        )
    except Exception as error:  # the library raises whatever its parts do
        address = f"{hub_endpoint()}/{name}/resolve/main/{file}"
        raise DataError(f"{address} could not be downloaded: {out_of_reach or _why(error)}") from None


def _why(error: BaseException) -> str:
    """The first line of an error; where the library only says that it found nothing here either, of what caused it."""
    while type(error).__name__ == "LocalEntryNotFoundError" and error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or repr(error)).splitlines()[0].rstrip(".;")


def _out_of_reach(address: str) -> str:
    """Why an address leads nowhere, or "": the hub's library asks for a host that has no address for a minute. A proxy
    looks hosts up itself.
    """
    host = urlsplit(address).hostname or ""
    if not {"http", "https", "all"} & getproxies().keys():
        try:
            getaddrinfo(host, None)
        except OSError:
            return f"there is no way to {host}"
    return ""


def _by_hand(row: Published, target: Path) -> str:
    """What to do where there is no network."""
    size = f" ({row.megabytes:g} MB)" if row.megabytes else ""
    what = f"{row.member} of {_address(row)}{size}" if row.member else f"{_address(row)}{size}"
    return f"where there is no network, fetch {what} elsewhere and put it at {target}"
