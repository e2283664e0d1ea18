"""`inceptionlab export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from inceptionlab.cli.variant import Variant
from inceptionlab.errors import DataError


def export(
    source: str, *, to: Literal["torch", "onnx", "openvino", "executorch"],
    output: Annotated[Path | None, Parameter(name=["--out", "--output", "-o"])] = None, int8: bool = False,
    pixels: bool = False, data_dir: Path | None = None, json_: Annotated[bool, Parameter(name="--json")] = False,
    variant: Annotated[Variant | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Write a network for another program, then run the file and print how far its logits are from the network's.

    Parameters
    ----------
    source
        A run folder, a file that import-weights wrote, NAME@WEIGHTS (see list --pretrained), or, with random weights,
        a network: of the zoo, FILE.py:FUNCTION or FILE.json.
    to
        "torch" (torch.export), "onnx", "openvino", or "executorch" (torch.export in core operators).
    output
        The file (default: beside the run, or the name in this folder).
    int8
        Quantise to 8 bits, calibrated on the run's training images (ONNX only); layers that cost agreement stay fp32.
    pixels
        The file takes pixels from 0 to 255 and normalises them itself (not with --int8).
    data_dir
        Folder in which named data sets are looked for.
    json_
        Print an object.
    variant
        Changes of a network without weights.
    """
    from inceptionlab.runs import exporting
    from inceptionlab.weights.fetching import is_remote

    place, named = Path(source), is_remote(source)
    if not named and not place.exists() and source.endswith(".safetensors"):
        raise DataError(f"{source} does not exist; give a run folder, a file of import-weights, or a network's name")
    trained = named or (place.exists() and place.suffix != ".json")
    given = place if trained else (variant or Variant()).of(source, aux=False)
    done = exporting.export(given, to, output, pixels, int8, data_dir)
    print(json.dumps(exporting.as_json(done), indent=1) if json_ else done)
