"""Which branch does the work, as one figure: a row per branch, below the name of its module."""

from __future__ import annotations

from typing import Any

from inceptionlab.explaining.branches import Branch, BranchWork
from inceptionlab.report.figures import BLUE, GREY, PAPER, Figure, short

ROW, GAP = 0.2, 0.35
"""Inches of a row, and the rows that a module is away from the one before it."""
PANELS = (("params", "parameters, %", GREY), ("macs", "multiply-adds, %", GREY), ("energy", "energy, %", BLUE),
          ("gradient", "gradient, %", BLUE))  # fmt: skip
"""The shares that are drawn as bars: what a branch costs, then what it says."""
ROOM = 134
"""Where an axis of per cent ends, so that the number of a full bar fits."""


def branch_figure(work: BranchWork) -> Figure:
    """All modules at once: of each branch its shares of the module's parameters, multiply-adds, activation energy and
    gradient, and the points of accuracy that are lost without it with their 95 % interval (filled: it leaves 0 out).
    """
    rows, heads = _rows(work)
    bottom = max(rows) + 0.5

    def plot(axes: Any) -> None:
        for place, (field, label, colour) in zip(axes, PANELS, strict=False):
            _bars(place, rows, field, colour)
            place.set(xlabel=label, xlim=(0, ROOM), xticks=[0, 50, 100])
        _losses(axes[-1], rows)
        for place in axes:
            place.set_ylim(bottom, -0.8)
            place.xaxis.tick_top()
            place.xaxis.set_label_position("top")
            for side, spine in place.spines.items():
                spine.set_visible(side == "top")
            place.set_yticks([])
            place.tick_params(length=2)
        _names(axes[0], rows, heads)

    return Figure(10.5, 0.8 + ROW * bottom, len(PANELS) + 1, plot)


def _rows(work: BranchWork) -> tuple[dict[float, Branch], dict[float, str]]:
    """The branches and the names of modules by how far down they stand, in rows."""
    rows, heads, y = dict[float, Branch](), dict[float, str](), 0.0
    for module, branches in work.modules.items():
        heads[y] = module
        rows.update({y + i: branch for i, branch in enumerate(branches, 1)})
        y += len(branches) + 1 + GAP
    return rows, heads


def _names(axes: Any, rows: dict[float, Branch], heads: dict[float, str]) -> None:
    axes.set_yticks([*heads, *rows], [*map(short, heads.values()), *(short(branch.name) for branch in rows.values())])
    axes.tick_params(axis="y", length=0)
    for label in axes.get_yticklabels()[: len(heads)]:
        label.set_fontweight("bold")


def _bars(axes: Any, rows: dict[float, Branch], field: str, colour: str) -> None:
    shares = [100 * getattr(branch.shares, field) for branch in rows.values()]
    axes.barh(list(rows), shares, height=0.62, color=colour, alpha=0.75)
    for y, share in zip(rows, shares, strict=True):
        axes.text(share + 3, y, f"{share:.0f}", va="center_baseline", fontsize=8)


def _losses(axes: Any, rows: dict[float, Branch]) -> None:
    axes.axvline(0, color=GREY, linewidth=0.8)
    for y, branch in rows.items():
        colour = BLUE if branch.matters else GREY
        axes.plot([100 * branch.low, 100 * branch.high], [y, y], color=colour, linewidth=1.4, solid_capstyle="butt")
        axes.plot([100 * branch.lost], [y], "o", color=colour, markersize=5,
                  markerfacecolor=colour if branch.matters else PAPER)  # fmt: skip
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -1), max(high, 1))
    axes.set_xlabel("accuracy lost without it, points")
