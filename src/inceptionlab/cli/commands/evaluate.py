"""`inceptionlab evaluate`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.evaluation.options import Protocol
from inceptionlab.exporting.about import EngineName
from inceptionlab.runs.options import Device, Machine


@dataclass(frozen=True)
class By:
    """What computes the test."""

    engine: EngineName | None = None
    """What runs the plain test: "torch" rewritten for speed, "onnxruntime", "openvino", "auto" for the fastest here
    (default: the network as it is; of an exported file, its usual engine)."""
    device: Device = "auto"
    """"auto", "cpu", "cuda" or "mps"."""
    data_dir: Path | None = None
    """Folder in which named data sets are looked for."""


def evaluate(
    run: Path, *, data: str | None = None, ensemble: tuple[Path, ...] = (), predictions: Path | None = None,
    protocol: Annotated[Protocol | None, Parameter(name="*")] = None,
    by: Annotated[By | None, Parameter(name="*")] = None, json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:  # fmt: skip
    """Test a trained network: accuracy with its interval, calibration, and each class, the worst first.

    Parameters
    ----------
    run
        A run folder, a file that import-weights wrote, NAME@WEIGHTS (see list --pretrained), or a file that export
        wrote (.onnx, .xml, .pt2).
    data
        Other data with the same classes (default: those of the run).
    ensemble
        More runs of the same classes, whose probabilities are averaged with this one's; may be repeated.
    predictions
        A file for what was predicted on each image, by the image's name: .csv.
    protocol
        What is tested, and what is tried beside the plain test.
    by
        What computes it.
    json_
        Print one object with the numbers, the classes, the confusion matrix and the answer on each image.
    """
    from inceptionlab.cli.tables import ending, show_evaluation
    from inceptionlab.evaluation.answers import answers_csv
    from inceptionlab.runs.evaluating import evaluate
    from inceptionlab.storage import write

    where = by or By()
    if predictions is not None:
        ending(predictions, ".csv", "the predictions")
    found = evaluate(run, protocol, data, ensemble, where.engine, Machine(where.device, where.data_dir))
    if predictions is not None:
        write(predictions, answers_csv(found.answers))
    if found.engine_why:
        print(f"engine: {found.engine}, {found.engine_why}", file=sys.stderr)
    print(json.dumps(found.as_record(), indent=1, ensure_ascii=False)) if json_ else show_evaluation(found)
