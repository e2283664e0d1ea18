"""`inceptionlab predict`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from inceptionlab.exporting.about import EngineName


def predict(
    run: Path, *images: Path, top: int = 5, device: Literal["cpu", "cuda", "mps"] = "cpu",
    engine: EngineName | None = None, json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:  # fmt: skip
    """Show the likeliest classes of images by a trained network, prepared as the network was trained.

    Parameters
    ----------
    run
        A run folder, as train printed it, a file that import-weights wrote, NAME@WEIGHTS (see list --pretrained), or a
        file that export wrote (.onnx, .xml, .pt2).
    images
        Image files.
    top
        How many classes to show.
    device
        "cpu", "cuda" or "mps".
    engine
        What runs the network: "torch" rewritten for speed, "onnxruntime", "openvino", "auto" for the one measured to be
        fastest here (default: the network as it is, which starts soonest; of an exported file, its usual engine).
    json_
        Print an array of objects.
    """
    from dataclasses import asdict

    from inceptionlab.cli.tables import show_predictions
    from inceptionlab.runs import prediction

    trained = prediction.load(run, device, engine)
    results = prediction.predict(trained, list(images), top)
    if trained.engine and trained.engine.why:
        print(f"engine: {trained.engine.name}, {trained.engine.why}", file=sys.stderr)
    if json_:
        print(json.dumps([asdict(result) for result in results], indent=1, ensure_ascii=False))
    else:
        show_predictions(results)
