"""Training as a command shows it: a bar on a terminal, the score at the end, and how to go on where it stopped."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

from torch import distributed

from inceptionlab.cli.stopping import StopSignal
from inceptionlab.data.dataset import DataSet
from inceptionlab.errors import ConfigError
from inceptionlab.runs import testing
from inceptionlab.runs.folder import RunFolder
from inceptionlab.runs.options import Machine
from inceptionlab.runs.progress import first_process, progress_bar
from inceptionlab.runs.sentences import closing, outcome
from inceptionlab.runs.setup import Setup
from inceptionlab.training.allocation import launched


def train_and_show(
    setup: Setup, folder: Path, machine: Machine, data: DataSet | None, as_json: bool = False
) -> None:  # fmt: skip
    """Train with a bar on the terminal, and print the score and the run folder, or one object of them."""
    with launched(bool(machine.grad_checkpoint)), StopSignal() as stop, progress_bar(setup, stop) as callbacks:
        score = testing.train(setup, folder, machine, callbacks, data)
    if first_process() and score is not None and as_json:
        print(json.dumps(outcome(RunFolder(folder)), ensure_ascii=False))
    elif first_process() and score is not None:
        print(closing(RunFolder(folder)))
        print(f"report: {folder / 'report.html'}")
        print(folder)
    elif first_process():
        print(f"stopped; go on with: inceptionlab train --resume {folder}", file=sys.stderr)
    if distributed.is_initialized():
        _leave(0 if score is not None else 130)
    if score is None:
        raise KeyboardInterrupt


def _leave(code: int) -> NoReturn:
    """End one of several processes without the destructors of torch's threads: one of them aborts now and then, when
    all is done and written.
    """
    distributed.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def say(sentence: str) -> None:
    """Tell a person something, in one process of several."""
    if first_process():
        print(sentence, file=sys.stderr)


def refuse_beside(option: str, why: str, given: list[str]) -> None:
    """Refuse options that would not be read beside another one. Raises `ConfigError`."""
    if given:
        raise ConfigError(f"{', '.join(given)} would not be read: {option} {why}")


def given_options(*options: object, **values: object) -> list[str]:
    """The names of options that were given: of plain ones, and of dataclasses' fields that are not their defaults."""
    names = [name for name, value in values.items() if value is not None]
    for one in options:
        names += [field.name for field in fields(one) if getattr(one, field.name) != field.default]  # type: ignore[arg-type]
    return [f"--{name.strip('_').replace('_', '-')}" for name in names]
