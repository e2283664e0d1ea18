"""`inceptionlab draw`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.analysis.drawing import scene
from inceptionlab.analysis.figures import USUAL, Look
from inceptionlab.cli.variant import Variant
from inceptionlab.report.diagrams import illegible, save_drawing
from inceptionlab.zoo.naming import is_place


def draw(
    name: str, *, node: str = "", depth: int = 8, out: Annotated[Path | None, Parameter(alias="-o")] = None,
    width: int | None = None, look: Annotated[Look, Parameter(name="*")] = USUAL,
    variant: Annotated[Variant | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Draw a network, or one of its modules, as SVG, PNG or PDF.

    Parameters
    ----------
    name
        A network: of the zoo, FILE.py:FUNCTION, FILE.json or a run folder, with or without rules.
    node
        The address of a node to draw instead of the whole.
    depth
        Blocks deeper than this are one box each.
    out
        The file to write, an SVG, PNG or PDF by its ending; by default an SVG named for the network.
    width
        The width of a PNG in pixels; twice the drawing's own by default.
    look
        How it is drawn.
    variant
        Changes of the network.
    """
    network = (variant or Variant()).of(name)
    title = network.name if is_place(name) else name.partition("|")[0].strip()
    file = "".join(c if c.isalnum() or c in "._-" else "-" for c in ".".join([title, node] if node else [title]))
    path = out or Path(f"{file}.svg")
    print(save_drawing(network, path, node, depth, look, width))
    if path.suffix.lower() == ".png" and (words := illegible(scene(network, node, depth, look), width)):
        print(f"the smallest letters of {path.name} are {words}", file=sys.stderr)
