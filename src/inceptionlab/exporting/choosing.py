"""Which engine runs a network: the one that is asked for, or ("auto") the one measured to be fastest here."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from statistics import median
from typing import Any, cast

import torch
from torch import Tensor

from inceptionlab import storage
from inceptionlab.errors import ConfigError, StorageError
from inceptionlab.exporting.engines import Engine, EngineName, installed, one_engine, open_engine
from inceptionlab.exporting.optimizing import optimize
from inceptionlab.exporting.writers import written
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.spec.codec import dumps
from inceptionlab.storage import cache_folder

ROUNDS = 5


def engine_of(network: InceptionNetwork, name: EngineName, batch: int = 1) -> Engine:
    """What runs a network in batches of `batch`. Exported files are kept in the user's cache, and so is what "auto"
    came to on this machine for a network and a batch.

    Raises `ConfigError` for an unknown engine or one that does not run on the network's device.
    """
    one_engine(name)
    device = next(network.parameters()).device
    if device.type != "cpu":
        if name not in ("auto", "torch"):
            raise ConfigError(f"{name} runs on the CPU here; give --device cpu, or --engine torch")
        return Engine("torch", "fp32", optimize(network, _example(network, batch).to(device)))
    if name != "auto":
        return _made(network, name, batch)
    notes, key = cache_folder("engines") / "fastest.json", f"{key_of(network)} {batch} {torch.get_num_threads()}"
    known = _read(notes)
    if known.get(key) not in installed():
        known[key] = fastest(network, batch)
        _write(notes, known)
    return _made(network, known[key], batch)


@torch.inference_mode()
def fastest(network: InceptionNetwork, batch: int = 1) -> str:
    """The engine with the smallest median time on random images, all measured in turn."""
    x = torch.randn(batch, *network.spec.input.shape, generator=torch.Generator().manual_seed(0))
    engines = [_made(network, name, batch) for name in installed()]
    times: dict[str, list[float]] = {engine.name: [] for engine in engines}
    for number in range(ROUNDS + 1):
        for engine in engines:
            began = time.perf_counter()
            engine.run(x)
            if number:  # the first round warms up
                times[engine.name].append(time.perf_counter() - began)
    return min(times, key=lambda name: median(times[name]))


def _made(network: InceptionNetwork, name: str, batch: int) -> Engine:
    if name == "torch":
        return Engine("torch", "fp32", optimize(network, _example(network, batch)))
    path = cache_folder("engines") / f"{key_of(network)}.onnx"
    if not path.exists():
        partial = path.with_name(f".{path.stem}.{os.getpid()}.onnx")
        written(network, "onnx", partial)
        partial.replace(path)
    return open_engine(path, cast(EngineName, name))


def _example(network: InceptionNetwork, batch: int) -> Tensor:
    """One image or two, which says as much as a large batch."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(min(batch, 2), *network.spec.input.shape, generator=generator)


def key_of(network: InceptionNetwork) -> str:
    """Hexadecimal digits that identify a network with its weights."""
    content = hashlib.sha256(dumps(network.spec).encode())
    for value in network.state_dict().values():
        content.update(_bytes(value))
    return content.hexdigest()[:24]


def _bytes(value: Tensor) -> memoryview:
    return value.detach().cpu().contiguous().view(-1).numpy().data


def _read(path: Path) -> dict[str, str]:
    try:
        found: Any = storage.read_json(path)
    except StorageError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(key): str(name) for key, name in cast(dict[object, object], found).items()}


def _write(path: Path, known: dict[str, str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.write_json(path, known)
    except OSError:
        pass  # measured again the next time; a StorageError is one too
