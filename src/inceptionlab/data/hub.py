"""Data sets of the Hugging Face hub, or of a folder in its layouts, as `hf:NAME`: pictures stay encoded in Arrow files
that are mapped into memory, and each is decoded when it is first asked for.
"""

from __future__ import annotations

import io
from importlib import import_module
from typing import Any

import numpy as np
import torch

from inceptionlab.data.cache import cache_folder
from inceptionlab.data.disk import disk_images
from inceptionlab.data.folder import TEST_FRACTION, divided, stored_pixels, stored_size
from inceptionlab.data.store import DataSet, Pictures
from inceptionlab.errors import DataError
from inceptionlab.network import Input

PREFIX = "hf:"


def load(name: str, picture: Input, seed: int = 0) -> DataSet:
    """The data set `hf:NAME` or `hf:NAME:CONFIGURATION`, at the size of the network's resize.

    Its "test" split is the test set, or else "validation"; with "train" alone 20 % are split off by `seed`. Raises
    `DataError` where `datasets` is not installed, the set is not found, or it has no column of pictures or of labels.
    """
    try:
        library: Any = import_module("datasets")
    except ImportError:
        raise DataError("data sets of the hub need an extra: pip install 'inceptionlab[hub]'") from None
    path, _, configuration = name.removeprefix(PREFIX).partition(":")
    try:
        found: Any = library.load_dataset(path, configuration or None)
    except Exception as error:  # the library raises whatever its parts do
        raise DataError(f"the data set {name} cannot be loaded: {str(error).splitlines()[0]}") from None
    parts = {split: _pictures(name, library, found[split], picture) for split in found}
    short = path.rstrip("/").rpartition("/")[2]
    if "train" not in parts:
        raise DataError(f"{name} has the splits {', '.join(parts)}; it needs one called train")
    train, test = parts["train"], parts.get("test") or parts.get("validation")
    if test is None:
        train, test = divided(train, seed)
        return DataSet(short, train, test, note=f"test: {TEST_FRACTION:.0%} of train by seed {seed}")
    validation = parts.get("validation") if "test" in parts else None
    return DataSet(short, train, test, validation, note=f"splits as found: {', '.join(parts)}")


def _pictures(name: str, library: Any, rows: Any, picture: Input) -> Pictures:
    """One split, its pictures on disk."""
    column, label = _columns(name, library, rows.features)
    encoded = rows.cast_column(column, library.Image(decode=False))
    size = stored_size(picture)

    def decoded(number: int) -> np.ndarray:
        cell, where = encoded[number][column], f"picture {number} of {name}"
        source = io.BytesIO(cell["bytes"]) if cell["bytes"] is not None else cell["path"]
        return stored_pixels(source, where, picture)

    settings = [*size, picture.channels, picture.interpolation]
    identity = "-".join(map(str, [rows._fingerprint, *settings]))
    images = disk_images(cache_folder() / "decoded" / identity, len(rows), (*size, picture.channels), decoded, identity)
    labels = torch.tensor(rows[label][:])
    return Pictures(images, labels, tuple(rows.features[label].names))


def _columns(name: str, library: Any, features: Any) -> tuple[str, str]:
    """The columns of pictures and of labels."""
    pictures = [key for key, kind in features.items() if isinstance(kind, library.Image)]
    labels = [key for key, kind in features.items() if isinstance(kind, library.ClassLabel)]
    if not pictures or not labels:
        missing = "pictures" if not pictures else "class labels"
        raise DataError(f"{name} has the columns {', '.join(features)} and none of {missing}")
    return pictures[0], labels[0]
