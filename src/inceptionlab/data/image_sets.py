"""Images without labels as users name them: files, folders, patterns, addresses, standard input, Parquet files, sets of
the hub, sets that come by name, images in Python; one of these or many.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from glob import glob, has_magic
from io import IOBase
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image
from torch import Tensor

from inceptionlab.data.addresses import check_address, is_address
from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.data.decode import SUFFIXES
from inceptionlab.data.preprocess import Foreign
from inceptionlab.data.registry import NAMES, load_data
from inceptionlab.data.sources.folder import files_below
from inceptionlab.data.sources.naming import parse_name
from inceptionlab.data.unlabelled import ImageSet, joined, of_bytes, of_hub, of_items, of_rows, of_samples, of_tensor
from inceptionlab.errors import DataError, listed, nearest

Images = Foreign | ImageSet | DataSet | Samples | Tensor
"""What a user calls an image or images; a tensor is `n h w c` or `n c h w` of bytes."""
ImagesOf = Images | Iterable[Images]
TABLE = ".parquet"
STANDARD_INPUT = ("-", "/dev/stdin")
MOST_READ = 256 << 20
"""Bytes of standard input: one image, or the names of a few million."""
_CONTROLS = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f]|\AP[1-6]\s")
"""What names of files, one a line, do not hold, and every image does near its beginning."""


def image_set(source: ImagesOf, data_dir: Path | None = None) -> ImageSet:
    """The images of whatever a user calls a set; of a sequence of such, what all hold (`gathered`).

    Text is an image file; a folder (images in it and below it, in the order of their paths); a pattern ("photos/**");
    an http or https address; "-", standard input, one image or a list of files and addresses, one a line; a .parquet
    file or a folder of such; a set by name (`cifar10`) or of the hub (`hf:NAME`), of which `#SPLIT` says the split,
    "train" without it. No image is read before it is asked for, so that a file that is missing or no image is found
    then. Raises `DataError` for what holds no images.
    """
    if isinstance(source, str | Path):
        return _by_text(str(source), data_dir)
    if isinstance(source, ImageSet):
        return source
    if isinstance(source, DataSet | Samples):
        return of_samples(source.train if isinstance(source, DataSet) else source, "samples")
    if isinstance(source, Tensor):
        return of_tensor(source)
    if isinstance(source, np.ndarray):
        pixels = cast(np.ndarray, source)
        return of_items("an array", [pixels] if pixels.ndim < 4 else [*pixels])
    if isinstance(source, Image.Image | IOBase):
        return of_items("an image", [cast(Foreign, source)])
    return gathered(cast(Iterable[Images], source), data_dir)


def gathered(sources: Iterable[Images], data_dir: Path | None = None) -> ImageSet:
    """The images of all sources in their order, as one set. Raises what `image_set` does, and `DataError` for none."""
    parts: list[ImageSet] = []
    loose: list[Foreign] = []
    names: list[str] = []

    def put_loose() -> None:
        if loose:
            parts.append(of_items("images", tuple(loose), sum(part.count for part in parts)))
            loose.clear()

    for source in sources:
        names.append(str(source) if isinstance(source, str | Path) else "images")
        if isinstance(source, ImageSet | DataSet | Samples | Tensor) or not _is_loose(source):
            put_loose()
            parts.append(image_set(source, data_dir))
        else:
            loose.append(source)
    put_loose()
    if not parts:
        raise DataError("no image was given; name files, folders, addresses, or sets such as cifar10#test")
    return parts[0] if len(parts) == 1 else joined(parts, listed(dict.fromkeys(names), 1))


def _is_loose(source: Foreign) -> bool:
    """Whether this is one image, and no set: pixels, a file, or an address."""
    if not isinstance(source, str | Path):
        return True
    text = str(source)
    if os.path.isdir(text) or text.lower().endswith(TABLE) or text in STANDARD_INPUT:
        return False
    if is_address(source) and not os.path.exists(text):
        check_address(text)
        return True
    return os.path.exists(text) or (text.lower().endswith(SUFFIXES) and not has_magic(text))


def _by_text(text: str, data_dir: Path | None) -> ImageSet:
    if text in STANDARD_INPUT:
        return _of_standard_input()
    if _is_loose(text):
        return of_items(text, [text])
    place = Path(text)
    if place.is_dir():
        return _of_found(text, _listed(place))
    if text.lower().endswith(TABLE) and not has_magic(text):
        return of_rows(text, [place])
    if has_magic(text) and not text.startswith("hf:"):
        return _of_found(text, glob(text, recursive=True))
    name, _, split = text.partition("#")
    wanted = parse_name(name, NAMES)
    if wanted.kind == "hf":
        return of_hub(text, wanted.place, wanted.configuration, split or "train")
    if wanted.kind == "named":
        return _of_named(text, name, split or "train", data_dir)
    raise DataError(f"there is no folder {text!r} and no set of that name; {nearest(text, (*NAMES, 'hf:NAME'))}")


def _listed(folder: Path) -> list[str]:
    try:
        return files_below(folder, (*SUFFIXES, TABLE))
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from None


def _of_found(name: str, found: Sequence[str]) -> ImageSet:
    """The image files among some; where there are none, the rows of the .parquet files."""
    files = sorted(path for path in found if path.lower().endswith(SUFFIXES))
    if files:
        return of_items(name, files)
    tables = sorted(Path(path) for path in found if path.lower().endswith(TABLE))
    if not tables:
        raise DataError(f"{name} holds no image ({', '.join(SUFFIXES)}) and no {TABLE} file")
    return of_rows(name, tables)


def _of_standard_input() -> ImageSet:
    """One image, or the files and addresses that are listed, one a line; its first bytes tell. Folders in a list are
    passed over, since `find` lists what is in them too.
    """
    content = sys.stdin.buffer.read(MOST_READ + 1) if sys.stdin else b""
    if len(content) > MOST_READ:
        raise DataError(f"standard input gives more than {MOST_READ >> 20} MiB; give files by their names")
    if _CONTROLS.search(content[:4096]):
        return of_bytes("standard input", content)
    lines = [os.fsdecode(line) for line in content.splitlines() if line.strip()]
    files = [line for line in lines if not os.path.isdir(line)]
    if not files:
        what = "folders alone" if lines else "nothing"
        raise DataError(f"standard input holds {what}; give an image, or names of images one a line")
    return of_items("standard input", files)


def _of_named(text: str, name: str, split: str, data_dir: Path | None) -> ImageSet:
    found = load_data(name, None, data_dir)
    parts = {"train": found.train, "test": found.test}
    if found.validation is not None:
        parts["validation"] = found.validation
    if split not in parts:
        raise DataError(f"{text}: {name} has no split {split!r}; {nearest(split, parts)}")
    return of_samples(parts[split], text)
