"""`inceptionlab predict`."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from inceptionlab.exporting.about import EngineName


@dataclass(frozen=True)
class By:
    """What computes, and in which language ImageNet's classes are named."""

    engine: EngineName | None = None
    """What runs the network: "torch" rewritten for speed, "onnxruntime", "openvino", "auto" for the one measured to be
    fastest here (default: the network as it is, which starts soonest; of an exported file, its usual engine)."""
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    """"cpu", "cuda" or "mps"."""
    batch_size: int = 32
    """Images that are run at a time."""
    workers: int = 0
    """Threads that decode images while the network runs (0: as many as cores)."""
    data_dir: Path | None = None
    """Folder in which named data sets are looked for."""
    lang: Literal["en", "zh"] = "en"
    """Language of the names of ImageNet's classes: "en" or, Chinese, "zh"."""


def predict(
    run: Path, *images: str, top: int | None = None, threshold: float = 0.0,
    csv: Annotated[bool, Parameter(name="--csv")] = False, json_: Annotated[bool, Parameter(name="--json")] = False,
    by: Annotated[By | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Show the likeliest classes of images by a trained network, prepared as the network was trained.

    Goes on past images that cannot be read, and says which. Exit code 1 where there were some, 2 where none could be
    read.

    Parameters
    ----------
    run
        A run folder, as train printed it, a file that import-weights wrote, NAME@WEIGHTS (see list --pretrained), or a
        file that export wrote (.onnx, .xml, .pt2).
    images
        Image files, folders (images in them and below them), patterns in quotes ("photos/**/*.jpg"), http and https
        addresses, .parquet files, sets by name (cifar10#test) or of the hub (hf:OWNER/NAME#SPLIT); "-" for standard
        input: an image, or names of files and addresses one a line, as its first bytes tell.
    top
        How many classes to show (default: 5; 1 in CSV and in the table of more than 10 images).
    threshold
        Leave out classes less likely than this, a probability from 0 to 1.
    csv
        Print rows: path, rank, label, probability, error.
    json_
        Print an object a line for each image: its path, its classes and the engine, or its path and an error.
    by
        What computes, and in which words.
    """
    from inceptionlab.cli.prediction_words import FEW, HEADER, show_predictions, words_of
    from inceptionlab.data.image_sets import gathered
    from inceptionlab.errors import ConfigError
    from inceptionlab.runs.predicting import check_numbers, predictions
    from inceptionlab.runs.prediction import load
    from inceptionlab.zoo.imagenet import translate_classes

    how = by or By()
    if csv and json_:
        raise ConfigError("--csv and --json are two forms of one output; give one of them")
    check_numbers(5 if top is None else top, threshold, how.batch_size, how.workers)
    found = gathered(images, how.data_dir)
    trained = load(run, how.device, how.engine, min(how.batch_size, found.count))
    trained = replace(trained, classes=translate_classes(trained.classes, how.lang))
    if trained.engine and trained.engine.why:
        print(f"engine: {trained.engine.name}, {trained.engine.why}", file=sys.stderr)
    form = "csv" if csv else "json" if json_ else "table" if found.count > FEW else "list"
    answers = predictions(
        trained, found, top or (1 if form in ("csv", "table") else 5), threshold, how.batch_size, how.workers
    )
    if csv:
        print(HEADER)
    with closing(answers):
        failed = show_predictions(answers, words_of(form, found, threshold), found.count)
    if failed:
        sys.exit(1)
