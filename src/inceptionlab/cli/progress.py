"""Training as a command shows it: a bar on a terminal, a line per epoch everywhere, the score at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import distributed

from inceptionlab.cli.stopping import StopSignal
from inceptionlab.data.dataset import DataSet
from inceptionlab.runs.options import Machine
from inceptionlab.runs.setup import Setup
from inceptionlab.runs.testing import train
from inceptionlab.training.allocation import launched
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.training.records import Epoch
from inceptionlab.training.records import Progress as Steps


def first_process() -> bool:
    """Whether this is the only process or the first one that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def progress_bar(setup: Setup, stop: Callable[[], bool]) -> Generator[Callbacks]:
    """Callbacks that draw a progress bar on a terminal, and print a line per epoch everywhere."""
    if not first_process():
        yield Callbacks(say=lambda _: None, stop=stop)
        return
    console = Console(stderr=True, soft_wrap=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(setup.spec.title, total=None)

        def step(now: Steps, loss: float) -> None:
            if now.batches:
                total, done = now.batches * setup.recipe.epochs, now.epoch * now.batches + now.batch
                words = f"epoch {now.epoch + 1}  loss {loss:.3f}"
                bar.update(task, completed=done, total=total, description=words)

        def epoch(one: Epoch) -> None:
            bar.console.print(
                f"epoch {one.epoch:>3}/{setup.recipe.epochs}  train loss {one.train_loss:.4f}  "
                f"val loss {one.val_loss:.4f}  val top-1 {one.val_top1:.2%}  {one.images_per_second:.0f} img/s",
                highlight=False,
            )

        yield Callbacks(step, epoch, lambda text: bar.console.print(text, highlight=False), stop)


def train_and_show(setup: Setup, folder: Path, machine: Machine, data: DataSet | None) -> None:
    """Train with a bar on the terminal, and print the score and the run folder."""
    with launched(bool(machine.grad_checkpoint)), StopSignal() as stop, progress_bar(setup, stop) as callbacks:
        score = train(setup, folder, machine, callbacks, data)
    if distributed.is_initialized():  # or a process may abort on its way out while another still computes
        distributed.destroy_process_group()
    if score is None:
        print(f"stopped; go on with: inceptionlab train --resume {folder}", file=sys.stderr)
        raise KeyboardInterrupt
    if distributed.is_initialized():  # or a process may abort on its way out while another still computes
        distributed.destroy_process_group()
    if first_process():
        print(score)
        print(f"report: {folder / 'report.html'}")
        print(folder)
