"""The runs of a study, each in a folder named by the hash of what defines it: only what is missing is computed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from inceptionlab import storage
from inceptionlab.analysis.geometry import measure
from inceptionlab.errors import InceptionLabError, RunError
from inceptionlab.nn.building import build
from inceptionlab.runs.folder import RunFolder
from inceptionlab.runs.options import Machine
from inceptionlab.runs.setup import Setup
from inceptionlab.runs.testing import train
from inceptionlab.spec.network import Network
from inceptionlab.studies.design import Study, label
from inceptionlab.training.callbacks import Callbacks


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a study: its cell, seed and folder; `record` is its test, or `error` the reason why there is none."""

    cell: dict[str, str]
    seed: int
    folder: Path
    setup: Setup
    record: dict[str, Any] | None = None
    error: str = ""


Outcome = tuple[Run, str]
"""A run that has ended, and what came out of it in words."""
Engine = Callable[[Sequence[Run]], Iterator[Outcome]]
"""What computes runs: it gives each as it ends, in any order."""


def runs_of(study: Study, out: Path) -> list[Run]:
    """Every run that the study asks for, seed by seed, with what stands in its folder."""
    return [_look(cell, seed, study, out) for seed in study.seeds for cell in study.cells()]


def _look(cell: dict[str, str], seed: int, study: Study, out: Path) -> Run:
    setup = study.setup(cell, seed)
    folder = out / "runs" / setup.key
    test, error = folder / "test.json", folder / "error.json"
    run = Run(cell, seed, folder, setup)
    if test.is_file():
        return replace(run, record=json.loads(test.read_text(encoding="utf-8")))
    return replace(run, error=json.loads(error.read_text(encoding="utf-8"))["error"]) if error.is_file() else run


def in_turn(machine: Machine, callbacks: Callbacks) -> Engine:
    """One run after the other, in this process."""

    def run(runs: Sequence[Run]) -> Iterator[Outcome]:
        for one in runs:
            yield one, execute(one.setup, one.folder, machine, callbacks)

    return run


def execute(setup: Setup, folder: Path, machine: Machine, callbacks: Callbacks) -> str:
    """Train a run and say what came out; a run that fails leaves its reason in `error.json`."""
    (folder / "error.json").unlink(missing_ok=True)
    try:
        score = train(setup, folder, machine, callbacks)
        if score is None:
            raise KeyboardInterrupt
        return f"top-1 {score.top1:.2%}"
    except (InceptionLabError, RuntimeError, MemoryError, OSError) as error:
        reason = str(error) or repr(error)
        folder.mkdir(parents=True, exist_ok=True)
        storage.write_json(folder / "error.json", {"error": reason})
        return f"failed: {reason.splitlines()[0]}"


def run_study(study: Study, out: Path, engine: Engine, say: Callable[[str], None] = print) -> list[Run]:
    """Train what is missing by an engine. A run that fails is noted with its reason and the rest goes on; it is tried
    again the next time. Killed at any moment, the next call goes on with the steps under way.
    """
    runs, began = runs_of(study, out), time.monotonic()
    missing = [run for run in runs if run.record is None]
    say(f"{study.name}: {len(runs)} runs, {len(runs) - len(missing)} done before")
    for done, (run, outcome) in enumerate(engine(missing), 1):
        left = (time.monotonic() - began) / done * (len(missing) - done)
        say(f"{done}/{len(missing)}  {label(run.cell)}, seed {run.seed}: {outcome}   about {left / 60:.0f} min left")
    return runs_of(study, out)


def where_it_stands(run: Run) -> tuple[int, float] | None:
    """(epochs done, validation accuracy) of a run by its folder, None before its first epoch."""
    metrics = RunFolder(run.folder).epochs()
    return (metrics[-1].epoch, metrics[-1].val_top1) if metrics else None


def costs_of(run: Run) -> dict[str, float]:
    """Parameters, multiply-adds, training seconds and milliseconds a step of a run, and the bytes that its network
    keeps for the backward pass of one picture, which is what limits the batch.
    """
    measured, metrics = measure(run.setup.spec), RunFolder(run.folder).epochs()
    seconds = sum(record.seconds for record in metrics)
    steps = max(1, metrics[-1].step) if metrics else 1
    return {
        "params": measured.params, "macs": measured.macs, "seconds": round(seconds, 1),
        "step_ms": round(1000 * seconds / steps, 2), "memory": kept_bytes(run.setup.spec),
    }  # fmt: skip


@lru_cache(maxsize=64)
def kept_bytes(spec: Network) -> int:
    """Bytes of activations that training keeps for the backward pass of one picture, in fp32."""
    network, kept = build(spec).train(), dict[int, int]()
    weights = {value.untyped_storage().data_ptr() for value in network.state_dict().values()}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    x = torch.zeros(2, *spec.input.shape)
    with saved_tensors_hooks(note, lambda tensor: tensor):
        out = network(x)  # held, or its storages would be used again
    del out
    return sum(kept.values()) // 2


def require(runs: list[Run]) -> list[Run]:
    """The runs that have a test. Raises `RunError` where none has."""
    finished = [run for run in runs if run.record is not None]
    if not finished:
        raise RunError("no run of the study is finished yet; start it with inceptionlab study run")
    return finished
