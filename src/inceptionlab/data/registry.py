"""Every data set that comes by name, in one table; and whatever else a user calls one, as a data set."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inceptionlab.data.dataset import DataSet, for_native
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.sources import cifar, folder, hub, idx
from inceptionlab.data.sources.digits import CLASSES as DIGITS
from inceptionlab.data.sources.digits import digits
from inceptionlab.data.sources.naming import DataName, parse_name
from inceptionlab.errors import DataError, nearest
from inceptionlab.spec.network import Input, Network
from inceptionlab.storage import cache_folder

Loader = Callable[[str, list[Path], Path, str | None], DataSet]
"""Reads a set by its name: from the first of some folders that has it, else downloaded to another, from a mirror."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a data set before it is read."""

    name: str
    """What --data takes."""
    size: int | None
    """Side of its images in pixels; not known: photographs of many sizes, which take the network's size."""
    channels: int
    """1 for grey images, 3 for coloured ones."""
    classes: tuple[str, ...]
    """The names of its classes; none: not known before it is read."""
    train: int | None
    """Training images, from which validation is split."""
    test: int | None
    """Test images."""
    recipe: str
    """The recipe that suits it, which train takes without --recipe."""
    source: str
    """Where it comes from; it is looked for in --data-dir and INCEPTIONLAB_DATA first, and else downloaded."""


@dataclass(frozen=True, slots=True)
class Known:
    """A data set that comes by name, and how it is read."""

    facts: Facts
    load: Loader


def _digits(name: str, places: list[Path], cache: Path, mirror: str | None) -> DataSet:
    """They are installed, not looked for."""
    return digits()


def _known(facts: Facts, load: Loader) -> tuple[str, Known]:
    return facts.name, Known(facts, load)


KNOWN: dict[str, Known] = dict([
    _known(Facts("digits", 32, 1, DIGITS, 1_438, 359, "digits", "scikit-learn"), _digits),
    _known(Facts("cifar10", 32, 3, cifar.CIFAR10, 50_000, 10_000, "small", "www.cs.toronto.edu"), cifar.load),
    _known(Facts("cifar100", 32, 3, cifar.CIFAR100, 50_000, 10_000, "small", "www.cs.toronto.edu"), cifar.load),
    _known(Facts("fashion_mnist", 28, 1, idx.FASHION, 60_000, 10_000, "clothes", "Zalando Research"), idx.load),
    _known(Facts("mnist", 28, 1, idx.CLASSES["mnist"], 60_000, 10_000, "digits", "ossci-datasets"), idx.load),
])  # fmt: skip
NAMES = tuple(KNOWN)
PHOTOGRAPHS = "folder"
"""The recipe for photographs."""


def load_data(
    name: str,
    input: Input | None = None,
    data_dir: Path | None = None,
    mirror: str | None = None,
    skip_unreadable: bool = False,
) -> DataSet:
    """A data set by name, one of the hub ("hf:NAME", "stream:NAME"), or a folder of images by path.

    The last two are read for the input `image`. Named sets are looked for in `data_dir`, in the folder that
    INCEPTIONLAB_DATA names and in Debian's place, and else downloaded to `data_dir` or the user's cache. With
    `skip_unreadable` the images of a folder that cannot be read are left out. Raises `DataError` where nothing can be
    read, and for images that cannot be where they are not to be left out.
    """
    wanted, preprocess = parse_name(name, NAMES), Preprocess(input or Input())
    if skip_unreadable and wanted.kind != "folder":
        raise DataError(f"--skip-unreadable leaves out files of a folder of images, and {name} is no folder")
    if wanted.kind in ("hf", "stream"):
        return hub.load(wanted, preprocess)
    if wanted.kind == "named":
        return KNOWN[wanted.place].load(wanted.place, _places(data_dir), data_dir or cache_folder(), mirror)
    return folder.load(find_folder(wanted, data_dir), preprocess, skip_unreadable=skip_unreadable)


def describe(name: str, data_dir: Path | None = None) -> Facts:
    """What is known of a data set without reading its images: everything of a named one, the classes of a folder, next
    to nothing of a set of the hub. Raises `DataError` where there is no such folder.
    """
    wanted = parse_name(name, NAMES)
    if wanted.kind == "named":
        return KNOWN[wanted.place].facts
    if wanted.kind in ("hf", "stream"):
        return Facts(wanted.short, None, 3, (), None, None, PHOTOGRAPHS, "the hub")
    place = find_folder(wanted, data_dir)
    train = place / "train"
    classes, files, _ = folder.find_images(train if train.is_dir() else place)
    count = len(files) if train.is_dir() else None
    return Facts(place.name, None, 3, classes, count, None, PHOTOGRAPHS, str(place))


def list_datasets(name: str | None = None, data_dir: Path | None = None) -> list[Facts]:
    """What is known of every data set that comes by name, or of one, by whatever `load_data` takes. Raises `DataError`
    where there is no such set.
    """
    return [describe(name, data_dir)] if name else [one.facts for one in KNOWN.values()]


def default_recipe(data: str) -> str:
    """The name of the recipe that suits a data set."""
    wanted = parse_name(data, NAMES)
    return KNOWN[wanted.place].facts.recipe if wanted.kind == "named" else PHOTOGRAPHS


def for_named(spec: Network, data: str) -> Network:
    """The network with the preprocessing that a data set asks for, before that is read (`for_data`)."""
    size = KNOWN[data].facts.size if data in KNOWN else None
    return for_native(spec, None if size is None else (size, size), data)


def find_folder(name: DataName, data_dir: Path | None) -> Path:
    """The folder of this path, or of this name where data sets are looked for. Raises `DataError` for none."""
    for candidate in (Path(name.place), *(place / name.place for place in _places(data_dir))):
        try:
            if candidate.is_dir():
                return candidate
        except OSError as error:
            raise DataError(f"{name.text!r} cannot be a folder: {error.strerror}") from None
    if Path(name.place).exists():
        raise DataError(f"{name.text} is a file; give a folder of images or one of {', '.join(NAMES)}")
    raise DataError(f"there is no data set and no folder {name.text!r}; {nearest(name.text.lower(), NAMES)}")


def _places(data_dir: Path | None) -> list[Path]:
    """The folders where data sets are looked for."""
    named = os.environ.get("INCEPTIONLAB_DATA")
    return [Path(place) for place in (data_dir, named) if place]
