"""`inceptionlab evaluate`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from inceptionlab.runs.options import Device, Machine


@dataclass(frozen=True)
class Options:
    """What is tried beside the plain test."""

    crops: int = 1
    """Crops of each image, mirror images among them: 1, 10, 12 or 144 (the papers')."""
    ensemble: tuple[Path, ...] = ()
    """More runs of the same classes, whose probabilities are averaged with this one's; may be repeated."""
    temperature: bool = False
    """Fit a temperature on the run's validation images and show what calibration gains."""
    corruptions: bool = False
    """Test on noisy, blurred, brightened, flattened and compressed images too."""
    engine: Literal["auto", "torch", "onnxruntime", "openvino", ""] = ""
    """What runs the plain test: "torch" rewritten for speed, "onnxruntime", "openvino", "auto" for the fastest here."""


def evaluate(
    run: Path, *, data: str | None = None, device: Device = "auto", limit_test: int | None = None,
    data_dir: Path | None = None, json_: Annotated[bool, Parameter(name="--json")] = False,
    options: Annotated[Options | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Test a trained network: accuracy with its interval, calibration, and each class.

    Parameters
    ----------
    run
        A run folder, a file that import-weights wrote, or NAME@WEIGHTS (see list --pretrained).
    data
        Other data (default: those of the run).
    device
        "auto", "cpu", "cuda" or "mps".
    limit_test
        Use only so many test images (default: as in training).
    data_dir
        Folder of named data sets.
    json_
        Print one object with the numbers, the classes and the confusion matrix.
    options
        What is tried beside the plain test.
    """
    from inceptionlab.cli.tables import show_evaluation
    from inceptionlab.evaluation.protocol import Protocol
    from inceptionlab.runs.evaluating import evaluate

    chosen = options or Options()
    protocol = Protocol(chosen.crops, chosen.temperature, chosen.corruptions, limit_test)  # type: ignore[arg-type]
    found = evaluate(run, protocol, data, chosen.ensemble, chosen.engine or None, Machine(device, data_dir))
    print(json.dumps(found.as_record(), indent=1)) if json_ else show_evaluation(found)
