"""The runs of a study, each in a folder named by the hash of what defines it: only what is missing is computed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from inceptionlab import rng, storage
from inceptionlab.analysis.geometry import measure
from inceptionlab.decoding import decode
from inceptionlab.errors import InceptionLabError, RunError
from inceptionlab.evaluation.metrics import Score
from inceptionlab.nn.building import build
from inceptionlab.runs.fitting import device_of
from inceptionlab.runs.folder import RunFolder
from inceptionlab.runs.options import Machine
from inceptionlab.runs.setup import Setup
from inceptionlab.runs.testing import train
from inceptionlab.spec.network import Network
from inceptionlab.studies.design import Study, label
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.training.precision import fastest_precision


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a study: its cell, seed and folder; `score` is that of its test, or `error` the reason for none."""

    cell: dict[str, str]
    seed: int
    folder: Path
    setup: Setup
    score: Score | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of computing a run, in words; `stopped` where it was asked to stop before its end."""

    words: str
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the runs of a study agree upon: precision.json."""

    precision: Literal["fp32", "bf16"]


Engine = Callable[[Sequence[Run]], Iterator[tuple[Run, Outcome]]]
"""What computes runs: it gives each as it ends, in any order, and ends early where it is asked to stop."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a run cost: parameters and multiply-adds of its network, seconds of training, milliseconds per step, and the
    bytes that the network keeps for the backward pass of one image, which limit the batch.
    """

    params: int
    macs: int
    seconds: float
    step_ms: float
    memory: int


def runs_of(study: Study, out: Path) -> list[Run]:
    """Every run that the study asks for, seed by seed, with what stands in its folder."""
    return [_look(cell, seed, study, out) for seed in study.seeds for cell in study.cells()]


def _look(cell: dict[str, str], seed: int, study: Study, out: Path) -> Run:
    setup = study.setup(cell, seed)
    found = RunFolder(out / "runs" / setup.key)
    run = Run(cell, seed, found.path, setup)
    return replace(run, score=found.tested().score) if found.is_tested else replace(run, error=found.failure())


def in_turn(machine: Machine, callbacks: Callbacks) -> Engine:
    """One run after the other, in this process."""

    def run(runs: Sequence[Run]) -> Iterator[tuple[Run, Outcome]]:
        for one in runs:
            outcome = execute(one.setup, one.folder, machine, callbacks)
            yield one, outcome
            if outcome.stopped:
                return

    return run


def execute(setup: Setup, folder: Path, machine: Machine, callbacks: Callbacks) -> Outcome:
    """Train a run and say what came of it; a run that fails leaves its reason in its folder."""
    run = RunFolder(folder)
    run.forget_failure()
    try:
        auto = agreed_precision(folder.parents[1], machine.device) if setup.recipe.precision == "auto" else ""
        score = train(setup, run, machine, callbacks, auto_precision=auto)
    except (InceptionLabError, RuntimeError, MemoryError, OSError) as error:
        reason = str(error) or repr(error)
        run.write_failure(reason)
        return Outcome(f"failed: {reason.splitlines()[0]}")
    return Outcome("stopped", stopped=True) if score is None else Outcome(f"top-1 {score.top1:.2%}")


def agreed_precision(out: Path, device: str) -> str:
    """What precision "auto" comes to in all runs of the study in `out`, whichever machine and day computes them: what
    its first run came to, noted in precision.json. Raises `StorageError` where that cannot be read.
    """
    file = out / "precision.json"
    if not file.is_file():
        began = (run.environment() for run in map(RunFolder, sorted((out / "runs").glob("*"))) if _is_auto(run))
        first = next((one.precision for one in began if one is not None), "") or fastest_precision(device_of(device))
        out.mkdir(parents=True, exist_ok=True)
        storage.write_first(file, json.dumps({"precision": first}) + "\n")
    return decode(Agreed, storage.read_json(file), str(file), RunError).precision


def _is_auto(run: RunFolder) -> bool:
    return run.is_run and run.config().recipe.precision == "auto"


def run_missing(study: Study, out: Path, engine: Engine, say: Callable[[str], None] = print) -> bool:
    """Train what is missing by an engine; gives whether all of it was tried, and not stopped before.

    A run that fails is noted with its reason and the rest goes on; it is tried again the next time. Killed at any
    moment, the next call goes on with the steps under way.
    """
    runs, began = runs_of(study, out), time.monotonic()
    missing = [run for run in runs if run.score is None]
    say(f"{study.name}: {len(runs)} runs, {len(runs) - len(missing)} done before")
    done = 0
    for run, outcome in engine(missing):
        if outcome.stopped:
            continue
        done += 1
        left = (time.monotonic() - began) / done * (len(missing) - done)
        what = f"{label(run.cell)}, seed {run.seed}: {outcome.words}"
        say(f"{done}/{len(missing)}  {what}   about {left / 60:.0f} min left")
    return done == len(missing)


def where_it_stands(run: Run) -> tuple[int, float] | None:
    """(epochs done, validation accuracy) of a run by its folder, None before its first epoch."""
    epochs = RunFolder(run.folder).epochs()
    return (epochs[-1].epoch, epochs[-1].val_top1) if epochs else None


def costs_of(run: Run) -> Costs:
    """What a run cost, by its network and its log."""
    measured, epochs = measure(run.setup.spec), RunFolder(run.folder).epochs()
    seconds = sum(epoch.seconds for epoch in epochs)
    steps = max(1, epochs[-1].step) if epochs else 1
    return Costs(
        measured.params, measured.macs, round(seconds, 1), round(1000 * seconds / steps, 2), kept_bytes(run.setup.spec)
    )


@lru_cache(maxsize=64)
def kept_bytes(spec: Network) -> int:
    """Bytes of activations that training keeps for the backward pass of one image, in fp32."""
    with rng.scope(0, "study.kept_bytes"):  # dropout draws
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
    finished = [run for run in runs if run.score is not None]
    if not finished:
        raise RunError("no run of the study is finished yet; start it with inceptionlab study run")
    return finished
