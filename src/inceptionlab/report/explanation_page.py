"""The page of an explanation: each image, the likeliest classes, the maps over it, and what the maps are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from inceptionlab.errors import counted
from inceptionlab.explaining.explanation import Attribution, Explanation, Judged
from inceptionlab.explaining.faithfulness import CHANCES, STEPS, Curves
from inceptionlab.explaining.options import Method, Question
from inceptionlab.explaining.randomisation import ALIKE
from inceptionlab.explaining.verdicts import signed
from inceptionlab.report.branches_page import BranchesView, Looked, branches_view
from inceptionlab.report.figures import BLUE, GREY, ORANGE, figure_svg, legend_above
from inceptionlab.report.overlays import enlarged, overlay
from inceptionlab.report.page import Table, image_source, render

WIDEST = 448
"""Pixels of the longer side of an overlay in the page."""
ANSWERS: dict[Method, str] = {
    "grad-cam": "Where the class is seen: the node's maps, weighed by their mean gradients.",
    "grad-cam++": "The same with weights that find several objects of a class.",
    "layer-cam": "Where the class is seen, cell by cell, so that early nodes are sharp too.",
    "integrated-gradients": "Which pixels moved the logit on the way from the mean image to this one.",
    "occlusion": "What the logit loses when a window here is covered with the mean colour.",
}


@dataclass(frozen=True, slots=True)
class _Map:
    method: str
    place: str
    answers: str
    source: str
    words: str
    holds: bool | None


@dataclass(frozen=True, slots=True)
class _Share:
    label: str
    percent: str
    width: float
    asked: bool


@dataclass(frozen=True, slots=True)
class _Image:
    name: str
    source: str
    asked: str
    top: list[_Share]
    maps: list[_Map]
    scores: Table
    curves: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Page:
    title: str
    about: str
    images: list[_Image]
    facts: Table
    tests: str
    command: str
    branches: BranchesView | None = None
    kind: str = "Explanation"
    trial: str = ""


def explanation_html(
    title: str, source: str, question: Question, found: Sequence[Explanation], branches: Looked | None = None
) -> str:
    """The page as text. It loads nothing from elsewhere. `branches` are shown behind the images."""
    methods = ", ".join(question.method)
    return render("explanation.html", _Page(
        title=f"Why {title} answers as it does", about=f"{counted(len(found), 'image')} · {methods}" if found else "",
        images=[_image(one) for one in found],
        facts=Table((), _facts(title, source, branches), (0, 1)),
        tests=_tests() if question.scores else "", command=_command(source, question, found),
        branches=branches_view(branches) if branches else None,
    ))  # fmt: skip


def _facts(title: str, source: str, branches: Looked | None) -> list[tuple[str, str]]:
    weights = [("weights", source)] if source else []
    return [("network", title), *weights, *([("branches", branches.images)] if branches else [])]


def _image(one: Explanation) -> _Image:
    first = one.maps[0]
    verdicts = [judged.verdict for judged in one.judged] or [None] * len(one.maps)
    shown = [
        _Map(a.method, _place(a), ANSWERS[a.method], _address(overlay(one.pixels, a)),
             verdict.words if verdict else "", verdict.holds if verdict else None)
        for a, verdict in zip(one.maps, verdicts, strict=True)
    ]  # fmt: skip
    top = [_Share(label, f"{share:.2%}", 100 * share, label == first.label) for label, share in one.top]
    if not any(share.asked for share in top):
        top.append(_Share(first.label, f"{first.probability:.2%}", 100 * first.probability, True))
    return _Image(
        Path(one.name).name, _address(enlarged(one.pixels)), first.label, top, shown, _scores(one.judged),
        [(judged.attribution.method, _curves(judged)) for judged in one.judged],
    )  # fmt: skip


def _place(one: Attribution) -> str:
    rows, columns = one.grid
    return f"{one.node or 'input'}, {rows} × {columns} {'cells' if one.node else 'pixels'}"


def _address(image: Image.Image) -> str:
    pixels: UInt8[np.ndarray, "h w c"] = np.asarray(image)
    return image_source(pixels, WIDEST)


def _scores(judged: Sequence[Judged]) -> Table:
    heads = ("method", "deletion", "of random maps", "insertion", "of random maps", "p", "rank correlation", "SSIM")
    return Table(heads, [_row(one) for one in judged])


def _row(one: Judged) -> tuple[str, ...]:
    curves, chance, likeness = one.faithfulness.curves, one.faithfulness.chance_mean, one.randomisation.whole
    areas = (curves.deletion_area, chance.deletion_area, curves.insertion_area, chance.insertion_area)
    numbers = (*areas, one.faithfulness.p, likeness.sizes, likeness.similarity)
    return (one.attribution.method, *map(signed, numbers))


def _curves(one: Judged) -> str:
    """Deletion and insertion beside those of random maps."""
    at = [100 * i / STEPS for i in range(STEPS + 1)]

    def plot(axes: Any) -> None:
        for place, field, label, colour in zip(axes, ("deletion", "insertion"), ("taken away", "put back"),
                                               (ORANGE, BLUE), strict=True):  # fmt: skip
            chance = [getattr(random, field) for random in one.faithfulness.chance]
            low, high = np.min(chance, axis=0), np.max(chance, axis=0)
            place.fill_between(at, 100 * low, 100 * high, color=GREY, alpha=0.25, linewidth=0, label="random maps")
            curve: Curves = one.faithfulness.curves
            place.plot(at, [100 * p for p in getattr(curve, field)], color=colour, label="this map")
            place.set(xlabel=f"pixels {label}, %", ylabel="probability, %", ylim=(-2, 102), xlim=(0, 100))
            legend_above(place, 1)

    return figure_svg(5.1, 2.4, 2, plot)


def _tests() -> str:
    return (
        f"Deletion takes the pixels away in the order of a map, in {STEPS} steps; insertion puts them back into the "
        f"blurred image. The numbers are the mean probability of the class on the way: low for deletion and high for "
        f"insertion where the answer hangs on what the map marks (Petsiuk et al. 2018). {CHANCES} random maps of the "
        f"same grid say what chance does; p is how often they do as well. The last columns compare the map with those "
        f"of the same network with random weights (Adebayo et al. 2018): from a rank correlation of {ALIKE} it shows "
        f"the image, not what was learned; SSIM is their structural similarity."
    )


def _command(source: str, question: Question, found: Sequence[Explanation]) -> str:
    words = ["inceptionlab", "explain", source or "RUN", *(one.name for one in found)]
    words += [word for method in question.method for word in ("--method", method)] if found else []
    words += ["--node", question.node] if question.node is not None else []
    words += ["--target", question.target] if question.target is not None else []
    words += ["--scores"] if question.scores else []
    words += ["--branches", "--limit", str(question.limit)] if question.branches else []
    return " ".join(map(quote, [*words, *(["--data", question.data] if question.data else []), "-o", "page.html"]))
