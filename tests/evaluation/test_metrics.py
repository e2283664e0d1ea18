from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from inceptionlab.evaluation.metrics import (
    calibration,
    calibration_error,
    confusion,
    per_class,
    score,
    wilson,
    worst_mistakes,
)  # fmt: skip
from inceptionlab.report import charts

LOGITS = torch.tensor([[3.0, 1, 0], [0, 2, 1], [0, 1, 2], [5, 0, 0]])
LABELS = torch.tensor([0, 1, 1, 2])


@given(st.integers(1, 500), st.data())
def test_wilson_is_scipys(n, data):
    right = data.draw(st.integers(0, n))
    expected = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


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
    rows = per_class(logits, labels, tuple("abcdefg"))
    assert [row.n for row in rows] == torch.bincount(labels).tolist()
    assert rows[2].recall == pytest.approx(expected[2, 2] / expected[2].sum())


def test_the_worst_mistakes_come_first():
    assert worst_mistakes(LOGITS, LABELS) == [3, 2]
    assert worst_mistakes(LOGITS, LOGITS.argmax(1)) == []


def test_charts_are_svg():
    record = {"epoch": 1, "train_loss": 2.0, "val_loss": 1.0, "val_top1": 0.5, "lr": 0.1}
    pictures = [
        charts.curves([record, {**record, "epoch": 2}]),
        charts.confusion_matrix(confusion(LOGITS, LABELS), ("a", "b", "c")),
        charts.confusion_matrix(np.eye(30, dtype=int), tuple(map(str, range(30)))),
        charts.reliability(calibration(LOGITS.softmax(1), LABELS)),
    ]
    for picture in pictures:
        assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert charts.curves([record]) == charts.curves([record])
