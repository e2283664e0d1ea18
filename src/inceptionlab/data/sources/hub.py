"""Data sets of the Hugging Face hub, or of a folder in its layouts.

`hf:NAME` downloads the set once, as encoded images in Arrow files that are mapped into memory, and decodes each
image when it is first asked for. `stream:NAME` keeps nothing: images come from the hub's Parquet files as training
needs them.
"""

from __future__ import annotations

import io
from importlib import import_module
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.sources.folder import TEST_FRACTION, split_off_test
from inceptionlab.data.sources.naming import KEPT, STREAMED, DataName
from inceptionlab.data.stores.decoded import disk_images
from inceptionlab.data.stores.lazy import LazyImages
from inceptionlab.errors import DataError, MissingExtra, listed
from inceptionlab.storage import cache_folder

PARQUET = "refs/convert/parquet"
"""Where the hub keeps sets of other formats as Parquet files."""
VALIDATION_FRACTION = 0.05
"""Of a stream without validation images; whole blocks, so that they can be left out of training."""
FEWEST_BLOCKS = 20


def load(name: DataName, preprocess: Preprocess, seed: int = 0) -> DataSet:
    """A data set of the hub, at the size of the network's resize.

    Its "test" split is the test set, or else "validation"; with "train" alone 20 % are split off by `seed`. Raises
    `MissingExtra` where `datasets` is not installed, and `DataError` where the set is not found, or has no column of
    images or of labels.
    """
    try:
        library: Any = import_module("datasets")
    except ImportError:
        raise MissingExtra("the library datasets, which reads data sets of the hub,", "hub") from None
    read = _streamed if name.kind == "stream" else _kept
    try:
        found = read(library, name, preprocess)
    except DataError as error:
        raise DataError(f"the data set {name.text}: {error}") from None
    return _as_set(name.short, {split: one for split, one in found.items() if one is not None}, seed)


def _as_set(name: str, parts: dict[str, Samples], seed: int) -> DataSet:
    if "train" not in parts:
        raise DataError(f"{name} has the splits {', '.join(parts)}; it needs one called train")
    train, test = parts["train"], parts.get("test") or parts.get("validation")
    note = f"splits as found: {', '.join(parts)}"
    if test is None:
        train, test = _by_blocks(train, TEST_FRACTION, seed) or split_off_test(train, seed)
        note = f"test: {TEST_FRACTION:.0%} of train by seed {seed}"
    validation = parts.get("validation") if "test" in parts else None
    if validation is None and (split := _by_blocks(train, VALIDATION_FRACTION, seed)):
        train, validation = split
        note += f"; validation: {VALIDATION_FRACTION:.0%} of the blocks of train by seed {seed}"
    return DataSet(name, train, test, validation, note=note)


def _call(library: Any, function: str, path: str, configuration: str | None, **more: Any) -> Any:
    try:
        return getattr(library, function)(path, configuration, **more)
    except Exception as error:  # the library raises whatever its parts do
        if "disk space" in str(error):
            raise DataError(f"there is no room for it; {STREAMED}{path} reads it without keeping it") from None
        raise DataError(f"it cannot be loaded: {str(error).splitlines()[0]}") from None


def _kept(library: Any, name: DataName, preprocess: Preprocess) -> dict[str, Samples | None]:
    """The splits of a set, downloaded as encoded images."""
    found = _call(library, "load_dataset", name.place, name.configuration)
    return {split: _on_disk(library, f"{name.place} ({split})", found[split], preprocess) for split in found}


def _on_disk(library: Any, name: str, rows: Any, preprocess: Preprocess) -> Samples | None:
    """The images of a split, decoded when they are first needed; None where its labels are withheld."""
    column, label = _columns(library, rows.features)
    labels = _whole_numbers(rows[label][:])
    if _withheld(labels):
        return None
    encoded, size = rows.cast_column(column, library.Image(decode=False)), preprocess.stored_shape

    def decoded(number: int) -> np.ndarray:
        cell, where = encoded[number][column], f"image {number} of {name}"
        if cell is None:
            raise DataError(f"{where} is missing")
        return preprocess.read(io.BytesIO(cell["bytes"]) if cell["bytes"] is not None else cell["path"], where)

    identity = "-".join(map(str, [rows._fingerprint, *size, preprocess.input.interpolation]))
    images = disk_images(cache_folder("decoded", identity), len(rows), size, decoded, identity)
    return Samples(images, labels, tuple(rows.features[label].names))


def _whole_numbers(column: list[Any]) -> Int64[Tensor, " n"]:
    if any(type(value) is not int for value in column):
        raise DataError("some of its labels are missing or are no whole numbers")
    return torch.tensor(column)


def _streamed(library: Any, name: DataName, preprocess: Preprocess) -> dict[str, Samples | None]:
    """The splits of a set whose images are read from Parquet files as they are needed."""
    return {split: _stream(library, urls, preprocess) for split, urls in _parquet(library, name).items()}


def _parquet(library: Any, name: DataName) -> dict[str, list[str]]:
    """The addresses of the Parquet files of each split."""
    for revision in (None, PARQUET):
        builder = _call(library, "load_dataset_builder", name.place, name.configuration, revision=revision)
        found: dict[Any, Any] = builder.config.data_files or {}
        files = {str(split): list(map(str, urls)) for split, urls in found.items()}
        if files and all(url.endswith(".parquet") for urls in files.values() for url in urls):
            return files
    raise DataError(f"it is not kept in Parquet files, which streaming reads; {KEPT}{name.place} downloads it")


def _stream(library: Any, urls: list[str], preprocess: Preprocess) -> Samples | None:
    """The images of a split; None where its labels are withheld."""
    from inceptionlab.data.stores import streaming  # of the extra

    files = streaming.open_files(urls)
    features = library.Features.from_arrow_schema(files[0].footer.schema.to_arrow_schema())
    column, label = _columns(library, features)
    labels = streaming.read_labels(files, label)
    if _withheld(labels):
        return None

    def decoded(source: io.BytesIO, where: str) -> np.ndarray:
        return preprocess.read(source, where)

    size = preprocess.stored_shape
    identity = f"{streaming.identity_of(files)}-{size}-{preprocess.input.interpolation}"
    store = streaming.Stream(files, column, size, decoded, identity)
    return Samples(LazyImages(store, torch.arange(len(labels))), labels, tuple(features[label].names))


def _columns(library: Any, features: Any) -> tuple[str, str]:
    """The columns of images and of labels."""
    samples = [key for key, kind in features.items() if isinstance(kind, library.Image)]
    labels = [key for key, kind in features.items() if isinstance(kind, library.ClassLabel)]
    if not samples or not labels:
        missing = "images" if not samples else "class labels"
        raise DataError(f"it has the columns {listed(features)} and none of {missing}")
    return samples[0], labels[0]


def _withheld(labels: Int64[Tensor, " n"]) -> bool:
    """Whether a split hides its labels, as the test sets of competitions do: all are -1."""
    return len(labels) > 0 and bool((labels == -1).all())


def _by_blocks(samples: Samples, fraction: float, seed: int) -> tuple[Samples, Samples] | None:
    """(rest, part) of images that are read in blocks, `part` being whole blocks drawn by the seed; None where there are
    few, or none.
    """
    blocks = samples.images.blocks()
    if blocks is None:
        return None
    present = torch.from_numpy(np.unique(blocks.numpy()))
    if len(present) < FEWEST_BLOCKS:
        return None
    order = torch.randperm(len(present), generator=torch.Generator().manual_seed(seed))
    taken = torch.isin(blocks, present[order[: max(1, round(len(present) * fraction))]])
    return samples.subset((~taken).nonzero()[:, 0]), samples.subset(taken.nonzero()[:, 0])
