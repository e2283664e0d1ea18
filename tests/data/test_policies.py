import numpy as np
import pytest
import torch
from torch.nn import functional as F

from inceptionlab.data.batches import Augment
from inceptionlab.data.policies import Targets, coloured_and_cropped, mixed

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "augment", [Augment(area=0.2), Augment(colour=0.4), Augment(policy="rand"), Augment(policy="trivial")], ids=repr
)
def test_policies_keep_sizes_and_range_and_follow_the_seed(augment, channels):
    if channels == 1 and augment.policy != "none":
        pytest.skip("policies change colours")
    images = torch.randint(0, 256, (4, 24, 24, channels), dtype=torch.uint8)
    torch.manual_seed(1)
    first = coloured_and_cropped(images, augment, (16, 16) if augment.area else (24, 24))
    torch.manual_seed(1)
    again = coloured_and_cropped(images, augment, (16, 16) if augment.area else (24, 24))
    assert first.shape == (4, *((16, 16) if augment.area else (24, 24)), channels)
    assert torch.equal(first, again)
    assert first.min() >= 0
    assert first.max() <= 255
    assert not torch.equal(first[:, :8, :8], images[:, :8, :8].float())


def test_nothing_is_done_where_nothing_is_asked():
    images = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)
    assert coloured_and_cropped(images, Augment(), (8, 8)) is images
    x, targets = mixed(torch.zeros(2, 3, 8, 8), torch.tensor([0, 1]), Augment(), np.random.default_rng(0))
    assert targets.others is None
    assert x.sum() == 0


def test_mixup_shares_images_and_losses_alike():
    x, labels = torch.eye(4).view(4, 1, 2, 2), torch.arange(4)
    y, targets = mixed(x, labels, Augment(mixup=1.0), np.random.default_rng(0))
    torch.testing.assert_close(y, targets.share * x + (1 - targets.share) * x[targets.others])
    logits = torch.randn(4, 4)
    soft = targets.share * F.one_hot(labels, 4) + (1 - targets.share) * F.one_hot(targets.others, 4)
    torch.testing.assert_close(targets.loss(logits, 0.0), F.cross_entropy(logits, soft))
    torch.testing.assert_close(targets.loss(logits, 0.1), F.cross_entropy(logits, soft, label_smoothing=0.1))


def test_cutmix_shares_by_the_area_that_was_pasted():
    x = torch.arange(6.0)[:, None, None, None].expand(6, 1, 16, 16).contiguous()
    for seed in range(8):
        y, targets = mixed(x, torch.arange(6), Augment(cutmix=1.0), np.random.default_rng(seed))
        for i in range(6):
            if int(targets.others[i]) != i:
                assert (y[i] == i).float().mean().item() == pytest.approx(targets.share)


def test_one_of_both_is_drawn():
    x = torch.rand(4, 1, 8, 8)
    kinds = set()
    for seed in range(12):
        y, targets = mixed(x, torch.arange(4), Augment(mixup=1.0, cutmix=1.0), np.random.default_rng(seed))
        pasted = ((y == x) | (y == x[targets.others])).all()
        kinds.add(bool(pasted))
    assert kinds == {True, False}


def test_unmixed_targets_are_plain_cross_entropy():
    logits, labels = torch.randn(3, 5), torch.tensor([0, 4, 2])
    torch.testing.assert_close(Targets(labels).loss(logits, 0.0), F.cross_entropy(logits, labels))
