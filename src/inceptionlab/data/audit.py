"""What is wrong with a data set before a network learns it: unreadable and duplicate pictures, leaks between splits."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from inceptionlab.data.dataset import DataSet, Pictures
from inceptionlab.data.decode import decode
from inceptionlab.data.progress import followed
from inceptionlab.data.sources.folder import find_pictures
from inceptionlab.errors import DataError

NEAR_BITS = 3
NEAR_GREYS = 8.0
THUMBNAIL = 32


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture as the checks see it: its split, class, name, size and mode; the digest of its pixels, its perceptual
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


@dataclass(slots=True)
class Findings:
    """What the checks found. A pair is a leak where its splits differ and a conflict where its classes do."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    sizes: list[tuple[tuple[int, int], int]] = field(default_factory=list[tuple[tuple[int, int], int]])
    modes: dict[str, int] = field(default_factory=dict[str, int])
    unreadable: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    exact: list[Pair] = field(default_factory=list[Pair])
    near: list[Pair] = field(default_factory=list[Pair])

    @property
    def leaks(self) -> list[Pair]:
        """Pairs of the same or nearly the same picture in two splits."""
        return [pair for pair in (*self.exact, *self.near) if pair[0].split != pair[1].split]

    @property
    def conflicts(self) -> list[Pair]:
        """Pairs of the same picture under two classes."""
        return [pair for pair in self.exact if pair[0].label != pair[1].label]

    @property
    def imbalance(self) -> float:
        """Pictures of the largest class over those of the smallest, in the split where this is worst."""
        return max((max(c.values()) / max(1, min(c.values())) for c in self.counts.values()), default=1.0)


def check_folder(folder: Path) -> Findings:
    """Check a folder of pictures, with or without splits. Raises `DataError` where it is no such folder."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder of pictures")
    parts = [name for name in ("train", "val", "test") if (folder / name).is_dir()]
    seen: list[Seen] = []
    unreadable: list[tuple[str, str]] = []
    for split in parts or ["all"]:
        classes, files, labels = find_pictures(folder / split if parts else folder)

        def look(i: int, split: str = split, classes: tuple[str, ...] = classes, files: list[str] = files,
                 labels: list[int] = labels) -> Seen | tuple[str, str]:  # fmt: skip
            try:
                return _of_file(split, classes[labels[i]], files[i])
            except DataError as error:
                return files[i], str(error)

        with ThreadPoolExecutor() as pool:
            for found in followed(pool.map(look, range(len(files))), f"looking at {split}", len(files)):
                seen.append(found) if isinstance(found, Seen) else unreadable.append(found)
    return _findings(seen, unreadable)


def check_set(data: DataSet) -> Findings:
    """Check a data set that is in memory."""
    splits = [("train", data.train), ("val", data.validation), ("test", data.test)]
    return _findings([one for name, part in splits if part is not None for one in _of_array(name, part)], [])


def _of_file(split: str, label: str, path: str) -> Seen:
    picture = decode(path, path, 3)
    with Image.open(path) as raw:
        return _seen(split, label, path, picture, raw.mode)


def _of_array(split: str, pictures: Pictures) -> Iterator[Seen]:
    mode = "RGB" if pictures.channels == 3 else "L"
    for i in followed(range(len(pictures)), f"looking at {split}", len(pictures)):
        pixels = pictures.images[i].numpy()
        picture = Image.fromarray(pixels if pictures.channels == 3 else pixels[..., 0])
        yield _seen(split, pictures.classes[int(pictures.labels[i])], f"{split} {i}", picture, mode)


def _seen(split: str, label: str, name: str, picture: Image.Image, mode: str) -> Seen:
    grey = picture.convert("L")
    small = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), np.int16)
    bits = (small[:, 1:] > small[:, :-1]).flatten()  # dHash: whether it gets brighter from left to right
    thumbnail = np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX), np.int16)
    digest = hashlib.sha256(f"{picture.size}{picture.mode}".encode() + picture.tobytes()).hexdigest()
    value = int("".join("1" if bit else "0" for bit in bits), 2)
    return Seen(split, label, name, picture.size, mode, digest, value, thumbnail)


def _findings(seen: list[Seen], unreadable: list[tuple[str, str]]) -> Findings:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in seen:
        counts[one.split][one.label] += 1
    sizes = Counter(one.size for one in seen).most_common(8)
    modes = dict(Counter(one.mode for one in seen).most_common())
    same: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        same[one.digest].append(one)
    exact = [(group[0], other) for group in same.values() for other in group[1:]]
    singles = [group[0] for group in same.values()]
    return Findings({k: dict(v) for k, v in counts.items()}, sizes, modes, unreadable, exact, _near(singles))


def _near(seen: list[Seen]) -> list[Pair]:
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
    return list(found.values())


def _close(hashes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Places of hashes that differ in at most `NEAR_BITS` bits."""
    if len(hashes) < 16:
        yield from ((i, j) for i, j in combinations(range(len(hashes)), 2)
                    if int(hashes[i] ^ hashes[j]).bit_count() <= NEAR_BITS)  # fmt: skip
        return
    for i in range(len(hashes) - 1):
        different = np.bitwise_count(hashes[i + 1 :] ^ hashes[i])
        yield from ((i, i + 1 + int(j)) for j in np.flatnonzero(different <= NEAR_BITS))
