"""Whom training tells: its progress after every step, a record after every epoch; and who may stop it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inceptionlab.training.records import Epoch, Progress


def _no_step(progress: Progress, loss: float) -> None:
    """Nobody listens to steps."""


def _no_epoch(epoch: Epoch) -> None:
    """Nobody listens to epochs."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What training calls. In several processes each calls its own.

    - `on_step(progress, loss)` after every step, with the mean loss of the epoch so far; `progress` is the trainer's
      own and moves on;
    - `on_epoch(epoch)` after every epoch;
    - `say(sentence)` for what a person should know, such as a damaged state that was passed over;
    - `stop()` after every step: training ends there, with its state saved, once it gives true in any process.
    """

    on_step: Callable[[Progress, float], None] = _no_step
    on_epoch: Callable[[Epoch], None] = _no_epoch
    say: Callable[[str], None] = print
    stop: Callable[[], bool] = _never
