"""The report of a run: one self-contained page, readable on a phone and in the dark, and the same curves as SVG."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from inceptionlab.analysis.drawing import draw
from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import format_shape
from inceptionlab.analysis.words import describe
from inceptionlab.data.dataset import Pictures
from inceptionlab.evaluation.metrics import Score, calibration, confusion, per_class, worst_mistakes
from inceptionlab.report import charts
from inceptionlab.spec.network import Network

curves_svg = charts.curves

STYLE = """
:root { color-scheme: light dark; --text: #0f172a; --soft: #64748b; --page: #fff; --card: #f4f6f9; --line: #dbe1ea }
@media (prefers-color-scheme: dark) {
  :root { --text: #e2e8f0; --soft: #94a3b8; --page: #0f172a; --card: #1a2438; --line: #334155 } }
body { font: 16px/1.55 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; color: var(--text);
  background: var(--page); max-width: 62rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.5rem; margin: .5rem 0; overflow-wrap: anywhere } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
.soft { color: var(--soft) } .big { font-size: 2.4rem; font-weight: 650; margin: .2rem 0 }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .7rem }
.card, details { background: var(--card); border-radius: 10px; padding: .7rem 1rem } .card b { display: block }
.scroll { overflow-x: auto } svg { max-width: 100%; height: auto } .scroll > svg { min-width: 32rem }
table { border-collapse: collapse; width: 100%; font-size: .9rem } td, th { padding: .3rem .6rem; text-align: right }
td:first-child, th:first-child, .words td, .nodes :is(td, th):nth-child(2) { text-align: left }
tr { border-bottom: 1px solid var(--line) }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.6rem, 1fr)); gap: .7rem; font-size: .78rem }
.grid figure { margin: 0 } .grid img { width: 100%; image-rendering: pixelated; border-radius: 6px }
pre { overflow-x: auto; font-size: .8rem }
"""


@dataclass(frozen=True, slots=True)
class Results:
    """All that a report shows: the score, the logits and pictures it is from, the epochs, the network, the facts."""

    score: Score
    logits: Float[Tensor, "n c"]
    pictures: Pictures
    metrics: list[dict[str, Any]]
    spec: Network
    facts: dict[str, Any]


def report_html(results: Results) -> str:
    """The page as text. It loads nothing from elsewhere."""
    title = f"{results.spec.title} on {results.facts['config']['data']}"
    sections = [
        _headline(results),
        _curves(results),
        _classes(results),
        _mistakes(results),
        _network(results),
        _facts(results),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f"{''.join(sections)}</body></html>\n"
    )


def _headline(results: Results) -> str:
    score, measured = results.score, measure(results.spec)
    cards = {
        "top-5": f"{score.top5:.2%}", "loss": f"{score.loss:.4f}", "calibration error": f"{score.ece:.2%}",
        "test pictures": f"{score.n:,}", "parameters": f"{measured.params:,}", "MACs": f"{measured.macs:,}",
        "seed": str(results.facts["config"]["seed"]), "epochs": str(len(results.metrics)),
    }  # fmt: skip
    return (
        f'<p class="big">{score.top1:.2%}</p><p>top-1 accuracy on the test set, 95 % interval '
        f"{score.top1_low:.2%} to {score.top1_high:.2%} (Wilson). The test set was read once, at the end; the weights "
        f"were selected by {escape(results.facts['selected by'])}.</p>"
        f'<div class="cards">{"".join(_card(name, value) for name, value in cards.items())}</div>'
    )


def _card(name: str, value: str) -> str:
    return f'<div class="card"><span class="soft">{name}</span><b>{value}</b></div>'


def _curves(results: Results) -> str:
    if not results.metrics:
        return ""
    return f'<h2>Learning curves</h2><div class="scroll">{charts.curves(results.metrics)}</div>'


def _classes(results: Results) -> str:
    labels, classes = results.pictures.labels.cpu(), results.pictures.classes
    rows = "".join(
        f"<tr><td>{escape(row.label)}</td><td>{row.precision:.1%}</td><td>{row.recall:.1%}</td>"
        f"<td>{row.f1:.1%}</td><td>{row.n}</td></tr>"
        for row in per_class(results.logits, labels, classes)
    )
    table = f"<table><tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>n</th></tr>{rows}</table>"
    counts = charts.confusion_matrix(confusion(results.logits, labels), classes)
    reliability = charts.reliability(calibration(results.logits.softmax(1), labels))
    return (
        f'<h2>Classes</h2><div class="scroll">{table}</div><h2>Confusion</h2><div class="scroll">{counts}</div>'
        f'<h2>Calibration</h2><div class="scroll">{reliability}</div>'
    )


def _mistakes(results: Results) -> str:
    labels = results.pictures.labels.cpu()
    worst = worst_mistakes(results.logits, labels)
    if not worst:
        return "<h2>Worst mistakes</h2><p>There was no mistake.</p>"
    probability = results.logits.softmax(1)
    figures = "".join(_figure(results.pictures, i, int(labels[i]), probability[i]) for i in worst)
    words = '<p class="soft">True class, then the guess with its probability.</p>'
    return f'<h2>Worst mistakes</h2>{words}<div class="grid">{figures}</div>'


def _figure(pictures: Pictures, i: int, label: int, probability: Tensor) -> str:
    guess = int(probability.argmax())
    names = escape(pictures.classes[label]), escape(pictures.classes[guess])
    source = png(pictures.images[i].cpu().numpy())
    return (
        f'<figure><img alt="{names[0]}" src="data:image/png;base64,{source}"><figcaption>{names[0]}<br>'
        f'<span class="soft">{names[1]} {probability[guess]:.0%}</span></figcaption></figure>'
    )


def png(pixels: np.ndarray) -> str:
    """A picture `h w c` as base64 PNG, no larger than 160 pixels."""
    picture = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    picture.thumbnail((160, 160))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _network(results: Results) -> str:
    rows = "".join(
        f"<tr><td>{escape(row.path)}</td><td>{escape(describe(row.node))}</td><td>{format_shape(row.output)}</td>"
        f"<td>{row.params:,}</td><td>{row.macs:,}</td></tr>"
        for row in measure(results.spec).children
    )
    head = "".join(f"<th>{name}</th>" for name in ("node", "what", "output", "parameters", "MACs"))
    table = f'<table class="nodes"><tr>{head}</tr>{rows}</table>'
    return (
        f'<h2>Network</h2><div class="scroll">{table}</div>'
        f'<details><summary>Diagram</summary><div class="scroll">{draw(results.spec, depth=2)}</div></details>'
    )


def _facts(results: Results) -> str:
    facts = {key: value for key, value in results.facts.items() if key not in ("config", "environment")}
    words = "".join(f"<tr><td>{escape(k)}</td><td>{escape(str(v))}</td></tr>" for k, v in facts.items())
    blocks = "".join(
        f"<details><summary>{name}</summary><pre>{escape(json.dumps(results.facts[name], indent=1))}</pre></details>"
        for name in ("config", "environment")
    )
    return f'<h2>How it came about</h2><div class="scroll"><table class="words">{words}</table></div>{blocks}'
