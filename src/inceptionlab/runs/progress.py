"""The progress of training, as people look at it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inceptionlab.data.progress import watched
from inceptionlab.runs.sentences import duration
from inceptionlab.runs.setup import Setup
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.training.records import Epoch
from inceptionlab.training.records import Progress as Steps


def first_process() -> bool:
    """Whether this is the only process or the first one that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def progress_bar(setup: Setup, stop: Callable[[], bool] = lambda: False) -> Generator[Callbacks]:
    """Callbacks for `fit` and `train` that draw a bar on a terminal and in a notebook, and print a line per epoch.

    `with progress_bar(setup) as callbacks: fit(setup, "runs/mine", callbacks=callbacks)`. `stop` may ask training to
    end after the step under way.
    """
    if not first_process():
        yield Callbacks(say=lambda _: None, stop=stop)
        return
    console = Console(stderr=True, soft_wrap=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not watched(console)) as bar:
        task = bar.add_task(setup.spec.title, total=None)

        def step(now: Steps, loss: float) -> None:
            if now.batches:
                total, done = now.batches * setup.recipe.epochs, now.epoch * now.batches + now.batch
                words = f"epoch {now.epoch + 1}  loss {loss:.3f}"
                bar.update(task, completed=done, total=total, description=words)

        def epoch(one: Epoch) -> None:
            bar.console.print(_line(one, setup), highlight=False)

        yield Callbacks(step, epoch, lambda text: bar.console.print(text, highlight=False), stop)


def _line(one: Epoch, setup: Setup) -> str:
    """An epoch in a line; a trial is called one."""
    learned = f" top-1 {one.train_top1:.2%}" if one.train_top1 is not None else ""
    trial = f"  (trial of {one.images:,} images)" if setup.is_trial else ""
    return (
        f"epoch {one.epoch:>3}/{setup.recipe.epochs}  train loss {one.train_loss:.4f}{learned}  "
        f"val loss {one.val_loss:.4f}  val top-1 {one.val_top1:.2%}  {one.images_per_second:.0f} img/s  "
        f"{duration(one.seconds)}{trial}"
    )
