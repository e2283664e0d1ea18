"""Keras files: .keras, .weights.h5 and the older .h5, read through h5py."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from inceptionlab.errors import DataError
from inceptionlab.weights.readers.layout import as_torch

LARGEST = 4 << 30
_ORDER = {  # Keras 3 stores the variables of a layer by position
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
}  # fmt: skip


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a Keras file as `layer.weight` and so on, in torch's layout; nothing is unpacked to disk.

    Raises `DataError` for links to other files, for sizes beyond 4 GB and for what holds no layers.
    """
    h5py: Any = import_module("h5py")
    with h5py.File(_weights_of(path) if zipfile.is_zipfile(path) else path, "r") as file:
        root: Any = file.get("model_weights", file)
        found = _by_position(path, root["layers"]) if "layers" in root else _by_name(path, root)
        state: dict[str, Tensor] = {}
        size = 0
        for layer, leaf, data in found:
            size += _bytes(path, data)
            name, value = as_torch(leaf, np.asarray(data))
            state[f"{layer}.{name}"] = value
    if not state:
        raise DataError(f"{path} holds no layers of Keras")
    return state


def _weights_of(path: Path) -> io.BytesIO:
    """The HDF5 file inside a .keras archive."""
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("model.weights.h5")
        if member.file_size > LARGEST:
            raise DataError(f"{path} would unpack to {member.file_size:,} bytes, more than {LARGEST:,}")
        with archive.open(member) as file:
            return io.BytesIO(file.read(LARGEST))


def _by_name(path: Path, root: Any) -> Iterator[tuple[str, str, Any]]:
    """Layer, variable and dataset in a file that names its variables (`conv2d_1/kernel:0`)."""
    for layer in _groups(path, root):
        for name in root[layer].attrs.get("weight_names", ()):
            text = name.decode() if isinstance(name, bytes) else str(name)
            yield layer, text.rpartition("/")[2].partition(":")[0], _dataset(path, root[layer], text)


def _by_position(path: Path, layers: Any) -> Iterator[tuple[str, str, Any]]:
    """The same in a file of Keras 3, where a layer's own name is an attribute and its variables are numbered."""
    for group in _groups(path, layers):
        variables = layers[group].get("vars", {})
        if not len(variables):
            continue
        name = variables.attrs.get("name")
        if name is None:
            raise DataError(f"{path} does not say how its layers are called; save the model as .h5 instead")
        kind = next((kind for kind in _ORDER if group.startswith(kind)), "")
        leaves = _ORDER.get(kind, ("kernel", "bias"))
        for place, leaf in enumerate(leaves[-len(variables) :] if kind == "batch_normalization" else leaves):
            if str(place) in variables:
                yield str(name), leaf, _dataset(path, variables, str(place))


def _groups(path: Path, root: Any) -> Iterator[str]:
    for name in root:
        _check_link(path, root, name)
        if hasattr(root[name], "keys"):
            yield name


def _dataset(path: Path, group: Any, name: str) -> Any:
    """A dataset below a group, every step of the way inside of this file."""
    for part in name.split("/")[:-1]:
        _check_link(path, group, part)
        group = group[part]
    _check_link(path, group, name.rpartition("/")[2])
    data = group[name.rpartition("/")[2]]
    if data.dtype.kind != "f" or data.external or data.is_virtual:
        raise DataError(f"{path}: {data.name} is not an array of numbers inside of this file")
    return data


def _check_link(path: Path, group: Any, name: str) -> None:
    h5py: Any = import_module("h5py")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise DataError(f"{path}: {name!r} is a link; a file of weights has its arrays inside")


def _bytes(path: Path, data: Any) -> int:
    if data.nbytes > LARGEST or data.nbytes > 1000 * max(1, data.id.get_storage_size()):
        raise DataError(f"{path}: {data.name} says it has {data.nbytes:,} bytes, which it has not")
    return int(data.nbytes)
