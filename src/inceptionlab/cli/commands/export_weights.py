"""`inceptionlab export-weights`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def export_weights(
    run: Path, *, to: Literal["torchvision", "timm"],
    out: Annotated[Path, Parameter(alias="-o")] = Path("weights.safetensors"),
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:  # fmt: skip
    """Write a network's weights under the names of torchvision or timm.

    Parameters
    ----------
    run
        A run folder, a file that import-weights wrote, or NAME@WEIGHTS (see list --pretrained).
    to
        The library that is to load them.
    out
        The file to write: .safetensors.
    json_
        Print an object of what was written and the input that it takes.
    """
    from inceptionlab.runs.prediction import load_run
    from inceptionlab.storage import write_tensors
    from inceptionlab.weights.exporting import export_weights as exported

    network = load_run(run).network
    image, tensors = network.spec.input, exported(network, to)
    write_tensors(out, tensors)
    if json_:
        written = {"library": to, "network": network.spec.title, "input": asdict(image), "written": list(tensors)}
        print(json.dumps(written | {"file": str(out)}, ensure_ascii=False))
        return
    print(f"{to}'s {network.spec.title}: input {image.order}, mean {image.mean}, std {image.std}")
    print(out)
