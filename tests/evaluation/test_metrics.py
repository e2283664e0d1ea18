import csv
import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from inceptionlab.data.dataset import Samples
from inceptionlab.data.stores.images import InMemory
from inceptionlab.evaluation.answers import answers, answers_csv
from inceptionlab.evaluation.metrics import (
    calibration,
    calibration_error,
    confusion,
    per_class,
    row_normalised,
    score,
    wilson,
)  # fmt: skip
from inceptionlab.report import charts

LOGITS = torch.tensor([[3.0, 1, 0], [0, 2, 1], [0, 1, 2], [5, 0, 0]])
LABELS = torch.tensor([0, 1, 1, 2])


@given(st.integers(1, 500), st.data())
def test_wilson_is_scipys(n, data):
    right = data.draw(st.integers(0, n))
    expected = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_is_the_papers():
    """The second row of table I of Newcombe 1998: 15 of 148; and 0 of 20, where the normal interval is empty."""
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_scores_by_hand():
    result = score(LOGITS, LABELS)
    assert (result.top1, result.top5, result.n) == (0.5, 1.0, 4)
    assert result.loss == pytest.approx(torch.nn.functional.cross_entropy(LOGITS, LABELS).item())
    assert result.top1_low < 0.5 < result.top1_high


def test_calibration_by_hand():
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    rows = calibration(probabilities, torch.tensor([0, 1, 0, 1]), bins=10)
    assert rows[9].tolist() == pytest.approx([0.9, 0.5, 2])
    assert calibration_error(rows) == pytest.approx((2 * 0.4 + 0.4 + 0.2) / 4)
    sure = calibration(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    assert calibration_error(sure) == 0


def test_confusion_is_sklearns():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(200, 7, generator=generator), torch.randint(0, 7, (200,), generator=generator)
    expected = confusion_matrix(labels, logits.argmax(1), labels=range(7))
    assert np.array_equal(confusion(logits, labels), expected)
    places = torch.bincount(7 * labels + logits.argmax(1), minlength=49).reshape(7, 7)
    assert np.array_equal(confusion(logits, labels), places.numpy())
    rows = per_class(logits, labels, tuple("abcdefg"))
    assert [row.n for row in rows] == torch.bincount(labels).tolist()
    assert rows[2].recall == pytest.approx(expected[2, 2] / expected[2].sum())


def test_charts_are_svg():
    record = {"epoch": 1, "train_loss": 2.0, "val_loss": 1.0, "val_top1": 0.5, "lr": 0.1}
    samples = [
        charts.curves([record, {**record, "epoch": 2}]),
        charts.confusion_matrix(confusion(LOGITS, LABELS), ("a", "b", "c")),
        charts.confusion_matrix(np.eye(30, dtype=int), tuple(map(str, range(30)))),
        charts.reliability(calibration(LOGITS.softmax(1), LABELS)),
    ]
    for image in samples:
        assert ElementTree.fromstring(image).tag.endswith("svg")
    assert charts.curves([record]) == charts.curves([record])


HOSTILE = ("$x", "$a^$", "图片", r"\frac", "a class whose name is far longer than a chart has room for", "<b>&")


def test_class_names_stand_in_charts_as_they_are():
    """No mathematics, no warning for letters that no font here has, nothing cut off at the edge."""
    svg = charts.confusion_matrix(np.eye(6, dtype=int), HOSTILE)
    words = [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")]
    for name in HOSTILE:
        assert words.count(charts.short(name)) == 2  # a row and a column


def test_epochs_are_whole_numbers():
    record = {"epoch": 1, "train_loss": 2.0, "val_loss": 1.0, "val_top1": 0.5, "lr": 0.1}
    for count in (1, 2, 3, 40):
        svg = charts.curves([{**record, "epoch": i + 1} for i in range(count)])
        words = [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")]
        ticks = words[: words.index("epoch")]
        assert ticks
        assert all(tick.isdigit() for tick in ticks)


def test_a_score_is_a_table_in_jupyter():
    assert "<td>50.00%</td>" in score(LOGITS, LABELS)._repr_html_()


def test_without_kornia_it_is_said(monkeypatch):
    from inceptionlab.data.registry import load_data
    from inceptionlab.errors import MissingExtra, install_command
    from inceptionlab.evaluation.corruptions import corrupted

    for part in ("filters", "enhance"):
        monkeypatch.setitem(sys.modules, f"kornia.{part}", None)
    images = load_data("digits").test.limited(8)
    assert len(corrupted(images, "noise", 1)) == 8
    with pytest.raises(
        MissingExtra, match=re.escape(f"kornia is not installed; install it with: {install_command('augment')}")
    ):
        corrupted(images, "blur", 1)


def test_of_few_classes_the_first_five_are_not_shown():
    few, many = score(LOGITS, LABELS), score(torch.randn(4, 6), LABELS)
    assert "top-5" not in str(few)
    assert "top-5" not in few._repr_html_()
    assert "top-5" in str(many)
    assert "top-5" in many._repr_html_()
    assert "1 image)" in str(score(LOGITS[:1], LABELS[:1]))


def test_a_confusion_matrix_by_rows():
    counts = np.array([[3, 1, 0], [0, 0, 0], [1, 1, 2]])
    assert row_normalised(counts).tolist() == [[0.75, 0.25, 0], [0, 0, 0], [0.25, 0.25, 0.5]]


def test_answers_go_by_the_names_of_images():
    samples = Samples(
        InMemory(torch.zeros(3, 4, 4, 1, dtype=torch.uint8)), torch.tensor([0, 1, 2]), ("a", "b, c", "图"),
        paths=("x/test/a/1.png", "x/test/b/2.png", "x/test/c/3.png"), folder="x",
    )  # fmt: skip
    logits = torch.tensor([[9.0, 0, 0], [0, 1, 2], [3, 2, 1]])
    found = answers(logits, samples)
    assert [(one.name, one.correct, one.rank) for one in found] == [
        ("test/a/1.png", True, 1), ("test/b/2.png", False, 2), ("test/c/3.png", False, 3),
    ]  # fmt: skip
    rows = list(csv.DictReader(answers_csv(found).splitlines()))
    assert rows[1] == {"name": "test/b/2.png", "true": "b, c", "predicted": "图", "probability": "0.665241",
                       "correct": "0", "true_probability": "0.244728", "rank": "2"}  # fmt: skip
    assert samples.limited(1).name(0) == samples.name(int(samples.limited(1).numbers[0]))
