"""TensorFlow checkpoints of both formats, read through tensorflow."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor

from inceptionlab.errors import DataError, MissingExtra
from inceptionlab.weights.readers.layout import as_torch, known


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint (`model.ckpt`, or the prefix or .index of one in parts) with dots for slashes.

    Raises `MissingExtra` where tensorflow is missing (extra `tf`), `DataError` where the file holds no weights.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        tensorflow: Any = import_module("tensorflow")
    except ModuleNotFoundError:
        raise MissingExtra(f"tensorflow, which reads {path},", "tf") from None
    reader: Any = tensorflow.train.load_checkpoint(str(path.with_suffix("") if path.suffix == ".index" else path))
    state: dict[str, Tensor] = {}
    names: list[str] = list(reader.get_variable_to_shape_map())
    for name in names:
        scope, _, leaf = name.rpartition("/")
        if known(leaf):
            torch_leaf, value = as_torch(leaf, reader.get_tensor(name))
            norm = leaf in ("gamma", "beta") or leaf.startswith("moving")
            layer = scope.removesuffix("/BatchNorm") + ("/norm" if norm else "")
            state[f"{layer}/{torch_leaf}".replace("/", ".")] = value
    if not state:
        raise DataError(f"{path} holds no weights of TF-slim")
    return state
