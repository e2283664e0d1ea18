"""`inceptionlab serve`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def serve(
    run: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    batch: int = 8,
    device: str = "cpu",
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = "auto",
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Answer over HTTP: a page for people at /, and JSON for programs at /predict, /model and /health.

    A program sends an image file as the body, answered by an object (curl --data-binary @cat.jpg
    http://127.0.0.1:8000/predict?top=3), or files as a form, answered by an array with their names (curl -F file=@a.jpg
    -F file=@b.jpg http://127.0.0.1:8000/predict).

    Parameters
    ----------
    run
        A run folder, as train printed it, a file that import-weights wrote, or NAME@WEIGHTS (see list --pretrained).
    host
        The address to listen on; "0.0.0.0" answers other machines too, whoever they are.
    port
        0 takes any free one.
    batch
        The most images that run at once; requests that wait at the same time are one batch.
    device
        "cpu", "cuda" or "mps".
    engine
        What runs the network: "torch" rewritten for speed, "onnxruntime", "openvino", or "auto", the one measured to be
        fastest here.
    json_
        Print an object with the address, the engine and why it was chosen.
    """
    from inceptionlab.runs.prediction import load_run, with_engine
    from inceptionlab.web.serving import serve

    trained, name = with_engine(load_run(run, device), engine)

    why = trained.engine.why if trained.engine is not None else ""

    def ready(address: str) -> None:
        words = f"{address}   ({trained.network.spec.title} by {name}{f', {why}' if why else ''}; Ctrl-C ends it)"
        print(json.dumps({"address": address, "engine": name, "why": why}) if json_ else words, flush=True)

    serve(trained, name, host, port, batch, ready)
