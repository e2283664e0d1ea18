"""Files that are whole or not there: written beside their place, synced, renamed; and states, the last two kept."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors_torch
from torch import Tensor

from inceptionlab.errors import RunError

SHARD = "__shard__"
"""The name under which a process's part of a tensor stands: parts are joined along the first dimension."""


def write(path: Path, content: bytes | str) -> None:
    """Write a file so that a killed process leaves the old content or the new one.

    Raises `RunError` where the disk is full; what stood there before is kept.
    """
    data = content.encode() if isinstance(content, str) else content
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        why = "the disk is full" if full else str(error)
        raise RunError(f"{path} could not be written ({len(data):,} bytes): {why}; what was there is kept") from None


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people and programs."""
    write(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def save_weights(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a state dict as safetensors."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write(path, safetensors_torch.save(tensors, dict(metadata)))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read safetensors. Raises `RunError` where the file is not whole."""
    try:
        return cast(Any, safetensors_torch).load_file(path)
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} cannot be read as weights: {error}") from None


def read_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says of itself. Raises `RunError` where the file is not whole."""
    try:
        with cast(Any, safe_open)(str(path), "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} cannot be read as weights: {error}") from None


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
