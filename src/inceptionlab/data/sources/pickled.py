"""Arrays and lists from a pickle: nothing that it names is run, and it takes little more memory than it has bytes."""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any, cast

import numpy as np

from inceptionlab.errors import DataError

MEMO = {"PUT", "BINPUT", "LONG_BINPUT"}


def read_plain_pickle(data: bytes) -> Any:
    """What a pickle of dictionaries, lists, numbers, texts and numpy arrays holds.

    Raises `DataError` for one that names anything else, and whatever `pickle` raises for one that is none.
    """
    for code, argument, _ in pickletools.genops(data):
        if code.name in MEMO and int(cast(int, argument)) > len(
            data
        ):  # the unpickler makes a table as long as this number
            raise DataError("a pickle in the archive asks for more memory than a CIFAR file takes")
    return _ArraysOnly(io.BytesIO(data), encoding="latin1").load()


class _ArraysOnly(pickle.Unpickler):
    """Refuses a pickle that names anything but arrays, which begin empty whatever shape it asks for."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {"_reconstruct": _empty, "ndarray": _Array, "dtype": np.dtype}
        if module.partition(".")[0] == "numpy" and name in allowed:
            return allowed[name]
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        raise DataError(f"the pickle in the archive asks for {module}.{name}, which is not part of a CIFAR file")


class _Array:
    """Stands for the class of arrays, which `_reconstruct` is given and nothing else may call."""

    def __init__(self) -> None:
        raise DataError("the pickle in the archive makes an array in a way that is not a CIFAR file's")


def _empty(kind: type, shape: object, code: object) -> np.ndarray:
    """What `numpy._reconstruct` gives: an array that the state behind it in the pickle fills."""
    return np.empty(0, np.uint8)


def _latin1(text: str, encoding: str) -> bytes:
    """How the second protocol writes bytes."""
    return text.encode("latin1")
