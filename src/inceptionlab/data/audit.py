"""What is wrong with a data set before a network learns it: unreadable and duplicate images, leaks between splits."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.data.decode import decode_with_mode
from inceptionlab.data.preprocess import as_image
from inceptionlab.data.progress import followed
from inceptionlab.data.registry import NAMES, find_folder, load_data
from inceptionlab.data.sources.folder import find_images, how_divided
from inceptionlab.data.sources.naming import parse_name
from inceptionlab.errors import DataError

NEAR_BITS = 3
NEAR_GREYS = 8.0
THUMBNAIL = 32


@dataclass(frozen=True, slots=True)
class Seen:
    """An image as the checks see it: its split, class, name, size and mode; the digest of its pixels, its perceptual
    hash of 64 bits and a small grey copy.
    """

    split: str
    label: str
    name: str
    size: tuple[int, int]
    mode: str
    digest: str
    hash: int
    grey: np.ndarray


Pair = tuple[Seen, Seen]
Unreadable = tuple[str, str]
Look = Callable[[], Seen | Unreadable]
"""Looks at one image; gives what it saw, or the image's name and why it cannot be read."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the checks found: images by split and class, sizes (width, height) and modes with how many have them, what
    cannot be read with the reason, and pairs of equal and of nearly equal images.

    A pair is a leak where its splits differ and a conflict where its classes do.
    """

    counts: Mapping[str, Mapping[str, int]]
    sizes: tuple[tuple[tuple[int, int], int], ...]
    modes: Mapping[str, int]
    unreadable: tuple[tuple[str, str], ...]
    exact: tuple[Pair, ...]
    near: tuple[Pair, ...]
    note: str = ""
    """What training makes of the parts of a folder."""

    @property
    def leaks(self) -> tuple[Pair, ...]:
        """Pairs of the same or nearly the same image in two splits."""
        return tuple(pair for pair in (*self.exact, *self.near) if pair[0].split != pair[1].split)

    @property
    def conflicts(self) -> tuple[Pair, ...]:
        """Pairs of the same image under two classes."""
        return tuple(pair for pair in self.exact if pair[0].label != pair[1].label)

    @property
    def is_clean(self) -> bool:
        """Whether everything can be read, and nothing leaks or stands under two classes."""
        return not (self.unreadable or self.leaks or self.conflicts)

    def as_record(self) -> dict[str, Any]:
        """Plain values for JSON; a pair is the names of its images."""

        def pairs(some: tuple[Pair, ...]) -> list[list[str]]:
            return [[a.name, b.name] for a, b in some]

        return {
            "counts": {split: dict(counts) for split, counts in self.counts.items()}, "imbalance": self.imbalance,
            "sizes": [[*size, n] for size, n in self.sizes], "modes": dict(self.modes),
            "unreadable": [list(row) for row in self.unreadable], "exact": pairs(self.exact),
            "near": pairs(self.near), "note": self.note, "leaks": pairs(self.leaks), "conflicts": pairs(self.conflicts),
        }  # fmt: skip

    @property
    def imbalance(self) -> float:
        """Images of the largest class over those of the smallest, in the split where this is worst."""
        return max((max(c.values()) / max(1, min(c.values())) for c in self.counts.values()), default=1.0)


def check_data(data: str | Path | DataSet, data_dir: Path | None = None) -> Findings:
    """Check a data set: by its name, a folder of images, one of the hub ("hf:NAME", "stream:NAME"), or one that is
    loaded. Raises `DataError` where there is none.
    """
    if isinstance(data, DataSet):
        return check_set(data)
    name = parse_name(str(data), NAMES)
    return (
        check_folder(find_folder(name, data_dir))
        if name.kind == "folder"
        else check_set(load_data(name.text, None, data_dir))
    )


def check_folder(folder: Path) -> Findings:
    """Check a folder of images at their own size, with or without splits. Raises `DataError` where it is none."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder of images" if folder.exists() else f"{folder} does not exist")
    parts = [name for name in ("train", "val", "test") if (folder / name).is_dir()]
    looks: list[Look] = []
    for split in parts or ["all"]:
        classes, files, labels = find_images(folder / split if parts else folder)
        looks += [partial(_of_file, split, classes[label], file) for label, file in zip(labels, files, strict=True)]
    return replace(_findings(looks), note=how_divided(folder))


def check_set(data: DataSet) -> Findings:
    """Check a data set as it is given out."""
    splits = [("train", data.train), ("val", data.validation), ("test", data.test)]
    return _findings(
        [partial(_of_set, split, part, i) for split, part in splits if part is not None for i in range(len(part))]
    )


def _of_file(split: str, label: str, path: str) -> Seen | Unreadable:
    try:
        image, mode = decode_with_mode(path, path, 3)
    except DataError as error:
        return path, str(error)
    return _seen(split, label, path, image, mode)


def _of_set(split: str, samples: Samples, i: int) -> Seen | Unreadable:
    try:
        image = as_image(samples.images[i].cpu().numpy())
    except DataError as error:
        return f"{split} {i}", str(error)
    return _seen(split, samples.classes[int(samples.labels[i])], f"{split} {i}", image, image.mode)


def _seen(split: str, label: str, name: str, image: Image.Image, mode: str) -> Seen:
    grey = image.convert("L")
    small = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), np.int16)
    bits = (small[:, 1:] > small[:, :-1]).flatten()  # dHash: whether it gets brighter from left to right
    thumbnail = np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX), np.int16)
    digest = hashlib.sha256(f"{image.size}{image.mode}".encode() + image.tobytes()).hexdigest()
    value = int("".join("1" if bit else "0" for bit in bits), 2)
    return Seen(split, label, name, image.size, mode, digest, value, thumbnail)


def _looked(look: Look) -> Seen | Unreadable:
    return look()


def _findings(looks: Sequence[Look]) -> Findings:
    with ThreadPoolExecutor() as pool:
        found = list(followed(pool.map(_looked, looks), "looking at images", len(looks)))
    seen = [one for one in found if isinstance(one, Seen)]
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in seen:
        counts[one.split][one.label] += 1
    sizes = tuple(Counter(one.size for one in seen).most_common(8))
    modes = dict(Counter(one.mode for one in seen).most_common())
    same: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        same[one.digest].append(one)
    exact = tuple((group[0], other) for group in same.values() for other in group[1:])
    singles = [group[0] for group in same.values()]
    unreadable = tuple(one for one in found if not isinstance(one, Seen))
    return Findings({k: dict(v) for k, v in counts.items()}, sizes, modes, unreadable, exact, _near(singles))


def _near(seen: list[Seen]) -> tuple[Pair, ...]:
    """Pairs whose hashes differ in few bits and whose small copies differ by few greys.

    Hashes that differ in at most three bits agree in one of four bands of 16.
    """
    found: dict[tuple[int, int], Pair] = {}
    for band in range(4):
        buckets: dict[int, list[int]] = defaultdict(list)
        for i, one in enumerate(seen):
            buckets[one.hash >> (16 * band) & 0xFFFF].append(i)
        for members in buckets.values():
            hashes = np.array([seen[i].hash for i in members], np.uint64)
            for i, j in _close(hashes):
                pair = (members[i], members[j])
                if pair not in found and np.abs(seen[pair[0]].grey - seen[pair[1]].grey).mean() < NEAR_GREYS:
                    found[pair] = (seen[pair[0]], seen[pair[1]])
    return tuple(found.values())


def _close(hashes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Places of hashes that differ in at most `NEAR_BITS` bits."""
    if len(hashes) < 16:
        yield from ((i, j) for i, j in combinations(range(len(hashes)), 2)
                    if int(hashes[i] ^ hashes[j]).bit_count() <= NEAR_BITS)  # fmt: skip
        return
    for i in range(len(hashes) - 1):
        different = np.bitwise_count(hashes[i + 1 :] ^ hashes[i])
        yield from ((i, i + 1 + int(j)) for j in np.flatnonzero(different <= NEAR_BITS))
