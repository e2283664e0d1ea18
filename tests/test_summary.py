"""Layers against `torchsummary`: of what we build, and of the network as a tutorial writes it."""

import io
import re
from contextlib import redirect_stdout

import pytest
import torch
import torchsummary
from torch import nn

from inceptionlab import SpecError, build, create_model, get_spec, measure, summary
from inceptionlab.nn.summary import PASSING

KINDS = {kind.__name__ for kind in PASSING}
ROW = re.compile(r"\s*(\w+)-\d+\s+\[-1, ([\d, ]+)\]\s+([\d,]+)")
TOTAL = re.compile(r"^(Total params|Trainable params|Input size \(MB\)|Forward/backward pass size \(MB\)|"
                   r"Params size \(MB\)|Estimated Total Size \(MB\)): ([\d,.]+)$", re.MULTILINE)  # fmt: skip


def printed(module, shape):
    """What torchsummary prints of a module."""
    with redirect_stdout(io.StringIO()) as out:
        torchsummary.summary(module, shape, device="cpu")
    return out.getvalue()


def rows_of(text, without=frozenset()):
    """(kind, output, parameters) of every row of such a table, ours or theirs."""
    rows = (ROW.match(line) for line in text.splitlines())
    return [row.groups() for row in rows if row and row[1] not in without]


class Inception(nn.Module):
    """The module as the tutorial on Fashion-MNIST writes it."""

    def __init__(self, channels, one, three_in, three, five_in, five, pool):
        super().__init__()
        self.relu = nn.ReLU()
        self.branch1 = nn.Conv2d(channels, one, 1)
        self.branch3 = nn.Sequential(nn.Conv2d(channels, three_in, 1), nn.ReLU(), nn.Conv2d(three_in, three, 3, 1, 1))
        self.branch5 = nn.Sequential(nn.Conv2d(channels, five_in, 1), nn.ReLU(), nn.Conv2d(five_in, five, 5, 1, 2))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(channels, pool, 1))

    def forward(self, x):
        return torch.cat([self.relu(f(x)) for f in (self.branch1, self.branch3, self.branch5, self.pool)], 1)


def tutorial():
    """GoogLeNet for Fashion-MNIST as the tutorial prints it."""
    pool = nn.MaxPool2d
    b1 = nn.Sequential(nn.Conv2d(1, 64, 7, 2, 3), nn.ReLU(), pool(3, 2, 1))
    b2 = nn.Sequential(nn.Conv2d(64, 64, 1), nn.ReLU(), nn.Conv2d(64, 192, 3, 1, 1), nn.ReLU(), pool(3, 2, 1))
    b3 = nn.Sequential(
        Inception(192, 64, 96, 128, 16, 32, 32), Inception(256, 128, 128, 192, 32, 96, 64), pool(3, 2, 1)
    )
    b4 = nn.Sequential(
        Inception(480, 192, 96, 208, 16, 48, 64), Inception(512, 160, 112, 224, 24, 64, 64),
        Inception(512, 128, 128, 256, 24, 64, 64), Inception(512, 112, 128, 288, 32, 64, 64),
        Inception(528, 256, 160, 320, 32, 128, 128), pool(3, 2, 1),
    )  # fmt: skip
    b5 = nn.Sequential(Inception(832, 256, 160, 320, 32, 128, 128), Inception(832, 384, 192, 384, 48, 128, 128))
    b6 = nn.Sequential(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(1024, 10))
    return nn.Sequential(b1, b2, b3, b4, b5, b6)


def test_the_layers_of_the_tutorial_on_fashion_mnist():
    theirs = printed(tutorial(), (1, 224, 224))
    ours = summary(get_spec("googlenet.gray_erratum"))
    named = [("Concat" if kind == "Inception" else kind, *rest) for kind, *rest in rows_of(theirs, {"Flatten"})]
    assert rows_of(str(ours)) == named
    assert ours.layers[0].name == "Conv2d-1"
    totals = dict(TOTAL.findall(theirs))
    flat = 2 * 1024 * 4 / 1024**2
    assert totals["Total params"] == f"{ours.params:,}" == "5,927,850"
    assert float(totals["Forward/backward pass size (MB)"]) == pytest.approx(ours.pass_mb + flat, abs=0.006)
    assert float(totals["Params size (MB)"]) == pytest.approx(ours.params_mb, abs=0.006)


def test_the_totals_that_the_tutorial_on_batch_norm_prints():
    found = summary(get_spec("googlenet.bn"))
    functional = 2 * 4 * (64 * 112 * 112 + 64 * 56 * 56 + 192 * 56 * 56) / 1024**2  # F.relu of its stem is no module
    assert (found.params, found.trainable) == (7_012_472, 7_012_472)
    assert f"{found.input_mb:.2f} {found.pass_mb - functional:.2f} {found.params_mb:.2f}" == "0.57 69.61 26.75"
    assert f"{found.total_mb - functional:.2f}" == "96.93"


@pytest.mark.parametrize(
    "name",
    ["inception_net", "small_resnet", "small_v1 | residual(0.1) | attend(cbam)", "small_v1 | attend(se)", "xception",
     "inception_next_atto", "inception_v3", "small_v1 | ghost()"],
)  # fmt: skip
def test_layers_agree_with_torchsummary(name):
    spec = get_spec(name).without_aux()
    module = build(spec, seed=0)
    theirs = printed(module, spec.input.shape)
    ours = summary(spec)
    own = {"LayerScale"}  # their table knows weights and biases only
    assert rows_of(str(ours), own) == rows_of(theirs, KINDS | own)
    assert ours.params == measure(spec).params
    assert summary(module) == ours


def test_auxiliary_heads_are_layers_too():
    spec = get_spec("googlenet.paper")
    assert summary(spec).params == measure(spec).params_with_aux
    assert any(layer.address.startswith("aux1.") for layer in summary(spec).layers)


def test_frozen_layers_and_modules_of_others():
    module = create_model("inception_net")
    module.conv1.requires_grad_(False)
    found = summary(module)
    assert found.params - found.trainable == measure(module.spec).children[0].params
    assert "Non-trainable params: " in str(found)
    assert next(module.parameters()).device.type == "cpu"
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    assert [layer.name for layer in summary(plain, (3, 8, 8)).layers] == ["Conv2d-1", "ReLU-2"]
    with pytest.raises(SpecError, match="give input_shape"):
        summary(plain)
