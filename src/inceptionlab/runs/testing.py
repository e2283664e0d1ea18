"""`test`: the one reading of a test set, and the report; `train`: `fit`, then `test`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import torch

from inceptionlab.data.dataset import DataSet
from inceptionlab.errors import RunError, counted
from inceptionlab.evaluation.answers import answers
from inceptionlab.evaluation.metrics import Score, score
from inceptionlab.evaluation.predictions import logits_of, view_count
from inceptionlab.report.charts import curves
from inceptionlab.report.run_page import Facts, RunReport, report_html
from inceptionlab.runs.beginning import readers_before
from inceptionlab.runs.fitting import fit, make_fabric
from inceptionlab.runs.folder import Blocks, Predictions, RunFolder, Tested, run_folder
from inceptionlab.runs.options import Machine
from inceptionlab.runs.prediction import load_trained
from inceptionlab.runs.repeating import command_of
from inceptionlab.runs.sentences import before_words
from inceptionlab.runs.setup import Setup, load_of, training_and_validation
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.training.cost import in_words, training_flop
from inceptionlab.training.records import Fitted


def train(
    setup: Setup, folder: RunFolder | Path | str, machine: Machine | None = None, callbacks: Callbacks | None = None,
    data: DataSet | None = None, auto_precision: str = "",
) -> Score | None:  # fmt: skip
    """Train, or go on training, in a folder; then test once and write the report. None where it was asked to stop.

    `data` is loaded by its name where it is not handed over; `auto_precision` is what precision "auto" comes to
    ("": what is faster here). Raises `RunError` for a folder that holds another or a finished run.
    """
    run, where = run_folder(folder), machine or Machine()
    loaded = data or load_of(setup, where.data_dir)
    if fit(setup, run, where, callbacks, loaded, auto_precision).stopped:
        return None
    if os.environ.get("RANK", "0") == "0":  # one process tests, the others wait for what it found
        _test(run, setup, loaded, where.device)
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
    return run.tested().score


def test(
    folder: RunFolder | Path | str, data: DataSet | None = None, device: str = "auto", blocks: Blocks | None = None
) -> Score:
    """Read the test set of a run that was fitted, once; write `test.json`, the predictions and the report.

    A run that was tested before gives what it found then. `blocks` are the factories of its `Block` nodes. Raises
    `RunError` where training has not ended.
    """
    run = run_folder(folder)
    return run.tested().score if run.is_tested else _test(run, run.setup(blocks), data, device)


def _test(run: RunFolder, setup: Setup, data: DataSet | None, device: str) -> Score:
    fitted, began = run.fitted(), run.environment()
    if fitted is None or began is None:
        raise RunError(f"{run.path} has not trained to its end; go on with --resume {run.path}")
    fabric, precision = make_fabric(device, began.precision)
    trained = load_trained(run, setup, fabric.device)
    loaded = data or load_of(setup)
    images = loaded.test.limited(setup.limit_test)
    flip, shift = setup.recipe.flip_tta, setup.recipe.shift_tta
    with fabric.autocast():
        logits = logits_of(trained.network, images, trained.preprocess, flip_tta=flip, shift_tta=shift)
    found = Predictions(logits, images.labels.cpu())
    result = score(found.logits, found.labels)
    before = readers_before(setup, began.data)
    tested = Tested(result, _selected(setup, fitted), setup.seed, precision, view_count(flip, shift), before)
    training, validation = (len(part) for part in training_and_validation(loaded, setup))
    about = Facts(
        run.path.name, f"{loaded.name} ({_words(loaded)})", tested.selected_by, asdict(run.config()), asdict(began),
        (training, validation), command_of(setup, run.path), before_words(before) if before else "", tested.views,
        f"{in_words(training_flop(setup.spec, setup.recipe, training, fitted.epochs))} of training",
    )  # fmt: skip
    epochs = [asdict(epoch) for epoch in run.epochs()]
    report = RunReport(result, logits, images, epochs, setup.spec, about)
    run.write_page(curves(epochs), report_html(report))
    run.write_answers(answers(logits, images))
    run.write_test(tested, found)
    return result


def _words(data: DataSet) -> str:
    """How the data came about."""
    left_out = f"; {counted(len(data.left_out), 'image')} left out that cannot be read" if data.left_out else ""
    return data.note + left_out


def _selected(setup: Setup, fitted: Fitted) -> str:
    if setup.recipe.select == "last":
        return f"last epoch ({fitted.epochs})"
    return f"best val_top1 ({fitted.best_top1:.4f}, epoch {fitted.best_epoch} of {fitted.epochs})"
