"""`inceptionlab evaluate`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from inceptionlab.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from inceptionlab.data.dataset import DataSet, Pictures
    from inceptionlab.evaluation.metrics import Score
    from inceptionlab.runs.prediction import Trained


@dataclass(frozen=True)
class Protocol:
    """What is tried beside the plain test."""

    crops: int = 1
    """Crops of each picture, mirror images among them: 1, 10, 12 or 144 (the papers')."""
    ensemble: tuple[Path, ...] = ()
    """More runs of the same classes, whose probabilities are averaged with this one's; may be repeated."""
    temperature: bool = False
    """Fit a temperature on the run's validation pictures and show what calibration gains."""
    corruptions: bool = False
    """Test on noisy, blurred, brightened, flattened and compressed pictures too."""
    engine: Literal["auto", "torch", "onnxruntime", "openvino", ""] = ""
    """What runs the plain test: "torch" rewritten for speed, "onnxruntime", "openvino", "auto" for the fastest here."""


def evaluate(
    run: Path, *, data: str | None = None, device: str = "auto", limit_test: int | None = None,
    data_dir: Path | None = None, json_: Annotated[bool, Parameter(name="--json")] = False,
    protocol: Annotated[Protocol | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Test a trained network: accuracy with its interval, calibration, and each class.

    Parameters
    ----------
    run
        A run folder, or a file that import-weights wrote.
    data
        Other data (default: those of the run).
    device
        "auto", "cpu", "cuda" or "mps".
    limit_test
        Use only so many test pictures (default: as in training).
    data_dir
        Folder in which named data sets are looked for.
    json_
        Print one object with the numbers, the classes and the confusion matrix.
    protocol
        What is tried beside the plain test.
    """
    from inceptionlab.data.registry import load_data
    from inceptionlab.evaluation.predictions import BATCH
    from inceptionlab.runs.fitting import make_fabric
    from inceptionlab.runs.prediction import load_run, with_engine

    chosen = protocol or Protocol()
    if chosen.crops not in (1, 10, 12, 144):
        raise DataError(f"--crops {chosen.crops}: give 1, 10, 12 or 144")
    fabric, _ = make_fabric(device, "fp32")
    trained = load_run(run, str(fabric.device))
    if chosen.engine:
        trained, _ = with_engine(trained, chosen.engine, batch=BATCH)
    source = data or (trained.setup.data if trained.setup else "")
    if not source:
        raise DataError(f"{run} was not trained here; say with --data what to test it on")
    loaded = load_data(source, trained.network.spec.input, data_dir)
    if loaded.test.classes != trained.classes:
        raise DataError(f"{loaded.name} has the classes {loaded.test.classes}, the run has {trained.classes}")
    pictures = loaded.test.limited(limit_test or (trained.setup.limit_test if trained.setup else None))
    record, logits = _plain(trained, pictures.to(fabric.device))
    record |= _more(chosen, trained, loaded, pictures, logits, [load_run(path) for path in chosen.ensemble])
    print(json.dumps(record, indent=1)) if json_ else _show(record)


def _plain(trained: Trained, pictures: Pictures) -> tuple[dict[str, Any], Tensor]:
    """The test as training does it."""
    from inceptionlab.evaluation.metrics import confusion, per_class, score

    logits, labels = _logits(trained, pictures), pictures.labels.cpu()
    counts = confusion(logits, labels).tolist()
    record = {**score(logits, labels).as_record(), "classes": per_class(logits, labels, trained.classes)}
    return {**record, "confusion": counts}, logits


def _logits(trained: Trained, pictures: Pictures) -> Tensor:
    from inceptionlab.evaluation.predictions import logits_of

    mirror = trained.setup is not None and trained.setup.recipe.mirror
    return logits_of(trained.run, pictures, trained.network.spec.input, mirror=mirror)


def _more(
    chosen: Protocol, trained: Trained, loaded: DataSet, pictures: Pictures, logits: Tensor, others: list[Trained]
) -> dict[str, Any]:
    """What the protocol asks for beside the plain test."""
    more: dict[str, Any] = {}
    if chosen.crops > 1 or others:
        more["views"] = _views(chosen, [trained, *others], pictures, logits)
    if chosen.temperature:
        more["temperature"] = _temperature(trained, loaded, logits, pictures.labels)
    if chosen.corruptions:
        more["corruptions"] = _corruptions(trained, pictures)
    return more


def _views(chosen: Protocol, members: list[Trained], pictures: Pictures, plain: Tensor) -> dict[str, Any]:
    """The test over crops and networks, its cost and its gain over the plain one."""
    from inceptionlab.evaluation.metrics import gain, score
    from inceptionlab.evaluation.views import probabilities

    for other in members:
        if other.classes != members[0].classes:
            raise DataError(f"the ensemble has networks of the classes {members[0].classes} and {other.classes}")
    networks = [(member.network, member.network.spec.input) for member in members]
    found = probabilities(networks, pictures, chosen.crops)  # type: ignore[arg-type]
    difference = gain(plain.argmax(1) == pictures.labels, found.argmax(1) == pictures.labels)
    result = score(found.clamp_min(1e-12).log(), pictures.labels).as_record()
    passes = chosen.crops * len(members)
    return {**result, "forward_passes": passes, "gain": difference[0], "gain_low": difference[1],
            "gain_high": difference[2]}  # fmt: skip


def _temperature(trained: Trained, loaded: DataSet, logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """The temperature of the validation pictures, and calibration on the test before and after it."""
    from inceptionlab.evaluation.calibration import fitted_temperature
    from inceptionlab.evaluation.metrics import score
    from inceptionlab.runs.setup import training_and_validation

    if trained.setup is None:
        raise DataError("a temperature needs the validation pictures of a run; these weights were imported")
    _, validation = training_and_validation(loaded, trained.setup)
    temperature = fitted_temperature(_logits(trained, validation), validation.labels)
    before, after = score(logits, labels), score(logits / temperature, labels)
    return {"temperature": temperature, "n": len(validation), "ece": [before.ece, after.ece],
            "loss": [before.loss, after.loss]}  # fmt: skip


def _corruptions(trained: Trained, pictures: Pictures) -> list[dict[str, Any]]:
    """The accuracy for each corruption and severity."""
    from inceptionlab.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupted
    from inceptionlab.evaluation.metrics import score

    def tested(kind: str, severity: int) -> Score:
        return score(_logits(trained, corrupted(pictures, kind, severity)), pictures.labels)

    return [
        {"kind": kind, "severity": severity, **tested(kind, severity).as_record()}
        for kind in CORRUPTIONS
        for severity in SEVERITIES
    ]


def _accuracy(record: dict[str, Any]) -> str:
    return f"{record['top1']:.2%} (95 % interval {record['top1_low']:.2%} to {record['top1_high']:.2%})"


def _show(record: dict[str, Any]) -> None:
    print(f"top-1 {_accuracy(record)}")
    print(f"top-5 {record['top5']:.2%}   loss {record['loss']:.4f}   calibration error {record['ece']:.2%}   "
          f"n {record['n']:,}")  # fmt: skip
    width = max(len(row["label"]) for row in record["classes"])
    print(f"{'class':{width}}  precision  recall     F1      n")
    for row in record["classes"]:
        numbers = f"{row['precision']:9.1%} {row['recall']:7.1%} {row['f1']:6.1%} {row['n']:6,}"
        print(f"{row['label']:{width}}  {numbers}")
    if "views" in record:
        found = record["views"]
        print(f"with {found['forward_passes']} forward passes a picture: top-1 {_accuracy(found)}")
        print(f"  gain {100 * found['gain']:+.2f} points ({100 * found['gain_low']:+.2f} to "
              f"{100 * found['gain_high']:+.2f}, paired)")  # fmt: skip
    if "temperature" in record:
        found = record["temperature"]
        (before, after), (loss, new) = found["ece"], found["loss"]
        print(f"temperature {found['temperature']:.3f}, fitted on {found['n']:,} validation pictures: "
              f"calibration error {before:.2%} to {after:.2%}, loss {loss:.4f} to {new:.4f}")  # fmt: skip
    for row in record.get("corruptions", []):
        print(f"{row['kind']:>10} {row['severity']}  top-1 {_accuracy(row)}")
