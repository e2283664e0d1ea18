"""What training tells: an epoch, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch that has ended. Losses are means over images, `val_top1` is a share of 1, `lr` is that of the last step.

    `seconds` are those of training alone.
    """

    epoch: int
    step: int
    train_loss: float
    val_loss: float
    val_top1: float
    lr: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """How training ended: after so many epochs, with the best validation accuracy after epoch `best_epoch` (from 1), or
    because it was asked to stop.
    """

    epochs: int
    best_epoch: int
    best_top1: float
    stopped: bool = False
