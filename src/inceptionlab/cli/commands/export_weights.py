"""`inceptionlab export-weights`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def export_weights(
    run: Path, *, to: Literal["torchvision", "timm"],
    out: Annotated[Path, Parameter(alias="-o")] = Path("weights.safetensors"),
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
    """
    from inceptionlab.runs.prediction import load_run
    from inceptionlab.storage import write_tensors
    from inceptionlab.weights.exporting import export_weights as exported

    network = load_run(run).network
    image = network.spec.input
    write_tensors(out, exported(network, to))
    print(f"{to}'s {network.spec.title}: input {image.order}, mean {image.mean}, std {image.std}")
    print(out)
