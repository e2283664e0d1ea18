"""The log of a run: a line of `metrics.jsonl` and `metrics.csv` per epoch, and TensorBoard's where it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from inceptionlab.errors import MissingExtra
from inceptionlab.runs.folder import RunFolder
from inceptionlab.training.records import Epoch

OnEpoch = Callable[[Epoch], None]


class MetricsLog:
    """Writes down each epoch as it ends."""

    def __init__(self, folder: RunFolder, tensorboard: bool) -> None:
        self.folder = folder
        self.writer = _tensorboard(folder) if tensorboard else None

    def before(self, then: OnEpoch) -> OnEpoch:
        """A callback that notes an epoch and then calls another."""

        def note(epoch: Epoch) -> None:
            self.add(epoch)
            then(epoch)

        return note

    def add(self, epoch: Epoch) -> None:
        """Note an epoch."""
        self.folder.add_epoch(epoch)
        if self.writer is not None:
            for name, value in asdict(epoch).items():
                if value is not None:
                    self.writer.add_scalar(name, value, epoch.epoch)
            self.writer.flush()


def _tensorboard(folder: RunFolder) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtra("TensorBoard", "tensorboard") from None
    return SummaryWriter(str(folder.path / "tensorboard"))
