"""Files of ours: whole or not there, written beside their place, synced and renamed; and the user's cache."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from inceptionlab.errors import DataError, InceptionLabError, StorageError

if TYPE_CHECKING:
    from torch import Tensor

ABOUT = "inceptionlab"
"""The one key of a safetensors file's metadata, a JSON object: safetensors writes several keys in random order."""

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_CODES = {"torch.float32": "F32", "torch.float64": "F64", "torch.float16": "F16", "torch.bfloat16": "BF16",
          "torch.int64": "I64", "torch.int32": "I32", "torch.uint8": "U8", "torch.bool": "BOOL"}  # fmt: skip


def write(path: Path, content: bytes | str) -> None:
    """Write a file so that a killed process leaves the old content or the new one.

    Raises `StorageError` where the disk is full; what stood there before is kept.
    """
    _write_parts(path, [content.encode() if isinstance(content, str) else content])


def _write_parts(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file from its parts, of which no more than one is held."""
    with file_in_place(path) as file:
        for part in parts:
            file.write(part)


@contextmanager
def file_in_place(path: Path) -> Generator[BinaryIO]:
    """A file beside `path` to fill, which becomes `path` at the end of the block. A device or a pipe at its place is
    written to: a rename would put a file in the place of /dev/null. Raises `StorageError` where the disk is full, and
    what the block raises; what stood there before is kept.
    """
    partial, size = path.with_name(f".{path.name}.{os.getpid()}.part"), 0
    straight = path.exists() and not (path.is_file() or path.is_dir())
    try:
        with (path if straight else partial).open("wb") as file:
            try:
                yield file
                file.flush()
            finally:
                size = 0 if straight else file.tell()
            if not straight:
                os.fsync(file.fileno())
        if not straight:
            os.replace(partial, path)
    except OSError as error:
        raise StorageError(f"{path} could not be written ({size:,} bytes): {_why(error, path)}") from None
    finally:
        if not straight:
            with suppress(OSError):
                partial.unlink()


def _why(error: OSError, path: Path) -> str:
    """Why a file could not be written, without the name of its part."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    why = "the disk is full" if error.errno in _FULL else error.strerror or str(error)
    return f"{why}; what was there is kept"


def write_first(path: Path, content: str) -> None:
    """Write a file, whole, that stays as it is where another process was quicker."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.new")
    write(partial, content)
    try:
        os.link(partial, path)
    except FileExistsError:
        pass
    finally:
        partial.unlink(missing_ok=True)


def append(path: Path, line: str) -> None:
    """Add a line to a text file and wait until it is on the disk; of a killed process it may be there in part, without
    the line break at its end. Raises `StorageError` where the disk is full.
    """
    try:
        with path.open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(f"{path} could not be written: {_why(error, path)}") from None


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people and programs."""
    write(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_text(path: Path) -> str:
    """A text of ours, in UTF-8. Raises `StorageError` where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def read_json(path: Path) -> Any:
    """A JSON file of ours. Raises `StorageError` where it cannot be read."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{path} is not JSON: {error}") from None


@contextmanager
def folder_in_place(folder: Path) -> Generator[Path]:
    """A folder beside `folder` to fill, which becomes `folder` at the end of the block; where another process was
    quicker, its folder stays. Raises what the block raises, and `OSError` where nothing can be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
    try:
        yield partial
        try:
            os.rename(partial, folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any] | None = None) -> None:
    """Write tensors by name as safetensors; `about` is what the file says of itself. Equal content, equal bytes."""
    from safetensors.torch import save

    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = {ABOUT: json.dumps(dict(about), ensure_ascii=False, sort_keys=True)} if about else {"format": "pt"}
    write(path, save(plain, metadata))


def write_each_tensor(
    path: Path, like: Mapping[str, Tensor], get: Callable[[str], Tensor], about: Mapping[str, Any]
) -> None:
    """Write safetensors of which no more than one is held: those that `get` gives by name, each of the shape and type
    that it has in `like`. The library's own writer takes all of them at once.
    """
    import torch

    names = in_order(like)
    header: dict[str, Any] = {"__metadata__": {ABOUT: json.dumps(dict(about), ensure_ascii=False, sort_keys=True)}}
    end = 0
    for name in names:
        start, end = end, end + like[name].numel() * like[name].element_size()
        header[name] = {"dtype": _CODES[str(like[name].dtype)], "shape": [*like[name].shape],
                        "data_offsets": [start, end]}  # fmt: skip
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)

    def parts() -> Iterator[bytes | memoryview]:
        yield len(text).to_bytes(8, "little") + text
        for name in names:
            yield get(name).detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data

    _write_parts(path, parts())


def in_order(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names in the order of `write_each_tensor`, in which each tensor lies at its alignment."""
    return sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))


def read_tensors(path: Path, error: type[InceptionLabError] = DataError) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name. Raises `error` where the file is not whole."""
    from safetensors import SafetensorError
    from safetensors import torch as library

    try:
        return cast(Any, library).load_file(path)
    except (SafetensorError, OSError) as problem:
        raise error(f"{path} cannot be read as weights: {problem}") from None


def read_about(path: Path, error: type[InceptionLabError] = DataError) -> dict[str, Any]:
    """What a safetensors file of ours says of itself; empty for another's. Raises `error` where it is not whole."""
    from safetensors import SafetensorError, safe_open

    try:
        with cast(Any, safe_open)(str(path), "pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
        found: Any = json.loads(metadata.get(ABOUT, "{}"))
    except (SafetensorError, OSError, ValueError) as problem:
        raise error(f"{path} cannot be read as weights: {problem}") from None
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def cache_folder(*parts: str) -> Path:
    """A folder in the user's cache: in `INCEPTIONLAB_HOME`, or where the system keeps caches. It may not exist."""
    from platformdirs import user_cache_path

    home = os.environ.get("INCEPTIONLAB_HOME")
    return (Path(home) if home else user_cache_path("inceptionlab", appauthor=False)).joinpath(*parts)
