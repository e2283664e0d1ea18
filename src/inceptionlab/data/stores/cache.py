"""Decoded pictures kept as arrays on disk, so that a second start maps them into memory at once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from inceptionlab.data.dataset import Pictures
from inceptionlab.storage import cache_folder

FORMAT = 1


def remembered(files: Sequence[str | Path], settings: object, read: Callable[[], Pictures]) -> Pictures:
    """What `read` gives for these files, from the cache where neither they nor the settings have changed since.

    A file is known by its path, its size and the time of its last change. A cache that cannot be written or read is
    done without.
    """
    folder = cache_folder() / "arrays" / key_of(files, settings)
    kept = _load(folder)
    if kept is not None:
        return kept
    pictures = read()
    _keep(folder, pictures)
    return pictures


def key_of(files: Sequence[str | Path], settings: object) -> str:
    """A name for these files as they are now, read with these settings."""
    names = [str(path).rpartition(os.sep) for path in files]
    parents = {parent: os.path.realpath(parent) for parent in {parent for parent, _, _ in names}}
    states = map(os.stat, files)
    facts = [(f"{parents[parent]}/{name}", state.st_size, state.st_mtime_ns)
             for (parent, _, name), state in zip(names, states, strict=True)]  # fmt: skip
    return hashlib.sha256(json.dumps([FORMAT, settings, facts]).encode()).hexdigest()[:24]


def _load(folder: Path) -> Pictures | None:
    try:
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        images = np.load(folder / "images.npy", mmap_mode="c", allow_pickle=False)  # "c": changes stay in memory
        labels = np.load(folder / "labels.npy", allow_pickle=False)
        return Pictures(
            torch.from_numpy(images), torch.from_numpy(labels), tuple(facts["classes"]), tuple(facts["paths"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(folder: Path, pictures: Pictures) -> None:
    """Write the arrays beside their place and move them there whole."""
    partial: str | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = tempfile.mkdtemp(dir=folder.parent, prefix=".part-")
        np.save(f"{partial}/images.npy", pictures.images[:].numpy(), allow_pickle=False)
        np.save(f"{partial}/labels.npy", pictures.labels.numpy(), allow_pickle=False)
        facts = json.dumps({"classes": pictures.classes, "paths": pictures.paths})
        Path(partial, "facts.json").write_text(facts, encoding="utf-8")
        os.rename(partial, folder)
    except OSError:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
