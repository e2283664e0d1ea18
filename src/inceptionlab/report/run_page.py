"""The report of a run: one page from its accuracy to its worst mistakes, and the same curves as SVG."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from inceptionlab.analysis.drawing import draw
from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import MeasuredNetwork, format_shape
from inceptionlab.analysis.words import describe
from inceptionlab.data.dataset import Samples
from inceptionlab.evaluation.metrics import Score, calibration, confusion, per_class, worst_mistakes
from inceptionlab.report import charts
from inceptionlab.report.page import Table, png, render
from inceptionlab.spec.network import Network

curves_svg = charts.curves


@dataclass(frozen=True, slots=True)
class Facts:
    """How a run came about: its name, its data in words, what selected its weights, its configuration and environment
    as they are stored.
    """

    run: str
    data: str
    selected_by: str
    config: Mapping[str, Any]
    environment: Mapping[str, Any]


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
    image: str


@dataclass(frozen=True, slots=True)
class _Page:
    title: str
    accuracy: str
    interval: str
    selected_by: str
    cards: list[tuple[str, str]]
    curves: str
    classes: Table
    confusion: str
    calibration: str
    mistakes: list[_Mistake]
    nodes: Table
    diagram: str
    facts: Table
    details: list[tuple[str, str]]


def report_html(report: RunReport) -> str:
    """The page as text. It loads nothing from elsewhere."""
    score, facts = report.score, report.facts
    labels, classes = report.samples.labels.cpu(), report.samples.classes
    measured = measure(report.spec)
    return render("run.html", _Page(
        title=f"{report.spec.title} on {facts.config['data']}",
        accuracy=f"{score.top1:.2%}", interval=f"{score.top1_low:.2%} to {score.top1_high:.2%}",
        selected_by=facts.selected_by, cards=_cards(report, measured),
        curves=charts.curves(report.metrics) if report.metrics else "",
        classes=_classes(report),
        confusion=charts.confusion_matrix(confusion(report.logits, labels), classes),
        calibration=charts.reliability(calibration(report.logits.softmax(1), labels)),
        mistakes=_mistakes(report), nodes=_nodes(measured), diagram=draw(report.spec, depth=2),
        facts=Table((), [("run", facts.run), ("data", facts.data), ("selected by", facts.selected_by)], (0, 1)),
        details=[("config", _json(facts.config)), ("environment", _json(facts.environment))],
    ))  # fmt: skip


def _cards(report: RunReport, measured: MeasuredNetwork) -> list[tuple[str, str]]:
    score = report.score
    return [
        ("top-5", f"{score.top5:.2%}"), ("loss", f"{score.loss:.4f}"), ("calibration error", f"{score.ece:.2%}"),
        ("test images", f"{score.n:,}"), ("parameters", f"{measured.params:,}"), ("MACs", f"{measured.macs:,}"),
        ("seed", str(report.facts.config["seed"])), ("epochs", str(len(report.metrics))),
    ]  # fmt: skip


def _classes(report: RunReport) -> Table:
    rows = [
        (row.label, f"{row.precision:.1%}", f"{row.recall:.1%}", f"{row.f1:.1%}", f"{row.n:,}")
        for row in per_class(report.logits, report.samples.labels.cpu(), report.samples.classes)
    ]
    return Table(("class", "precision", "recall", "F1", "n"), rows)


def _mistakes(report: RunReport) -> list[_Mistake]:
    labels, classes = report.samples.labels.cpu(), report.samples.classes
    probability = report.logits.softmax(1)
    return [
        _Mistake(
            classes[int(labels[i])], classes[int(probability[i].argmax())], f"{float(probability[i].max()):.0%}",
            png(report.samples.images[i].cpu().numpy()),
        )
        for i in worst_mistakes(report.logits, labels)
    ]  # fmt: skip


def _nodes(measured: MeasuredNetwork) -> Table:
    rows = [
        (row.path, describe(row.node), format_shape(row.output), f"{row.params:,}", f"{row.macs:,}")
        for row in measured.children
    ]
    return Table(("node", "what", "output", "parameters", "MACs"), rows, (0, 1))


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False)
