"""Which engine runs a network: the one that is asked for, or ("auto") the one measured to be fastest here."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import cast

import msgspec
import torch
from torch import Tensor

from inceptionlab import storage
from inceptionlab.errors import ConfigError, StorageError, counted
from inceptionlab.exporting.engines import Engine, EngineName, installed, one_engine, open_engine
from inceptionlab.exporting.optimizing import optimize
from inceptionlab.exporting.writers import written
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.spec.codec import dumps
from inceptionlab.storage import cache_folder

ROUNDS = 5
Times = dict[str, dict[str, float]]
"""The median seconds of each engine, by the network, the batch and the threads."""


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
        fast = optimize(network, example_of(network, batch).to(device))
        return Engine("torch", "fp32", fast, why=f"the one that runs on {device.type}" if name == "auto" else "")
    if name != "auto":
        return _made(network, name, batch)
    notes, key = cache_folder("engines") / "fastest.json", f"{key_of(network)} {batch} {torch.get_num_threads()}"
    known = _read(notes)
    if not known.get(key, {}).keys() & set(installed()):
        known[key] = timed(network, batch)
        _write(notes, known)
    times = {one: seconds for one, seconds in known[key].items() if one in installed()}
    return replace(_made(network, min(times, key=lambda one: times[one]), batch), why=_why(times, batch))


@torch.inference_mode()
def timed(network: InceptionNetwork, batch: int = 1) -> dict[str, float]:
    """The median seconds of each engine on `batch` random images, all measured in turn."""
    x = torch.randn(batch, *network.spec.input.shape, generator=torch.Generator().manual_seed(0))
    engines = [_made(network, name, batch) for name in installed()]
    times: dict[str, list[float]] = {engine.name: [] for engine in engines}
    for number in range(ROUNDS + 1):
        for engine in engines:
            began = time.perf_counter()
            engine.run(x)
            if number:  # the first round warms up
                times[engine.name].append(time.perf_counter() - began)
    return {name: median(found) for name, found in times.items()}


def _why(times: Mapping[str, float], batch: int) -> str:
    """What speaks for the fastest of some engines, in words."""
    order = sorted(times, key=lambda name: times[name])
    measured = ", ".join(f"{name} {1000 * times[name]:.3g} ms" for name in order)
    return f"the fastest here in batches of {counted(batch, 'image')} ({measured})"


def _made(network: InceptionNetwork, name: str, batch: int) -> Engine:
    if name == "torch":
        return Engine("torch", "fp32", optimize(network, example_of(network, batch)))
    path = cache_folder("engines") / f"{key_of(network)}.onnx"
    if not path.exists():
        partial = path.with_name(f".{path.stem}.{os.getpid()}.onnx")
        written(network, "onnx", partial)
        partial.replace(path)
    return open_engine(path, cast(EngineName, name))


def example_of(network: InceptionNetwork, batch: int) -> Tensor:
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


def _read(path: Path) -> Times:
    try:
        return msgspec.convert(storage.read_json(path), Times)
    except (StorageError, msgspec.ValidationError):  # damaged, or what another version wrote
        return {}


def _write(path: Path, known: Times) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.write_json(path, known)
    except OSError:
        pass  # measured again the next time; a StorageError is one too
