"""`inceptionlab predict`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def predict(
    run: Path, *images: Path, top: int = 5, device: Literal["cpu", "cuda", "mps"] = "cpu",
    engine: Literal["auto", "torch", "onnxruntime", "openvino", ""] = "",
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:  # fmt: skip
    """Show the likeliest classes of images by a trained network, prepared as the network was trained.

    Parameters
    ----------
    run
        A run folder, as train printed it, a file that import-weights wrote, or NAME@WEIGHTS (see list --pretrained).
    images
        Image files.
    top
        How many classes to show.
    device
        "cpu", "cuda" or "mps".
    engine
        What runs the network: "torch" rewritten for speed, "onnxruntime", "openvino", "auto" for the one measured to be
        fastest here (default: the network as it is, which starts soonest).
    json_
        Print an array of objects.
    """
    from dataclasses import asdict

    from inceptionlab.runs import prediction

    trained = prediction.load_run(run, device)
    trained = prediction.with_engine(trained, engine)[0] if engine else trained
    results = prediction.predict(trained, list(images), top)
    if json_:
        print(json.dumps([asdict(result) for result in results], indent=1, ensure_ascii=False))
        return
    for result in results:
        print(result.path)
        for one in result.top:
            print(f"  {one.probability:7.2%}  {one.label}")
