"""States of training on disk: the last two are kept, so that a damaged one costs little."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from inceptionlab.storage import write

SHARD = "__shard__"
"""The name under which a process's part of a tensor stands: parts are joined along the first dimension."""


def save_state(folder: Path, state: Mapping[str, Any], step: int) -> None:
    """Write the state of training after `step` steps."""
    folder.mkdir(parents=True, exist_ok=True)
    write_torch(folder / f"{state_name(step)}.pt", dict(state))


def write_torch(path: Path, value: Any) -> None:
    """Write what `torch.load(weights_only=True)` reads."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    write(path, buffer.getvalue())


def state_name(step: int) -> str:
    """The name of a state after `step` steps."""
    return f"step-{step:09d}"


def states(folder: Path) -> list[Path]:
    """The states of a run, files or folders of shards, the oldest first."""
    return sorted(folder.glob("step-*"), key=lambda path: path.stem)


def keep_newest(folder: Path) -> None:
    """Remove all states but the last two."""
    for old in states(folder)[:-2]:
        shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)


def load_state(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """(the newest state that can be read, what was wrong with newer ones). No code runs on load. Shards are joined."""
    problems: list[str] = []
    for path in reversed(states(folder)):
        try:
            parts = sorted(path.glob("rank-*.pt")) if path.is_dir() else [path]
            return _joined([_load(part) for part in parts]), problems
        except Exception as error:  # a truncated file fails in many ways; each means: take the one before
            problems.append(f"{path.name} cannot be read ({type(error).__name__}); the state before it is used")
    return None, problems


def _load(path: Path) -> dict[str, Any]:
    return torch.load(path, map_location="cpu", weights_only=True)


def _joined(trees: list[Any]) -> Any:
    """What several processes wrote as what one would have written."""
    first = trees[0]
    if isinstance(first, dict):
        named = cast(dict[Any, Any], first)
        if SHARD in named:
            return torch.cat([tree[SHARD] for tree in trees])
        return {name: _joined([tree[name] for tree in trees]) for name in named}
    if isinstance(first, list):
        return [_joined(list(values)) for values in zip(*trees, strict=True)]
    return first
