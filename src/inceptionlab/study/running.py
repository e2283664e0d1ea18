"""The runs of a study, each in a folder named by the hash of what defines it: only what is missing is computed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inceptionlab.data.sources import load_data
from inceptionlab.errors import InceptionLabError, RunError
from inceptionlab.geometry import measure
from inceptionlab.study.design import Study, label
from inceptionlab.training import files
from inceptionlab.training.log import read_metrics
from inceptionlab.training.loop import Listeners
from inceptionlab.training.run import Machine, Setup, train


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a study: its cell, seed and folder; `record` is its test, or `error` the reason why there is none."""

    cell: dict[str, str]
    seed: int
    folder: Path
    setup: Setup
    record: dict[str, Any] | None = None
    error: str = ""


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


def run_study(
    study: Study,
    out: Path,
    machine: Machine,
    say: Callable[[str], None] = print,
    stop: Callable[[], bool] = lambda: False,
) -> list[Run]:
    """Train what is missing, one run after the other. A run that fails is noted with its reason and the rest goes on;
    it is tried again the next time. Killed at any moment, the next call goes on with the step under way.
    """
    data, began = load_data(study.data, study.spec(study.cells()[0]).input, machine.data_dir), time.monotonic()
    runs = runs_of(study, out)
    missing = [run for run in runs if run.record is None]
    say(f"{study.name}: {len(runs)} runs, {len(runs) - len(missing)} done before")
    for done, run in enumerate(missing, 1):
        what = f"{label(run.cell)}, seed {run.seed}"
        try:
            (run.folder / "error.json").unlink(missing_ok=True)
            score = train(run.setup, run.folder, machine, Listeners(say=say, stop=stop), data)
            outcome = f"top-1 {score.top1:.2%}"
        except KeyboardInterrupt:
            raise
        except (InceptionLabError, RuntimeError, MemoryError, OSError) as error:
            outcome = _note(run, error)
        left = (time.monotonic() - began) / done * (len(missing) - done)
        say(f"{done}/{len(missing)}  {what}: {outcome}   about {left / 60:.0f} min left")
    return runs_of(study, out)


def _note(run: Run, error: BaseException) -> str:
    """Write why a run failed."""
    reason = str(error) or repr(error)
    run.folder.mkdir(parents=True, exist_ok=True)
    files.write_json(run.folder / "error.json", {"error": reason})
    return f"failed: {reason.splitlines()[0]}"


def costs_of(run: Run) -> dict[str, float]:
    """Parameters, multiply-adds and training seconds of a run."""
    measured = measure(run.setup.spec)
    seconds = sum(float(record["seconds"]) for record in read_metrics(run.folder))
    return {"params": measured.params, "macs": measured.macs, "seconds": round(seconds, 1)}


def require(runs: list[Run]) -> list[Run]:
    """The runs that have a test. Raises `RunError` where none has."""
    finished = [run for run in runs if run.record is not None]
    if not finished:
        raise RunError("no run of the study is finished yet; start it with inceptionlab study run")
    return finished
