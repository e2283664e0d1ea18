"""`inceptionlab evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.errors import DataError


def evaluate(
    run: Path, *, data: str | None = None, device: str = "auto", limit_test: int | None = None,
    data_dir: Path | None = None, json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:  # fmt: skip
    """Test a trained network on the test set of its data, or of other data with the same classes.

    Parameters
    ----------
    run
        A run folder, as train printed it.
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
    """
    from inceptionlab.data.sources import load_data
    from inceptionlab.evaluation.logits import logits_of
    from inceptionlab.evaluation.metrics import confusion, per_class, score
    from inceptionlab.prediction import load_run
    from inceptionlab.training.run import make_fabric

    fabric, _ = make_fabric(device, "fp32")
    trained = load_run(run, str(fabric.device))
    source = data or (trained.setup.data if trained.setup else "")
    if not source:
        raise DataError(f"{run} was not trained here; say with --data what to test it on")
    picture = trained.network.spec.input
    loaded = load_data(source, picture, data_dir)
    if loaded.test.classes != trained.classes:
        raise DataError(f"{loaded.name} has the classes {loaded.test.classes}, the run has {trained.classes}")
    pictures = loaded.test.limited(limit_test or (trained.setup.limit_test if trained.setup else None)).to(
        fabric.device
    )
    logits = logits_of(trained.network, pictures, picture)
    labels = pictures.labels.cpu()
    result, rows = score(logits, labels), per_class(logits, labels, trained.classes)
    if json_:
        counts = confusion(logits, labels).tolist()
        print(json.dumps({**result.as_record(), "classes": rows, "confusion": counts}, indent=1))
        return
    print(f"top-1 {result.top1:.2%} (95 % interval {result.top1_low:.2%} to {result.top1_high:.2%})")
    print(f"top-5 {result.top5:.2%}   loss {result.loss:.4f}   calibration error {result.ece:.2%}   n {result.n:,}")
    width = max(len(row["label"]) for row in rows)
    print(f"{'class':{width}}  precision  recall     F1      n")
    for row in rows:
        numbers = f"{row['precision']:9.1%} {row['recall']:7.1%} {row['f1']:6.1%} {row['n']:6,}"
        print(f"{row['label']:{width}}  {numbers}")
