"""The page of a network's branches: their work, their fields over an image, their maps, and the first filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from inceptionlab.errors import counted
from inceptionlab.explaining.branches import BranchWork
from inceptionlab.explaining.maps import FeatureMaps
from inceptionlab.explaining.receptive import EffectiveField
from inceptionlab.report.branches import branch_figure
from inceptionlab.report.fields import field_figure
from inceptionlab.report.page import Table, render
from inceptionlab.report.sheets import filters_figure, maps_figure


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """All that the page shows: the work of the branches; of the module `node` the branches' fields and maps; the fields
    of the network's modules, the first filters, and the image that maps and fields are drawn over. `images` says which
    images they are from.
    """

    work: BranchWork
    node: str
    fields: Sequence[EffectiveField]
    modules: Sequence[EffectiveField]
    maps: Sequence[FeatureMaps]
    filters: Float[np.ndarray, "out c h w"]
    image: UInt8[np.ndarray, "h w c"]
    images: str


@dataclass(frozen=True, slots=True)
class BranchesView:
    """The branches as texts and figures."""

    title: str
    about: str
    accuracy: str
    silence: str
    node: str
    work: str
    numbers: Table
    fields: str
    modules: Table
    averaged: str
    maps: str
    filters: str
    kind: str = "Branches"
    trial: str = ""


def branches_html(looked: Looked) -> str:
    """The page as text. It loads nothing from elsewhere."""
    return render("branches.html", branches_view(looked))


def branches_view(looked: Looked) -> BranchesView:
    """What the templates show, for a page that shows more than branches too."""
    work = looked.work
    return BranchesView(
        f"The branches of {work.title}", looked.images, f"{work.accuracy:.2%}",
        "its mean" if work.silence == "mean" else "zero", looked.node, branch_figure(work).svg, _numbers(work),
        field_figure(looked.fields, looked.image).svg, _modules(looked.modules),
        counted(looked.modules[0].images, "image"), maps_figure(looked.maps, looked.image).svg,
        filters_figure(looked.filters).svg,
    )  # fmt: skip


def _numbers(work: BranchWork) -> Table:
    heads = (
        "branch",
        "what",
        "parameters",
        "multiply-adds",
        "energy, %",
        "gradient, %",
        "points lost",
        "95 % interval",
    )
    return Table(heads, [
        (one.address, one.what, f"{one.params:,}", f"{one.macs:,}", f"{100 * one.shares.energy:.1f}",
         f"{100 * one.shares.gradient:.1f}", f"{100 * one.lost:+z.2f}",
         f"{100 * one.low:+z.2f} to {100 * one.high:+z.2f}")
        for one in work.branches
    ], (0, 1))  # fmt: skip


def _modules(fields: Sequence[EffectiveField]) -> Table:
    return Table(("node", "what", "theoretical, px", "50 % of the energy, px", "95 %, px", "reach, px"), [
        (one.node, one.what, f"{one.height} × {one.width}", f"{one.half:.1f}", f"{one.most:.1f}",
         f"{one.reach:.1f}")
        for one in fields
    ], (0, 1))  # fmt: skip
