"""Loading weights of other libraries and of ours into a network, with an account of what was done."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import torch as safetensors_torch
from torch import Tensor

from inceptionlab.building import InceptionNetwork
from inceptionlab.errors import DataError, nearest
from inceptionlab.weights.tables import recognise


@dataclass(frozen=True, slots=True)
class Account:
    """What a load did: the source it recognised, and the keys of ours loaded, of theirs dropped, of ours left new."""

    source: str
    loaded: tuple[str, ...]
    dropped: tuple[str, ...]
    new: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"{self.source}: {len(self.loaded)} tensors loaded"]
        parts += [f"dropped {', '.join(_tops(self.dropped))}"] if self.dropped else []
        parts += [f"new {', '.join(_tops(self.new))}"] if self.new else []
        return "; ".join(parts)


def load_weights(model: InceptionNetwork, file: Path | str) -> Account:
    """Load a checkpoint file (.safetensors, or torch's without running any code) into a network, in place.

    The source is recognised by its keys. A classifier for another number of classes is left new (1001 classes lose
    their background class); auxiliary heads that only one side has are dropped or left new. Raises `DataError` for
    anything else that does not fit, naming the first wrong key and its shape; the network is then as it was.
    """
    theirs = read_state(Path(file))
    table = recognise(theirs)
    named = {table.rename(key) if table else key: value for key, value in theirs.items()}
    own = cast(dict[str, Tensor], model.state_dict())
    heads = tuple(f"{aux}." for aux in ("aux", "aux1", "aux2"))
    fitting: dict[str, Tensor] = {}
    dropped: list[str] = []
    for key, value in named.items():
        if key not in own:
            if not key.startswith(heads):
                raise DataError(f"{file}: {key!r} has no place in {model.spec.title}; {nearest(key, own)}")
            dropped.append(key)
        elif (fitted := _fitted(value, own[key], _classifies(key, model))) is None:
            if not _classifies(key, model):
                raise DataError(f"{file}: {key!r} is {tuple(value.shape)}, the network's is {tuple(own[key].shape)}")
            dropped.append(key)
        else:
            fitting[key] = fitted
    new = [key for key in own if key not in fitting and not key.endswith("num_batches_tracked")]
    for key in new:
        if not key.startswith(heads) and not _classifies(key, model):
            raise DataError(f"{file} has nothing for {key!r} of {model.spec.title}")
    model.load_state_dict(fitting, strict=False)
    return Account(table.source if table else "InceptionLab", tuple(fitting), tuple(dropped), tuple(new))


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file by key. No code in it is run. Raises `DataError` for what cannot be read."""
    if not path.is_file():
        raise DataError(f"{path} is not a file of weights")
    try:
        if path.suffix == ".safetensors":
            return cast(Any, safetensors_torch).load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unusual pickle protocol: it loads or is refused all the same
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile file fails in many ways; each is the same news
        raise DataError(f"{path} cannot be read as weights: {(str(error) or repr(error)).splitlines()[0]}") from None
    return _tensors(path, content)


def _tensors(path: Path, content: Any) -> dict[str, Tensor]:
    """The tensors by name in what a file held, or under "state_dict" or "model" in it."""
    for name in ("state_dict", "model"):
        content = cast(dict[str, Any], content).get(name, content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path} holds {type(cast(object, content)).__name__}, not weights by name")
    state = {str(key).removeprefix("module."): value for key, value in cast(dict[str, Any], content).items()}
    wrong = next((key for key, value in state.items() if not isinstance(value, Tensor)), None)
    if wrong is not None:
        raise DataError(f"{path}: {wrong!r} is {type(state[wrong]).__name__}, not a tensor")
    return state


def _fitted(value: Tensor, own: Tensor, classifier: bool) -> Tensor | None:
    """The tensor in our shape, without the background class of 1001, or None where it does not fit."""
    if value.shape == own.shape:
        return value
    if classifier and value.shape[0] == 1001 and own.shape[0] == 1000:
        return value[1:]
    same = value.numel() == own.numel() and value.shape[:2] == own.shape[:2]  # 1x1 filters stored as matrices
    return value.reshape(own.shape) if same else None


def _classifies(key: str, model: InceptionNetwork) -> bool:
    """Whether a key belongs to a layer whose width is the number of classes: the last one of a head."""
    heads = [model.spec.head.children[-1][0]]
    heads += [f"{aux.name}.{aux.head.children[-1][0]}" for aux in model.spec.aux]
    return any(key.startswith(f"{head}.") for head in heads)


def _tops(keys: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(key.partition(".")[0] for key in keys))
