"""Reading files of weights of any kind without running code in them: names and tensors in torch's terms."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from inceptionlab.errors import DataError, MissingExtra
from inceptionlab.storage import read_tensors
from inceptionlab.weights.readers import caffe, keras, tensorflow

LARGEST = 4 << 30
"""Bytes that a file may unpack to; the family's largest network has 0.35 GB."""

CONTAINERS = ("state_dict_ema", "model_ema", "ema_state_dict", "state_dict", "model_state_dict", "model", "net")
"""What programs call the weights in a file of a training's state, where they are a table of their own."""


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name: .safetensors, .h5, .hdf5, .keras, .caffemodel, TensorFlow checkpoints (.ckpt, or
    the prefix of an .index), and anything else as torch's.

    Names and layouts become torch's (`weight`, `running_mean`, OIHW). Raises `DataError` for what cannot be read,
    `MissingExtra` where a package that reads it is not installed.
    """
    if path.suffix == ".index" or path.with_name(f"{path.name}.index").is_file():
        return _refusing(path, tensorflow.read)
    if not path.exists():
        raise DataError(f"{path} does not exist; give a file of weights")
    if not path.is_file():
        raise DataError(f"{path} is a folder, not a file of weights")
    readers: dict[str, Callable[[Path], dict[str, Tensor]]] = {
        ".safetensors": _safetensors, ".h5": keras.read, ".hdf5": keras.read, ".keras": keras.read,
        ".caffemodel": caffe.read, ".ckpt": _checkpoint,
    }  # fmt: skip
    return _refusing(path, readers.get(path.suffix.lower(), _torch))


def _refusing(path: Path, read: Callable[[Path], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Read; a damaged or hostile file fails in many ways, and each is the same news."""
    try:
        return read(path)
    except (DataError, MissingExtra, MemoryError):
        raise
    except ModuleNotFoundError as error:
        raise MissingExtra(f"{error.name}, which reads {path},", "weights") from None
    except Exception as error:
        raise DataError(f"{path} cannot be read as weights: {_plain(str(error) or repr(error))}") from None


def _plain(text: str) -> str:
    """The first line of a library's message, without the colours that it has for a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()[0]


def _safetensors(path: Path) -> dict[str, Tensor]:
    return _tensors(path, read_tensors(path))


def _checkpoint(path: Path) -> dict[str, Tensor]:
    """A .ckpt is torch's (a zip or a pickle) or TensorFlow's first format, which neither of those is."""
    with path.open("rb") as file:
        start = file.read(2)
    return _torch(path) if start in (b"PK", b"\x80\x02") else tensorflow.read(path)


def _torch(path: Path) -> dict[str, Tensor]:
    _check_unpacked(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an unusual pickle protocol: it loads or is refused all the same
        try:
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
        except MemoryError:
            raise
        except Exception as error:  # torch raises whatever its parts do
            raise DataError(f"{path} {_refusal(str(error))}") from None
    return _tensors(path, content)


def _refusal(text: str) -> str:
    """Why torch does not load a file, of which its own words speak to programmers."""
    wanted = re.search(r"Unsupported global: GLOBAL ([\w.]+)", text)
    if "TorchScript" in text:
        return f"cannot be read as weights: it is a TorchScript program; of torch.jit.load(file) {_ALONE}"
    if wanted is not None:
        return (
            f"cannot be read as weights: it holds an object of {wanted[1]} too, and code is never run here; where that "
            f"code is, {_ALONE}"
        )
    return "cannot be read as weights: it is damaged, or torch.save did not write it"


_ALONE = "save the weights alone: torch.save(model.state_dict(), 'weights.pth')"


def _check_unpacked(path: Path) -> None:
    """Refuse an archive that grows while it is read."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > LARGEST or size > 2 * path.stat().st_size:
        raise DataError(f"{path} would unpack from {path.stat().st_size:,} to {size:,} bytes; torch's files do not")


def _tensors(path: Path, content: Any) -> dict[str, Tensor]:
    """The tensors by name in what a file held, or under a usual name in it (averaged weights before others)."""
    for name in CONTAINERS:
        content = cast(dict[str, Any], content).get(name, content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not content:
        kind = type(cast(object, content)).__name__
        raise DataError(f"{path} holds {'nothing' if content == {} else f'a {kind}'}, not weights by name")
    state = {str(key).removeprefix("module."): value for key, value in cast(dict[str, Any], content).items()}
    wrong = next((key for key, value in state.items() if not isinstance(value, Tensor)), None)
    if wrong is not None:
        raise DataError(f"{path}: {wrong!r} is of the type {type(state[wrong]).__name__}, not a tensor; {_ALONE}")
    return state
