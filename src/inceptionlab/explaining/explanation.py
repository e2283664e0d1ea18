"""The answers of a network to images with what speaks for them: maps by several methods, and what each is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from inceptionlab.errors import ConfigError, nearest
from inceptionlab.explaining.attribution import AttributionMaps, attribution_maps
from inceptionlab.explaining.faithfulness import Curves, Faithfulness, faithfulness, random_curves
from inceptionlab.explaining.options import Method, Question, Settings
from inceptionlab.explaining.randomisation import Randomisation, randomisation
from inceptionlab.explaining.verdicts import Verdict, verdict

TOP = 5
"""Classes that are told of an answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """What speaks for (above 0) and against the class `label` in an image: `map` in the size of the network's input.

    `target` is the class's number and `probability` the network's; `node` is what was looked at, "" for the input, and
    `grid` (rows, columns) how finely: a node's map is enlarged.
    """

    map: Float[np.ndarray, "h w"]
    method: Method
    node: str
    grid: tuple[int, int]
    target: int
    label: str
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A map with what it was tested by."""

    attribution: Attribution
    faithfulness: Faithfulness
    randomisation: Randomisation
    verdict: Verdict

    def as_record(self) -> dict[str, Any]:
        """The numbers and the verdict."""
        curves, chance, likeness = self.faithfulness.curves, self.faithfulness.chance_mean, self.randomisation.whole
        return {
            "deletion": curves.deletion_area, "insertion": curves.insertion_area,
            "random_deletion": chance.deletion_area, "random_insertion": chance.insertion_area,
            "p": self.faithfulness.p, "random_weights": {k: v for k, v in asdict(likeness).items() if k != "node"},
            "holds": self.verdict.holds, "verdict": self.verdict.words,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """The answer to the image `name`: its pixels as the network saw them, the likeliest classes with their
    probabilities, a map per method, and what the maps were tested by, if it was asked for.
    """

    name: str
    pixels: UInt8[np.ndarray, "h w c"]
    top: tuple[tuple[str, float], ...]
    maps: tuple[Attribution, ...]
    judged: tuple[Judged, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """All but the pixels, for JSON."""
        tests = [one.as_record() for one in self.judged] or [dict[str, Any]() for _ in self.maps]
        return {
            "path": self.name, "top": [{"label": label, "probability": share} for label, share in self.top],
            "maps": [
                {"method": one.method, "node": one.node, "grid": one.grid, "target": one.target, "label": one.label,
                 "probability": one.probability, **test}
                for one, test in zip(self.maps, tests, strict=True)
            ],
        }  # fmt: skip


def class_number(target: str | int, classes: Sequence[str]) -> int:
    """The number of a class that is given by its name or its number. Raises `ConfigError` with the nearest names."""
    if isinstance(target, str) and target in classes:
        return classes.index(target)
    if str(target).isdecimal() and int(target) < len(classes):
        return int(target)
    if isinstance(target, int) or target.lstrip("-").isdecimal():
        raise ConfigError(f"there is no class {target}; the network has the classes 0 to {len(classes) - 1}")
    raise ConfigError(f"the network knows no class {target!r}; {nearest(target, classes)}")


def attributions(found: AttributionMaps, classes: Sequence[str]) -> list[Attribution]:
    """The maps of a batch as a record for each image."""
    shares = found.logits.softmax(1)
    return [
        Attribution(one.cpu().numpy(), found.method, found.node, found.grid, target, classes[target],
                    float(shares[i, target]))
        for i, (one, target) in enumerate(zip(found.maps, map(int, found.targets), strict=True))
    ]  # fmt: skip


def explanations(
    network: nn.Module,
    x: Float[Tensor, "b c h w"],
    classes: Sequence[str],
    seen: Sequence[tuple[str, UInt8[np.ndarray, "h w c"]]],
    question: Question,
    settings: Settings | None = None,
) -> list[Explanation]:
    """What is asked about the answers to images that are prepared for a network; `seen` are their names and pixels."""
    number = None if question.target is None else class_number(question.target, classes)
    targets = None if number is None else torch.full((len(x),), number)
    found = [attribution_maps(network, x, method, targets, question.node, settings) for method in question.method]
    records = [attributions(one, classes) for one in found]
    judged = _judged(network, x, found, records, settings) if question.scores else [()] * len(x)
    shares = found[0].logits.softmax(1)
    return [
        Explanation(name, pixels, _top(shares[i], classes), tuple(one[i] for one in records), judged[i])
        for i, (name, pixels) in enumerate(seen)
    ]


def _top(shares: Float[Tensor, " classes"], classes: Sequence[str]) -> tuple[tuple[str, float], ...]:
    best = shares.topk(min(TOP, len(shares)))
    return tuple((classes[int(i)], float(share)) for share, i in zip(best.values, best.indices, strict=True))


def _judged(
    network: nn.Module, x: Tensor, found: list[AttributionMaps], records: list[list[Attribution]],
    settings: Settings | None,
) -> list[tuple[Judged, ...]]:  # fmt: skip
    """Every map of every image tested; random maps of a grid are run once an image."""
    weights = [randomisation(network, x, one, settings) for one in found]
    rows: list[tuple[Judged, ...]] = []
    for i in range(len(x)):
        image, known, row = x[i : i + 1], dict[tuple[int, int], tuple[Curves, ...]](), list[Judged]()
        for one, record, random in zip(found, records, weights, strict=True):
            target = record[i].target
            if one.grid not in known:
                known[one.grid] = random_curves(network, image, target, one.grid)
            faith = faithfulness(network, image, one.maps[i], target, one.grid, known[one.grid])
            row.append(Judged(record[i], faith, random[i], verdict(one.maps[i], faith, random[i])))
        rows.append(tuple(row))
    return rows
