"""`inceptionlab draw`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.analysis import drawing
from inceptionlab.cli.variant import Variant
from inceptionlab.errors import DataError


def draw(
    name: str, *, node: str = "", depth: int = 8, out: Annotated[Path | None, Parameter(alias="-o")] = None,
    variant: Annotated[Variant | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Draw a network, or one of its modules, as SVG.

    Parameters
    ----------
    name
        A network: of the zoo, FILE.py:FUNCTION, FILE.json or a run folder, with or without rules.
    node
        The address of a node to draw instead of the whole.
    depth
        Blocks deeper than this are one box each.
    out
        The file to write; NAME.svg by default.
    variant
        Changes of the network.
    """
    image = drawing.draw((variant or Variant()).of(name), node, depth)
    path = out or Path(f"{name.partition('|')[0].strip()}{'.' + node if node else ''}.svg")
    try:
        path.write_text(image, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} could not be written: {error}") from None
    print(path)
