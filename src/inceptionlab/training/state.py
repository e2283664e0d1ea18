"""States of training on disk: the last two are kept, so that a damaged one costs little.

Several processes that divide a network write a folder with a file each. `torch.distributed.checkpoint` would too, but
its index is a pickle, which runs code when it is read.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from inceptionlab.storage import write

SHARD = "__shard__"
"""The name under which a process's part of a tensor stands: parts are joined along the first dimension."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """A tensor whose parts lie in several files."""

    parts: tuple[Tensor, ...]

    def whole(self) -> Tensor:
        """The parts joined along the first dimension."""
        return torch.cat(self.parts)


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


def open_state(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """(the newest state that can be read, what was wrong with newer ones). No code runs on load.

    Tensors stay in their files until they are used, those of several files as `Pieces`.
    """
    problems: list[str] = []
    for path in reversed(states(folder)):
        try:
            parts = sorted(path.glob("rank-*.pt")) if path.is_dir() else [path]
            return _together([torch.load(part, map_location="cpu", weights_only=True, mmap=True) for part in parts]), (
                problems
            )
        except Exception as error:  # a truncated file fails in many ways; each means: take the one before
            problems.append(f"{path.name} cannot be read ({type(error).__name__}); the state before it is used")
    return None, problems


def load_state(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """As `open_state`, with every tensor whole: the state that one process would have written."""
    state, problems = open_state(folder)
    return None if state is None else _whole(state), problems


def _whole(tree: Any) -> Any:
    if isinstance(tree, Pieces):
        return tree.whole()
    if isinstance(tree, dict):
        return {name: _whole(value) for name, value in cast(dict[Any, Any], tree).items()}
    return [_whole(value) for value in cast(list[Any], tree)] if isinstance(tree, list) else tree


def _together(trees: list[Any]) -> Any:
    """What several processes wrote as one tree."""
    first = trees[0]
    if isinstance(first, dict):
        named = cast(dict[Any, Any], first)
        if SHARD in named:
            return Pieces(tuple(tree[SHARD] for tree in trees))
        return {name: _together([tree[name] for tree in trees]) for name in named}
    if isinstance(first, list):
        return [_together(list(values)) for values in zip(*trees, strict=True)]
    return first
