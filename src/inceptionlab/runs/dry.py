"""What a training would be: its network, its images and its steps, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from textwrap import wrap
from typing import Any

import torch

from inceptionlab.analysis.geometry import measure
from inceptionlab.data.batches import batch_sizes
from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.errors import counted
from inceptionlab.runs.folder import RunFolder, run_folder
from inceptionlab.runs.setup import Setup, load_of, training_and_validation
from inceptionlab.spec.network import Input
from inceptionlab.training.cost import in_words, training_flop
from inceptionlab.training.recipe import Recipe

SHOWN = 12
"""Classes of a part that are named with their images."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the data: its images, and how many each class has."""

    name: str
    images: int
    classes: Mapping[str, int]

    def __str__(self) -> str:
        few = len(self.classes) <= SHOWN
        low, high = min(self.classes.values()), max(self.classes.values())
        each = ", ".join(f"{name}: {n:,}" for name, n in self.classes.items()) if few else f"{low:,} to {high:,} each"
        return f"  {self.name:11}{counted(self.images, 'image')} of {_classes(len(self.classes))}, {each}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training would be. `steps` are those of an epoch, `flop` the operations of all; `left_out` names images
    that cannot be read.
    """

    network: str
    params: int
    macs: int
    input: Input
    data: str
    note: str
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]
    recipe: Recipe
    steps: int
    folder: str
    is_trial: bool
    flop: int

    def as_record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"parts": [asdict(part) for part in self.parts]}

    def __str__(self) -> str:
        recipe = self.recipe
        every = self.steps * recipe.epochs
        settings = ", ".join(f"{name} {_plain(value)}" for name, value in asdict(recipe).items() if name != "augment")
        changes = ", ".join(f"{name} {_plain(value)}" for name, value in asdict(recipe.augment).items())
        left_out = f"; {counted(len(self.left_out), 'image')} left out that cannot be read" if self.left_out else ""
        return "\n".join([
            f"network  {self.network}: {self.params:,} parameters, {self.macs:,} MACs",
            f"input    {_input(self.input)}",
            f"data     {self.data} ({self.note}{left_out})",
            *map(str, self.parts),
            *wrap(f"recipe   {settings}", 110, subsequent_indent=" " * 9),
            *wrap(f"augment  {changes}", 110, subsequent_indent=" " * 9),
            f"steps    {self.steps:,} per epoch, {counted(recipe.epochs, 'epoch')}, {every:,} in all",
            f"cost     {in_words(self.flop)} of training",
            f"folder   {self.folder}",
            *(["a trial: it uses a part of the images, so its accuracy says little"] if self.is_trial else []),
            "nothing was trained; leave out --dry-run to train",
        ])  # fmt: skip


def plan(
    setup: Setup,
    folder: RunFolder | Path | str | None = None,
    data: DataSet | None = None,
    data_dir: Path | None = None,
) -> Plan:
    """What training with a setup would be: nothing is trained or written, and no test image is looked at.

    `folder` is where the run would go (default: runs/ with the setup's key); `data` are loaded by their name where they
    are not handed over. Raises what the beginning of a training does.
    """
    loaded, network = data or load_of(setup, data_dir), measure(setup.spec)
    training, validation = training_and_validation(loaded, setup)
    test = loaded.test.limited(setup.limit_test)
    parts = [_part(*one) for one in (("training", training), ("validation", validation), ("test", test))]
    steps = ceil(len(batch_sizes(len(training), setup.recipe.batch_size)) / setup.recipe.accumulate)
    place = run_folder(folder or Path("runs") / setup.key).path
    return Plan(
        setup.spec.title, network.params, network.macs, setup.spec.input, loaded.name, loaded.note, tuple(parts),
        loaded.left_out, setup.recipe, steps, str(place), setup.is_trial,
        training_flop(setup.spec, setup.recipe, len(training)),
    )  # fmt: skip


def _part(name: str, samples: Samples) -> Part:
    found = torch.bincount(samples.labels.cpu(), minlength=len(samples.classes))
    counts = {label: int(n) for label, n in zip(samples.classes, found, strict=True)}
    return Part(name, len(samples), counts)


def _classes(count: int) -> str:
    return counted(count, "class", "classes")


def _input(taken: Input) -> str:
    mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (taken.mean, taken.std))
    crop = f"the middle {taken.crop:.1%} of the image" if taken.crop < 1 else "the whole image"
    return (
        f"{taken.height}x{taken.width} pixels, {'grey' if taken.channels == 1 else taken.order}: {crop}, "
        f"{taken.interpolation}; values of 0 to 1 minus ({mean}) over ({std})"
    )


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else '""' if value == "" else str(value)
