"""The report of a run: one page from its accuracy to its worst mistakes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from jaxtyping import Float
from torch import Tensor

from inceptionlab.analysis.drawing import draw
from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import MeasuredNetwork, format_shape
from inceptionlab.analysis.words import describe
from inceptionlab.data.dataset import Samples
from inceptionlab.errors import counted
from inceptionlab.evaluation.metrics import ClassScore, Score, calibration, confusion, per_class, worst_mistakes
from inceptionlab.report import charts
from inceptionlab.report.page import Table, duration, image_source, moment, render
from inceptionlab.spec.network import Network

FIRST = 5
"""Classes that top-5 accuracy looks at; of five or fewer it says nothing."""
UNBALANCED = 1.5
"""Images of the largest class over those of the smallest from which the balanced accuracy is said."""


@dataclass(frozen=True, slots=True)
class Facts:
    """How a run came about: its name, its data in words, what selected its weights, its configuration and environment
    as they are stored, the images that it trained and validated on, the command that trains it again, who read the
    test set before, in words, how many views of a test image were averaged, and the arithmetic of training, in words.
    """

    run: str
    data: str
    selected_by: str
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    images: tuple[int, int] | None = None
    command: str = ""
    read_before: str = ""
    views: int = 1
    arithmetic: str = ""


@dataclass(frozen=True, slots=True)
class RunReport:
    """All that a report shows: the score, the logits and images it is from, the epochs, the network, the facts."""

    score: Score
    logits: Float[Tensor, "n c"]
    samples: Samples
    metrics: Sequence[Mapping[str, Any]]
    spec: Network
    facts: Facts


@dataclass(frozen=True, slots=True)
class _Mistake:
    label: str
    prediction: str
    probability: str
    name: str
    image: str


@dataclass(frozen=True, slots=True)
class _Page:
    kind: str
    title: str
    trial: str
    about: str
    accuracy: str
    interval: str
    images: str
    selected_by: str
    read_before: str
    cards: list[tuple[str, str]]
    facts: Table
    curves: list[str]
    epochs: Table
    classes: Table
    confusion: str
    calibration: str
    error: str
    mistakes: list[_Mistake]
    nodes: Table
    diagram: str
    command: str
    details: list[tuple[str, str]]


def report_html(report: RunReport) -> str:
    """The page as text. It loads nothing from elsewhere."""
    score, facts = report.score, report.facts
    labels, classes = report.samples.labels.cpu(), report.samples.classes
    measured, rows = measure(report.spec), per_class(report.logits, labels, classes)
    return render("run.html", _Page(
        kind="Training run", title=f"{report.spec.title} on {_data(facts)}", trial=_trial(report),
        about=f"{facts.run} · {moment(facts.environment['when'])} · {facts.environment['device']}",
        accuracy=f"{100 * score.top1:.2f}", interval=f"{100 * score.top1_low:.2f} to {100 * score.top1_high:.2f}",
        images=counted(score.n, "test image") + (f", {facts.views} views of each" if facts.views > 1 else ""),
        selected_by=_selection(report),
        read_before=facts.read_before,
        cards=_cards(report, rows), facts=Table((), _facts(report, measured), (0, 1)),
        curves=charts.curve_panels(report.metrics) if report.metrics else [], epochs=_epochs(report.metrics),
        classes=_classes(rows), confusion=charts.confusion_matrix(confusion(report.logits, labels), classes),
        calibration=charts.reliability(calibration(report.logits.softmax(1), labels)), error=f"{100 * score.ece:.2f}",
        mistakes=_mistakes(report), nodes=_nodes(measured), diagram=draw(report.spec, depth=2), command=facts.command,
        details=[("config", _json(facts.config)), ("environment", _json(facts.environment))],
    ))  # fmt: skip


def _data(facts: Facts) -> str:
    """The data's name; of a folder that is given by all of its path, the last part."""
    path = Path(facts.config["data"])
    return path.name if path.is_absolute() else str(facts.config["data"])


def _trial(report: RunReport) -> str:
    """What a run on a part of the images was limited to, "" for one on all."""
    config = report.facts.config
    limits = [(config.get("limit_train"), "training image"), (config.get("limit_test"), "test image")]
    return " and ".join(counted(limit, what) for limit, what in limits if limit)


def _selection(report: RunReport) -> str:
    """Which epoch's weights were tested, and after a semicolon who had read the test set before."""
    chosen, epochs = _chosen(report), len(report.metrics)
    _, semicolon, before = report.facts.selected_by.partition("; ")
    if not chosen:
        return report.facts.selected_by
    if report.facts.config.get("recipe", {}).get("select") == "last":
        return f"the last epoch, {epochs}{semicolon}{before}"
    best = f"the best validation accuracy ({chosen['val_top1']:.2%}, epoch {chosen['epoch']} of {epochs})"
    return f"{best}{semicolon}{before}"


def _cards(report: RunReport, rows: list[ClassScore]) -> list[tuple[str, str]]:
    """The numbers beside the accuracy."""
    score, known = report.score, [row for row in rows if row.n]
    sizes = [row.n for row in known]
    balanced = fmean(row.recall for row in known)
    chosen = _chosen(report)
    return [
        *([("top-5 accuracy", f"{score.top5:.2%}")] if len(rows) > FIRST else []),
        *([("balanced accuracy", f"{balanced:.2%}")] if max(sizes) > UNBALANCED * min(sizes) else []),
        *([("validation accuracy", f"{chosen['val_top1']:.2%}")] if chosen else []),
        *([("training accuracy", f"{chosen['train_top1']:.2%}")] if chosen.get("train_top1") is not None else []),
        ("test loss", f"{score.loss:.4f} nats"), ("calibration error", f"{score.ece:.2%}"),
    ]  # fmt: skip


def _chosen(report: RunReport) -> Mapping[str, Any]:
    """The epoch whose weights were tested, {} where there is none."""
    if report.facts.config.get("recipe", {}).get("select") == "last":
        return report.metrics[-1] if report.metrics else {}
    return max(report.metrics, key=lambda epoch: epoch["val_top1"]) if report.metrics else {}


def _facts(report: RunReport, measured: MeasuredNetwork) -> list[tuple[str, str]]:
    """What the accuracy was paid with, and where."""
    facts, score = report.facts, report.score
    config, environment = facts.config, facts.environment
    images = [f"{score.n:,} for the test"]
    if facts.images:
        images = [f"{facts.images[0]:,} for training", f"{facts.images[1]:,} for validation", *images]
    seconds = [epoch["seconds"] for epoch in report.metrics]
    time = f", {duration(fmean(seconds))} per epoch, {duration(sum(seconds))} in all" if seconds else ""
    recipe = config.get("recipe", {})
    batch = f", batches of {recipe['batch_size']}" if "batch_size" in recipe else ""
    optimizer = f", {recipe['optimizer']} at {recipe['lr']:g}" if "optimizer" in recipe else ""
    return [
        ("network", f"{measured.params:,} parameters, {measured.macs / 1e6:,.1f} million multiply-adds per image"),
        ("data", facts.data), ("images", ", ".join(images)),
        ("training", f"{counted(len(seconds), 'epoch')}{time}{batch}{optimizer}"),
        *([("arithmetic", facts.arithmetic)] if facts.arithmetic else []),
        *([("initial weights", config["weights"])] if config.get("weights") else []),
        ("precision", environment["precision"]),
        ("device", f"{environment['device']}, {counted(environment['threads'], 'thread')}"),
        ("seed", str(config["seed"])), ("begun", moment(environment["when"])),
    ]  # fmt: skip


def _epochs(metrics: Sequence[Mapping[str, Any]]) -> Table:
    """The numbers of the curves; training accuracy where an epoch has it."""
    known = any(epoch.get("train_top1") is not None for epoch in metrics)

    def row(epoch: Mapping[str, Any]) -> tuple[str, ...]:
        train = epoch.get("train_top1")
        right = ["" if train is None else f"{100 * train:.2f}"] if known else []
        return (
            str(epoch["epoch"]), f"{epoch['train_loss']:.4f}", f"{epoch['val_loss']:.4f}", *right,
            f"{100 * epoch['val_top1']:.2f}", f"{epoch['lr']:.2e}", f"{epoch['seconds']:.1f}",
            f"{epoch['images_per_second']:,.0f}",
        )  # fmt: skip

    right = ("training accuracy, %",) if known else ()
    heads = ("epoch", "training loss", "validation loss", *right, "validation accuracy, %", "learning rate", "s",
             "images/s")  # fmt: skip
    return Table(heads, [row(epoch) for epoch in metrics], ())


def _classes(rows: list[ClassScore]) -> Table:
    """The class that is recognised worst comes first; one without images last."""
    return Table(("class", "recall, %", "precision, %", "F1, %", "images"), [
        (row.label, f"{100 * row.recall:.1f}" if row.n else "", f"{100 * row.precision:.1f}", f"{100 * row.f1:.1f}",
         f"{row.n:,}")
        for row in sorted(rows, key=lambda row: (not row.n, row.recall, row.precision))
    ])  # fmt: skip


def _mistakes(report: RunReport) -> list[_Mistake]:
    labels, classes = report.samples.labels.cpu(), report.samples.classes
    probability = report.logits.softmax(1)
    return [
        _Mistake(
            classes[int(labels[i])], classes[int(probability[i].argmax())], f"{float(probability[i].max()):.0%}",
            report.samples.name(i), image_source(report.samples.images[i].cpu().numpy()),
        )
        for i in worst_mistakes(report.logits, labels)
    ]  # fmt: skip


def _nodes(measured: MeasuredNetwork) -> Table:
    rows = [
        (row.path, describe(row.node), format_shape(row.output), f"{row.params:,}", f"{row.macs:,}")
        for row in measured.children
    ]
    return Table(("node", "what", "output", "parameters", "multiply-adds"), rows, (0, 1))


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False)
