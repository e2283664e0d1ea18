"""Which engine runs a network: the one that is asked for, or ("auto") the one measured to be fastest here."""

from __future__ import annotations

import hashlib
import json
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import get_args

import torch
from torch import Tensor

from inceptionlab.errors import RunError, nearest
from inceptionlab.exporting.engines import EngineName, Runner, run_onnxruntime, run_openvino
from inceptionlab.exporting.optimizing import optimize
from inceptionlab.exporting.writers import facts_of, write_onnx
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.optimization.exactness import FOR_ENGINES, exact
from inceptionlab.spec.codec import dumps
from inceptionlab.storage import cache_folder

ROUNDS = 5


def installed() -> list[str]:
    """The engines that can run here."""
    writing = find_spec("onnx") and find_spec("onnxscript")
    return ["torch", *(name for name in ("onnxruntime", "openvino") if writing and find_spec(name))]


def runner(network: InceptionNetwork, engine: EngineName, batch: int = 1) -> tuple[Runner, str]:
    """(what runs a network, the engine's name). Exported files are kept in the user's cache, and so is what "auto" came
    to on this machine for a network and a batch.
    """
    if engine not in get_args(EngineName):
        raise RunError(f"there is no engine {engine!r}; {nearest(engine, get_args(EngineName))}")
    device = next(network.parameters()).device
    if device.type != "cpu":
        if engine not in ("auto", "torch"):
            raise RunError(f"{engine} runs on the CPU here; give --device cpu, or --engine torch")
        return optimize(network, _example(network, batch).to(device)), "torch"
    if engine != "auto":
        return _made(network, engine, batch), engine
    notes, key = cache_folder() / "engines" / "fastest.json", f"{key_of(network)} {batch} {torch.get_num_threads()}"
    known = _read(notes)
    if known.get(key) not in installed():
        known[key] = fastest(network, batch)
        _write(notes, known)
    return _made(network, known[key], batch), known[key]


@torch.inference_mode()
def fastest(network: InceptionNetwork, batch: int = 1) -> str:
    """The engine with the smallest median time on random pictures, all measured in turn."""
    x = torch.randn(batch, *network.spec.input.shape)
    runners = {name: _made(network, name, batch) for name in installed()}
    times: dict[str, list[float]] = {name: [] for name in runners}
    for number in range(ROUNDS + 1):
        for name, run in runners.items():
            began = time.perf_counter()
            run(x)
            if number:  # the first round warms up
                times[name].append(time.perf_counter() - began)
    return min(times, key=lambda name: median(times[name]))


def _made(network: InceptionNetwork, engine: str, batch: int) -> Runner:
    if engine == "torch":
        return optimize(network, _example(network, batch))
    path = cache_folder() / "engines" / f"{key_of(network)}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        write_onnx(exact(network, FOR_ENGINES), network.spec.input.shape, facts_of(network, ()), partial)
        partial.rename(path)
    return run_onnxruntime(path) if engine == "onnxruntime" else run_openvino(path)


def _example(network: InceptionNetwork, batch: int) -> Tensor:
    """One picture or two, which says as much as a large batch."""
    return torch.zeros(min(batch, 2), *network.spec.input.shape)


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
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write(path: Path, known: dict[str, str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known, indent=1), encoding="utf-8")
    except OSError:
        pass  # measured again the next time
