"""Embeddings in files: .npz for NumPy, .safetensors, and Parquet for tables. Each holds `features` and `names`, and
says of itself what the features are of; those of other programs need not.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float32

from inceptionlab.decoding import decode, fit
from inceptionlab.embedding.records import ROWS, Embeddings, Origin, first_not_finite, mapped
from inceptionlab.errors import ConfigError, DataError, MissingExtra, counted
from inceptionlab.storage import ABOUT, file_in_place, read_about, read_tensors, write_each_tensor

FEATURES, NAMES = "features", "names"
Read = tuple[Float32[np.ndarray, "n d"], Sequence[str], str]
"""Features, names, and the JSON of what they are of, "" for none."""


def save_embeddings(found: Embeddings, path: Path | str) -> None:
    """Write features with their names and what they are of: .npz, .safetensors or .parquet, by the ending.

    Raises `ConfigError` for another ending, `StorageError` where the file cannot be written.
    """
    place = Path(path)
    _, write = FORMATS[ending_of(place)]
    write(place, found, json.dumps(asdict(found.origin)) if found.origin else "")


def read_embeddings(path: Path | str) -> Embeddings:
    """The features of a file that `save_embeddings` wrote, or of another with `features` n x d and `names`.

    They are mapped, not read, except from Parquet and compressed .npz files. Raises `DataError` for a file that is no
    such table or holds values that are not finite, `ConfigError` for another ending.
    """
    place = Path(path)
    read, _ = FORMATS[ending_of(place)]
    if not place.is_file():
        raise DataError(f"there is no file {path}")
    features, names, about = read(place)
    if features.ndim != 2 or features.dtype.kind != "f" or len(names) != len(features):
        shape = "x".join(map(str, features.shape))
        raise DataError(f"{path} holds features {shape} of {features.dtype} and {counted(len(names), 'name')}; a table "
                        "of features is n x d numbers and n names")  # fmt: skip
    plain = features if features.dtype == np.float32 else features.astype(np.float32)
    wrong = first_not_finite(plain)
    if wrong is not None:
        raise DataError(f"{path}: the features of {names[wrong]} are not finite; compute them again")
    return Embeddings(plain, tuple(map(str, names)), _origin(about, place))


def is_embeddings(path: Path) -> bool:
    """Whether this is a file of features; a Parquet file may hold images instead."""
    if path.suffix.lower() != ".parquet":
        return path.suffix.lower() in FORMATS
    try:
        return path.is_file() and FEATURES in _parquet_library().ParquetFile(path).schema_arrow.names
    except ValueError:  # ArrowInvalid; whoever reads its images says so
        return False


def ending_of(path: Path) -> str:
    """The ending of a file of features. Raises `ConfigError` for another."""
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"{path} would hold features; give a name that ends in {', '.join(FORMATS)}")
    return path.suffix.lower()


def _origin(about: str, path: Path) -> Origin | None:
    try:
        values: object = json.loads(about or "null")
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} says of its features what is no JSON: {error}") from None
    return None if values is None else decode(Origin, values, f"{path}: what its features are of", DataError)


def _read_npz(path: Path) -> Read:
    try:
        with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as file:
            if not {FEATURES, NAMES} <= set(file.files):
                raise DataError(f"{path} holds {', '.join(file.files)}; a table of features has 'features' and 'names'")
            stored = _mapped_member(path, archive.getinfo(f"{FEATURES}.npy"))
            features = cast(np.ndarray, file[FEATURES]) if stored is None else stored
            return features, cast(list[str], file[NAMES].tolist()), str(file[ABOUT]) if ABOUT in file else ""
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read as .npz: {error}") from None


def _mapped_member(path: Path, member: zipfile.ZipInfo) -> np.ndarray | None:
    """An array that lies in an archive as it is, mapped; None for a compressed one."""
    if member.compress_type != zipfile.ZIP_STORED:
        return None
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        lengths = [int.from_bytes(file.read(2), "little") for _ in range(2)]  # of the name and of what is extra
        file.seek(sum(lengths), 1)
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, turned, dtype = header(file)
        if turned or dtype.hasobject or 0 in shape:
            return None
        return np.memmap(path, dtype, "c", file.tell(), shape)


def _write_npz(path: Path, found: Embeddings, about: str) -> None:
    says = {ABOUT: np.array(about)} if about else {}
    with file_in_place(path) as file:
        np.savez(file, allow_pickle=False, **{FEATURES: found.features, NAMES: np.array(found.where, str)}, **says)


def _read_safetensors(path: Path) -> Read:
    tensors, about = read_tensors(path), read_about(path)
    if not {FEATURES, NAMES} <= tensors.keys():
        raise DataError(f"{path} holds {', '.join(list(tensors)[:6])}; a table of features has 'features' and 'names'")
    try:
        names = fit(json.loads(tensors[NAMES].numpy().tobytes()), tuple[str, ...], NAMES, DataError)
    except ValueError:  # a DataError is one too
        raise DataError(f"{path}: its 'names' are no JSON array of texts in UTF-8") from None
    return tensors[FEATURES].numpy(), names, json.dumps(about) if about else ""


def _write_safetensors(path: Path, found: Embeddings, about: str) -> None:
    names = np.frombuffer(json.dumps(found.where, ensure_ascii=False).encode(), np.uint8).copy()
    tensors = {FEATURES: torch.from_numpy(found.features), NAMES: torch.from_numpy(names)}
    write_each_tensor(path, tensors, tensors.__getitem__, json.loads(about) if about else {})


def _parquet_library() -> Any:
    try:
        return import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtra("PyArrow, which reads and writes Parquet files,", "parquet") from None


def _read_parquet(path: Path) -> Read:
    library = _parquet_library()
    try:
        file: Any = library.ParquetFile(path)
        schema = file.schema_arrow
        if not {FEATURES, NAMES} <= set(schema.names):
            raise DataError(f"{path} has the columns {', '.join(schema.names)}; a table of features has 'features' and "
                            "'names'")  # fmt: skip
        names: list[str] = file.read(columns=[NAMES]).column(0).to_pylist()
        parts = _parts_of(file)
        first = next(parts, np.zeros((0, 0), np.float32))
        features = mapped(_chained(first, parts), (len(names), first.shape[1]))
        about = cast(dict[bytes, bytes], schema.metadata or {}).get(ABOUT.encode(), b"")
    except (ValueError, OSError, NotImplementedError, AttributeError) as error:  # ArrowInvalid is a ValueError
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read as a table of features: {error}") from None
    return features, names, about.decode()


def _chained(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest


def _parts_of(file: Any) -> Iterator[Float32[np.ndarray, "m d"]]:
    """The features of a Parquet file, a group of rows at a time: `iter_batches` would keep what it has read."""
    for group in range(file.num_row_groups):
        for chunk in file.read_row_group(group, columns=[FEATURES]).column(0).chunks:
            if len(chunk.value_lengths().unique()) != 1 or chunk.null_count:
                raise ValueError("its rows differ in how many features they have")
            flat: np.ndarray = chunk.flatten().to_numpy(zero_copy_only=False)
            yield flat.reshape(len(chunk), -1).astype(np.float32, copy=False)


def _write_parquet(path: Path, found: Embeddings, about: str) -> None:
    library, arrow = _parquet_library(), cast(Any, import_module("pyarrow"))
    width = found.features.shape[1]
    fields = [(NAMES, arrow.string()), (FEATURES, arrow.list_(arrow.float32(), width))]
    schema = arrow.schema(fields, {ABOUT: about} if about else None)
    with file_in_place(path) as file, library.ParquetWriter(file, schema) as writer:
        for start in range(0, len(found), ROWS):
            rows = np.ascontiguousarray(found.features[start : start + ROWS])
            lists = arrow.FixedSizeListArray.from_arrays(arrow.array(rows.ravel()), width)
            names = arrow.array(found.where[start : start + ROWS], arrow.string())
            writer.write_table(arrow.table([names, lists], schema=schema))  # a group of rows, which is read at once


FORMATS: dict[str, tuple[Callable[[Path], Read], Callable[[Path, Embeddings, str], None]]] = {
    ".npz": (_read_npz, _write_npz),
    ".safetensors": (_read_safetensors, _write_safetensors),
    ".parquet": (_read_parquet, _write_parquet),
}
"""What reads and what writes a file, by its ending."""
