"""Data sets by name, found in a folder of the user's, in `INCEPTIONLAB_DATA`, in Debian's place, or downloaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image

from inceptionlab.data.dataset import DataSet, array_set
from inceptionlab.data.sources import cifar, folder, hub, idx
from inceptionlab.data.split import stratified
from inceptionlab.errors import DataError, nearest
from inceptionlab.spec.network import Input
from inceptionlab.storage import cache_folder

NAMES = ("digits", "cifar10", "cifar100", "fashion_mnist", "mnist")


def load_data(
    name: str, picture: Input | None = None, data_dir: Path | None = None, mirror: str | None = None
) -> DataSet:
    """A data set by name, one of the hub ("hf:NAME", "stream:NAME"), or a folder of pictures by path.

    The last two are read for the input `picture`. Named sets are looked for in `data_dir`, in the folder that
    INCEPTIONLAB_DATA names and in Debian's place, and else downloaded to `data_dir` or the user's cache. Raises
    `DataError` where nothing can be read.
    """
    path = Path(name)
    if name == "digits":
        return digits()
    if name.startswith(hub.PREFIXES):
        return hub.load(name, picture or Input())
    folders = [data_dir] if data_dir else []
    if os.environ.get("INCEPTIONLAB_DATA"):
        folders.append(Path(os.environ["INCEPTIONLAB_DATA"]))
    cache = data_dir or cache_folder()
    if name in cifar.LAYOUTS:
        return cifar.load(name, folders, cache, mirror)
    if name in idx.CLASSES:
        return idx.load(name, folders, cache, mirror)
    for candidate in (path, *(place / name for place in folders)):
        if candidate.is_dir():
            return folder.load(candidate, picture or Input())
    if path.exists():
        raise DataError(f"{name} is a file; give a folder of pictures or one of {', '.join(NAMES)}")
    raise DataError(f"there is no data set and no folder {name!r}; {nearest(name, NAMES)}")


def digits() -> DataSet:
    """The 1,797 scans of handwritten digits that scikit-learn ships, resized to 32x32; 20 % are the test set."""
    from sklearn import datasets

    scans, labels = cast(Any, datasets).load_digits(return_X_y=True)
    small = (np.asarray(scans).reshape(-1, 8, 8) * (255 / 16)).round().astype(np.uint8)
    images = np.stack([np.asarray(Image.fromarray(s).resize((32, 32), Image.Resampling.BICUBIC)) for s in small])
    pictures = array_set(images, np.asarray(labels), tuple("0123456789"))
    rest, part = stratified(torch.as_tensor(labels, dtype=torch.int64), 0.2, seed=0)
    return DataSet("digits", pictures.subset(rest), pictures.subset(part), size=32, note="test: 20 % by seed 0")
