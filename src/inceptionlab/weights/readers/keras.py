"""Keras files: .keras, .weights.h5 and the older .h5, read through h5py."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
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
    """The tensors of a Keras file as `layer.weight` and so on, in torch's layout; nothing is unpacked to disk. A model
    that is a layer of another gives `model.layer.weight`.

    Raises `DataError` for links to other files, for sizes beyond 4 GB and for what holds no layers.
    """
    h5py: Any = import_module("h5py")
    with h5py.File(_weights_of(path) if zipfile.is_zipfile(path) else path, "r") as file:
        root: Any = file.get("model_weights", file)
        found = _by_position(path, root["layers"], _config_of(path)) if "layers" in root else _by_name(path, root)
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


def _config_of(path: Path) -> dict[str, Any]:
    """What a .keras archive says of its model; empty for other files."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo("config.json").file_size > LARGEST >> 6:
            raise DataError(f"{path}: its config.json is too large to be that of a model")
        return json.loads(archive.read("config.json"))


def _by_name(path: Path, root: Any) -> Iterator[tuple[str, str, Any]]:
    """Layer, variable and dataset in a file that names its variables (`conv2d_1/kernel:0`)."""
    for group in _groups(path, root):
        given = root[group].attrs.get("weight_names", ())
        texts = [name.decode() if isinstance(name, bytes) else str(name) for name in given]
        layers = [text.rpartition("/")[0].rpartition("/")[2] for text in texts]
        nested = len(set(layers)) > 1
        for text, layer in zip(texts, layers, strict=True):
            leaf = text.rpartition("/")[2].partition(":")[0]
            yield f"{group}.{layer}" if nested else group, leaf, _dataset(path, root[group], text)


def _by_position(path: Path, layers: Any, config: dict[str, Any], before: str = "") -> Iterator[tuple[str, str, Any]]:
    """The same in a file of Keras 3, where variables are numbered and a layer's own name is an attribute, or, in older
    ones, stands in the archive's config alone.
    """
    said = _named_in(config)
    for group in _groups(path, layers):
        variables = layers[group].get("vars", {})
        inner = layers[group].get("layers")
        of_group = said.get(group, {})
        name = getattr(variables, "attrs", {}).get("name") or of_group.get("name") or (group if inner else None)
        if inner is not None:
            yield from _by_position(path, inner, of_group, f"{before}{name}.")
        if not len(variables):
            continue
        if name is None:
            raise DataError(f"{path} does not say how its layers are called; save the model as .h5 instead")
        kind = next((kind for kind in _ORDER if group.startswith(kind)), "")
        leaves = _ORDER.get(kind, ("kernel", "bias"))
        for place, leaf in enumerate(leaves[-len(variables) :] if kind == "batch_normalization" else leaves):
            if str(place) in variables:
                yield f"{before}{name}", leaf, _dataset(path, variables, str(place))


def _named_in(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The layers of a model's config by the groups that hold them: a layer's class in snake case, counted."""
    counts: Counter[str] = Counter()
    found: dict[str, dict[str, Any]] = {}
    for layer in config.get("config", {}).get("layers", ()):
        kind = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", layer["class_name"])
        kind = re.sub("([a-z])([A-Z])", r"\1_\2", kind).lower()
        found[f"{kind}_{counts[kind]}" if counts[kind] else kind] = layer | {"name": layer["config"].get("name")}
        counts[kind] += 1
    return found


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
