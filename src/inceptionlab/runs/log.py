"""The log of a run: `metrics.jsonl`, one object an epoch, and TensorBoard's where it is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inceptionlab import storage
from inceptionlab.errors import RunError


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The epochs of `metrics.jsonl`; a last line that was cut off is left out."""
    path = folder / "metrics.jsonl"
    records: list[dict[str, Any]] = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records


class MetricsLog:
    """`metrics.jsonl`, one object an epoch, and TensorBoard's log where it is asked for."""

    def __init__(self, folder: Path, tensorboard: bool) -> None:
        self.folder = folder
        self.writer = _tensorboard(folder) if tensorboard else None

    def keep(self, epochs: int) -> None:
        """Drop what a killed process noted after the state that training goes on from."""
        records = [record for record in read_metrics(self.folder) if record["epoch"] <= epochs]
        storage.write(self.folder / "metrics.jsonl", "".join(json.dumps(record) + "\n" for record in records))

    def add(self, record: dict[str, Any]) -> None:
        """Note an epoch."""
        records = [*read_metrics(self.folder), record]
        storage.write(self.folder / "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in records))
        if self.writer is not None:
            for name, value in record.items():
                self.writer.add_scalar(name, value, record["epoch"])
            self.writer.flush()


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise RunError("TensorBoard is not installed: pip install 'inceptionlab[tensorboard]'") from None
    return SummaryWriter(str(folder / "tensorboard"))
