"""`inceptionlab predict`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def predict(
    run: Path,
    *pictures: Path,
    top: int = 5,
    device: str = "cpu",
    engine: Literal["auto", "torch", "onnxruntime", "openvino", ""] = "",
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Show the likeliest classes of pictures by a trained network, prepared as the network was trained.

    Parameters
    ----------
    run
        A run folder, as train printed it, or a file that import-weights wrote.
    pictures
        Picture files.
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
    import inceptionlab.runs.prediction as prediction
    from inceptionlab.errors import DataError

    if not pictures:
        raise DataError("no picture was given; name at least one file after the run folder")
    if top < 1:
        raise DataError(f"--top {top}: ask for at least 1 class")
    trained = prediction.load_run(run, device)
    trained = prediction.with_engine(trained, engine)[0] if engine else trained
    results = prediction.predict(trained, list(pictures), top)
    if json_:
        print(json.dumps(results, indent=1, ensure_ascii=False))
        return
    for result in results:
        print(result["path"])
        for guess in result["top"]:
            print(f"  {guess['probability']:7.2%}  {guess['label']}")
