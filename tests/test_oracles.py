"""The tutorials' networks, written out once more in plain torch as they have them, as independent oracles."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from inceptionlab import create_model


class Inception(nn.Module):
    """Four branches; `norm` puts batch norm behind every convolution (`googlenet.bn`), else there is none."""

    def __init__(self, channels, row, norm=False):
        super().__init__()

        def conv(a, b, k=1):
            return [nn.Conv2d(a, b, k, padding=k // 2), *([nn.BatchNorm2d(b)] if norm else []), nn.ReLU()]

        a, b, c, d, e, f = row
        self.one = nn.Sequential(*conv(channels, a))
        self.three = nn.Sequential(*conv(channels, b), *conv(b, c, 3))
        self.five = nn.Sequential(*conv(channels, d), *conv(d, e, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), *conv(channels, f))

    def forward(self, x):
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


ROWS = [
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128),
    (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
]  # fmt: skip


def tutorial_net():
    first, second = Inception(64, ROWS[0]), Inception(256, ROWS[0])
    stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(stem, first, second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


def tutorial_dilated():
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Sequential(nn.Conv2d(16, 32, 3, padding=2, dilation=2), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Sequential(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Flatten()),
        nn.Sequential(nn.Linear(4096, 256), nn.ReLU(), nn.Linear(256, 10)),
    )


def googlenet(channels, classes, norm, rows=ROWS):
    pool = nn.MaxPool2d(3, 2, 1)
    widths = [192] + [r[0] + r[2] + r[4] + r[5] for r in rows]
    blocks = [Inception(width, row, norm) for width, row in zip(widths, rows, strict=False)]
    stem = [nn.Conv2d(channels, 64, 7, 2, 3), nn.ReLU(), pool, nn.Conv2d(64, 64, 1), nn.ReLU()]
    return nn.Sequential(
        *stem, nn.Conv2d(64, 192, 3, padding=1), nn.ReLU(), pool, *blocks[:2], pool, *blocks[2:7], pool, *blocks[7:],
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, classes),
    )  # fmt: skip


ERRATUM = [*ROWS[:5], (112, 128, 288, 32, 64, 64), *ROWS[6:]]
ORACLES = {
    "inception_net": (tutorial_net, (3, 32, 32)),
    "dilated_cnn": (tutorial_dilated, (3, 32, 32)),
    "googlenet.gray": (lambda: googlenet(1, 10, False), (1, 64, 64)),
    "googlenet.gray_erratum": (lambda: googlenet(1, 10, False, ERRATUM), (1, 64, 64)),
    "googlenet.bn": (lambda: googlenet(3, 1000, True), (3, 96, 96)),
}


@pytest.mark.parametrize("name", ORACLES)
def test_the_same_weights_give_the_same_logits(name):
    make, shape = ORACLES[name]
    oracle, ours = make().eval(), create_model(name, input_size=shape[1], stem="imagenet").eval()
    for module in oracle.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    state = dict(zip(ours.state_dict(), oracle.state_dict().values(), strict=True))
    ours.load_state_dict(state)
    x = torch.randn(2, *shape)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), oracle(x), rtol=0, atol=0)


def test_lrn_is_caffes():
    """Caffe divides alpha by the size, as torch does."""
    x = torch.rand(1, 8, 2, 2)
    square = F.pad(x.square(), (0, 0, 0, 0, 2, 2))
    expected = x / (1 + 1e-4 / 5 * sum(square[:, i : i + 8] for i in range(5))) ** 0.75
    torch.testing.assert_close(nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)(x), expected)
