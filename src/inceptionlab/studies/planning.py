"""What a study will cost before it begins: its cells, how their networks differ, and steps that were measured here."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from inceptionlab import rng
from inceptionlab.analysis.difference import diff
from inceptionlab.analysis.geometry import measure
from inceptionlab.data.registry import describe
from inceptionlab.errors import counted
from inceptionlab.nn.building import build
from inceptionlab.report.page import duration
from inceptionlab.runs.repeating import flat
from inceptionlab.runs.setup import Setup
from inceptionlab.studies.design import Study, label

LINES = 6
"""Lines of a difference that a planned cell shows."""
LARGEST_BATCH = 256
"""Images that a measured step trains on at most; a step on more takes proportionally longer."""
UNKNOWN = 50_000
"""Training images that are reckoned with where their number is not known."""


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell that a study will train: its network by title, with its parameters, multiply-adds and differences from the
    reference in nodes and settings; its runs, and the minutes that they all take by a step measured on the CPU.
    """

    cell: str
    spec: str
    params: int
    macs: int
    runs: int
    minutes: float
    diff: tuple[str, ...]

    def __str__(self) -> str:
        more = len(self.diff) - LINES
        lines = [
            self.cell,
            f"  {self.spec}   parameters {self.params:,}   MACs {self.macs:,}   {counted(self.runs, 'run')}, about "
            f"{duration(60 * self.minutes)}",
            *(f"    {line}" for line in self.diff[:LINES]),
            *([f"    … {more} more"] if more > 0 else []),
        ]
        return "\n".join(lines)


def plan(study: Study, data_dir: Path | None = None) -> list[PlannedCell]:
    """Every cell of a study with its costs; trains a step of each network to measure it."""
    reference = study.setup(study.reference, study.seeds[0])
    images = study.limit_train or describe(study.data, data_dir).train or UNKNOWN
    cells: list[PlannedCell] = []
    for cell in study.cells():
        setup = study.setup(cell, study.seeds[0])
        measured, minutes = measure(setup.spec), seconds_of(setup, images) * len(study.seeds) / 60
        cells.append(PlannedCell(label(cell), setup.spec.title, measured.params, measured.macs, len(study.seeds),
                                 round(minutes, 4), _changes(reference, setup)))  # fmt: skip
    return cells


def _changes(reference: Setup, setup: Setup) -> tuple[str, ...]:
    """What a cell changes in the network and in the recipe of the reference, a line each."""
    nodes, before, after = diff(reference.spec, setup.spec), flat(asdict(reference.recipe)), flat(asdict(setup.recipe))
    changed = [f"{name} {old} → {after[name]}" for name, old in before.items() if after[name] != old]
    return (*([] if nodes.equal else nodes.sentences), *changed) or ("the reference",)


def seconds_of(setup: Setup, images: int) -> float:
    """The seconds that a run on so many training images takes by a measured step."""
    recipe = setup.recipe
    steps = int(images * (1 - recipe.validation) / recipe.batch_size * recipe.epochs)
    size = min(recipe.batch_size, LARGEST_BATCH)
    return _seconds_per_step(setup, size) * recipe.batch_size / size * steps


def _seconds_per_step(setup: Setup, size: int) -> float:
    """The time of a training step on `size` images, measured after one that warms up."""
    seconds = 0.0
    with rng.scope(0, "study.plan"):  # dropout draws
        network = build(setup.spec).train()
        x = torch.randn(size, *setup.spec.input.shape).contiguous(memory_format=torch.channels_last)
        labels = torch.randint(setup.spec.classes, (size,))
        for _ in range(2):
            began = time.perf_counter()
            F.cross_entropy(network(x), labels).backward()
            seconds = time.perf_counter() - began
    return seconds
