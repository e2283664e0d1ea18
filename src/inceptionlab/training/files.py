"""Files that are whole or not there: written beside their place, synced, renamed; and states, the last two kept."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors_torch
from torch import Tensor

from inceptionlab.errors import RunError


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
    """Write the state of training after `step` steps, and remove all but the last two."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write(folder / f"step-{step:09d}.pt", buffer.getvalue())
    for old in sorted(folder.glob("step-*.pt"))[:-2]:
        old.unlink(missing_ok=True)


def load_state(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """(the newest state that can be read, what was wrong with newer ones). No code runs on load."""
    problems: list[str] = []
    for path in sorted(folder.glob("step-*.pt"), reverse=True):
        try:
            return torch.load(path, map_location="cpu", weights_only=True), problems
        except Exception as error:  # a truncated file fails in many ways; each means: take the one before
            problems.append(f"{path.name} cannot be read ({type(error).__name__}); the state before it is used")
    return None, problems
