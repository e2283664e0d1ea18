"""What the pages of runs, studies and data say, and what they leave out."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from inceptionlab import get_spec
from inceptionlab.data.dataset import Samples
from inceptionlab.data.stores.images import InMemory
from inceptionlab.evaluation.metrics import score
from inceptionlab.report import charts
from inceptionlab.report.figures import PALETTE, figure_svg, themed
from inceptionlab.report.page import duration, image_source, moment
from inceptionlab.report.run_page import Facts, RunReport, report_html
from inceptionlab.studies.plots import _apart, costs_svg, curves_svg, effects_svg
from inceptionlab.studies.results import CellResult
from inceptionlab.studies.statistics import compare
from inceptionlab.studies.tables import latex, markdown, verdict_table

EPOCH = {"epoch": 1, "step": 5, "train_loss": 2.0, "val_loss": 1.0, "val_top1": 0.5, "lr": 0.1, "seconds": 90.0,
         "images_per_second": 7.0}  # fmt: skip
CONFIG = {"data": "insects", "seed": 3, "recipe": {"select": "best", "batch_size": 8, "optimizer": "sgd", "lr": 0.05}}
ENVIRONMENT = {"when": "2026-11-24T12:04:00+00:00", "device": "a CPU", "precision": "bf16", "threads": 2}


def report(classes=("ant", "bee", "<b>wasp"), counts=(8, 3, 1), **changes):
    """The report of answers that are right but for the last image of each class."""
    labels = torch.repeat_interleave(torch.arange(len(classes)), torch.tensor(counts))
    answers = labels.clone()
    answers[torch.tensor(counts).cumsum(0) - 1] = 0
    logits = 4 * torch.nn.functional.one_hot(answers, len(classes)).float()
    images = InMemory(torch.zeros(len(labels), 8, 8, 3, dtype=torch.uint8))
    samples = Samples(images, labels, classes, tuple(f"/x/test/{i} <i>.jpg" for i in range(len(labels))), "/x")
    epochs = [EPOCH, {**EPOCH, "epoch": 2, "val_top1": 0.75}]
    facts = Facts("a-run", "insects (as found)", "best val_top1", CONFIG, ENVIRONMENT, (90, 10), "inceptionlab train")
    spec = replace(get_spec("small_fast"), classes=len(classes))
    given = RunReport(score(logits, labels), logits, samples, epochs, spec, facts)
    return replace(given, **changes)


def words(page):
    """The text of a page, spaces as one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_a_run_says_what_it_was_paid_with():
    page = words(report_html(report()))
    for said in ("90 for training, 10 for validation, 12 for the test", "2 epochs, 90.0 s per epoch, 3.0 min in all",
                 "precision bf16", "a CPU, 2 threads", "24 November 2026, 12:04 UTC", "inceptionlab train",
                 "the best validation accuracy (75.00%, epoch 2 of 2)"):  # fmt: skip
        assert said in page
    assert "trial" not in page


def test_a_trial_is_called_one():
    facts = report().facts
    limited = replace(facts, config={**facts.config, "limit_train": 100, "limit_test": 1})
    page = report_html(report(facts=limited))
    assert '<strong class="badge">trial</strong>' in page
    assert "A trial: limited to 100 training images and 1 test image." in words(page)


def test_training_accuracy_stands_beside_validation_accuracy_where_it_was_counted():
    assert "training accuracy" not in report_html(report())
    epochs = [EPOCH, {**EPOCH, "epoch": 2, "train_top1": 0.625}]  # as where a run was begun by an older version
    page = words(report_html(report(metrics=epochs)))
    assert "training accuracy" in page
    assert "62.50" in page
    assert charts.curves(epochs).count(">training<") == 2


def test_mistakes_are_shown_by_confidence_by_pair_and_by_doubt_and_are_few():
    page = report_html(report(counts=(9, 9, 9)))
    said = words(page[page.index("<h2>Mistakes") : page.index("<h2>Network")])
    for part in (
        "The most confident",
        "bee → ant 1 (11%)",
        "Labels that may be wrong",
        "2 images by confident learning",
    ):
        assert part in said
    assert "<b>&lt;b&gt;wasp</b>" in page
    many = report_html(report(classes=tuple("abcdefgh"), counts=(1,) * 8))
    assert many.count("<img alt") - many.count('class="diagram"') <= 24
    right = report()
    logits = torch.nn.functional.one_hot(right.samples.labels).float()
    assert "There was no mistake." in report_html(replace(right, logits=logits))


def test_the_class_that_is_recognised_worst_comes_first():
    page = words(report_html(report()))
    table = page[page.index("recall, %") :]
    assert table.index("&lt;b&gt;wasp") < table.index("bee") < table.index("ant")


def test_numbers_that_say_nothing_are_left_out():
    page = report_html(report())
    assert "top-5" not in page  # of three classes, the first five are always right
    assert "balanced accuracy" in page
    many = report_html(report(tuple("abcdef"), (2,) * 6))
    assert "top-5" in many
    assert "balanced accuracy" not in many


def test_pages_escape_names_and_load_nothing():
    page = report_html(report())
    assert "<b>wasp" not in page
    assert "<i>.jpg" not in page
    assert "test/11 &lt;i&gt;.jpg" in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


def test_a_diagram_keeps_its_style_to_itself():
    """Its style sheet would have made every chart of the page white in the dark."""
    assert "background: #fff" not in report_html(report())


def test_cells_of_the_confusion_say_their_counts():
    svg = charts.confusion_matrix(np.array([[3, 1], [0, 0]]), ("<a>", "b"))
    texts = [node.text for node in ElementTree.fromstring(svg).iter() if node.tag.endswith(("}text", "}title"))]
    assert "<a> predicted as <a>: 3 of 4 (75.0%)" in texts
    assert {"75", "25"} <= set(texts)
    assert "0" not in texts


@pytest.mark.parametrize("name", ["a class whose name is long", "蜜蜂（膜翅目昆虫的一种）"])
def test_names_leave_a_confusion_its_room(name):
    """The matrix was squeezed between its names where they were long."""
    svg = charts.confusion_matrix(np.eye(2, dtype=int), (name, "b"))
    cell = re.search(r"<title>.*?<path d=\"M ([\d.]+) [\d.]+ \nL ([\d.]+)", svg, re.DOTALL)
    assert float(cell[2]) - float(cell[1]) > 25


def test_figures_take_the_colours_of_the_page():
    svg = themed(charts.curves([EPOCH]))
    assert "var(--blue)" in svg
    assert not any(f": {light}" in svg for light, _ in PALETTE.values())
    assert "DejaVu" not in svg


def test_accuracies_do_not_pass_100_per_cent():
    svg = charts.curves([{**EPOCH, "epoch": i + 1, "val_top1": 1.0} for i in range(2)])
    assert not re.search(r">10[1-9]<", svg)


def cell(name, curve=(0.5, 0.7), **changes):
    band = tuple((value - 0.1, value + 0.1) for value in curve)
    plain = CellResult(name, {}, 3, 0.7, 0.6, 0.8, 10, 1000, 1.0, 1.0, 1, curve, band=band)
    return replace(plain, **changes)


def test_a_cell_has_one_colour_in_all_charts():
    cells = [cell("a"), cell("b", macs=2000), cell("c", curve=())]
    for svg in (costs_svg(cells), curves_svg(cells)):
        assert all(PALETTE[hue][0] in svg for hue in ("blue", "red"))
    assert "FillBetween" in curves_svg(cells[:1])
    assert "FillBetween" not in curves_svg([cell("a", n=1)])


def test_numbers_at_the_ends_of_curves_do_not_lie_on_each_other():
    assert _apart([1.0, 1.0, 5.0], 1.0, 9.0) == [1.0, 2.0, 5.0]
    assert _apart([8.5, 8.5, 8.5], 1.0, 9.0) == [7.0, 8.0, 9.0]


def test_two_pairs_do_not_say_what_would_settle_it():
    two = compare("f", "a", "b", "top1", [(0.5, 0.6), (0.5, 0.55)])
    assert (two.verdict, two.more) == ("undecided", None)
    assert "what would settle it cannot be estimated from 2 pairs" in str(two)
    assert verdict_table([two]).rows[0][-1] == "cannot be estimated from 2 pairs"
    one = compare("f", "a", "b", "top1", [(0.5, 0.6)])
    assert "nan" not in str(one) + str(verdict_table([one]))
    assert "1 pair," in str(one)


def test_tables_for_papers():
    table = verdict_table([compare("a_b", "x", "50%", "top1", [(0.5, 0.6), (0.5, 0.55)])])
    text = latex(table, "about")
    assert (
        text.index(r"\toprule")
        < text.index(r"\midrule")
        < text.index(r"a\_b: 50\% against x")
        < text.index(r"\bottomrule")
    )
    assert markdown(table).splitlines()[1].count("---:") == len(table.heads) - len(table.left)
    assert ElementTree.fromstring(effects_svg([compare("<f>", "a", "b", "top1", [(0, 1), (0, 2)])])) is not None


def test_times_and_images_in_pages():
    assert [duration(s) for s in (0.5, 99, 600, 9000)] == ["0.5 s", "99.0 s", "10.0 min", "2.5 h"]
    assert moment("2026-01-02T03:04:05+00:00") == "2 January 2026, 03:04 UTC"
    assert moment("long ago") == "long ago"
    assert image_source(np.zeros((32, 32, 1), np.uint8)).startswith("data:image/png")
    assert len(image_source(np.zeros((600, 600, 3), np.uint8))) < 3000


def test_charts_say_nothing_of_fonts(recwarn):
    figure_svg(2, 2, 1, lambda axes: axes[0].set_title("图片"))
    assert not recwarn.list
