import numpy as np
import pytest
import torch
from torch import nn

from inceptionlab.training.averaging import MovingAverage
from inceptionlab.training.optimizers import RMSPropTF, lr_factor, make_optimizer
from inceptionlab.training.recipe import Recipe


def test_rmsprop_is_tensorflows_by_hand():
    """s starts at 1, eps is inside the root, momentum gathers scaled steps: three steps in numpy."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = RMSPropTF([weight], lr=0.045, decay=0.9, momentum=0.9, eps=1.0)
    w, s, m = np.array([1.0, -2.0]), np.ones(2), np.zeros(2)
    for gradient in ([0.3, -1.0], [2.0, 0.1], [-0.5, 0.4]):
        g = np.array(gradient)
        s = 0.9 * s + 0.1 * g * g
        m = 0.9 * m + 0.045 * g / np.sqrt(s + 1.0)
        w = w - m
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    assert weight.detach().numpy() == pytest.approx(w, rel=1e-6)


def test_rmsprop_is_not_torchs():
    one, other = (nn.Parameter(torch.ones(1)) for _ in range(2))
    ours, torchs = (
        RMSPropTF([one], lr=0.1, eps=1.0),
        torch.optim.RMSprop([other], lr=0.1, alpha=0.9, eps=1.0, momentum=0.9),
    )
    for parameter, optimizer in ((one, ours), (other, torchs)):
        parameter.grad = torch.ones(1)
        optimizer.step()
    assert one.item() == pytest.approx(1 - 0.1 / np.sqrt(2.0))
    assert one.item() != pytest.approx(other.item(), abs=1e-3)


@pytest.mark.parametrize(
    ("settings", "theirs"),
    [
        ({"optimizer": "adam"}, lambda p: torch.optim.Adam(p, lr=0.001)),
        ({"optimizer": "adam", "betas": (0.5, 0.99)}, lambda p: torch.optim.Adam(p, lr=0.001, betas=(0.5, 0.99))),
        ({"optimizer": "nadam"}, lambda p: torch.optim.NAdam(p, lr=0.001)),
        ({"optimizer": "adamw", "betas": (0.8, 0.9)}, lambda p: torch.optim.AdamW(
            p, lr=0.001, betas=(0.8, 0.9), weight_decay=0.0)),
        ({"momentum": 0.0}, lambda p: torch.optim.SGD(p, lr=0.001)),
        ({"nesterov": False}, lambda p: torch.optim.SGD(p, lr=0.001, momentum=0.9)),
        ({}, lambda p: torch.optim.SGD(p, lr=0.001, momentum=0.9, nesterov=True)),
    ],
)  # fmt: skip
def test_steps_are_those_of_torchs_optimisers_as_tutorials_write_them(settings, theirs):
    ours, other = (nn.Linear(3, 2) for _ in range(2))
    other.load_state_dict(ours.state_dict())
    steps = make_optimizer(ours, Recipe(lr=0.001, weight_decay=0.0, **settings)), theirs(other.parameters())
    for x in torch.randn(5, 4, 3):
        for model, optimizer in zip((ours, other), steps, strict=True):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    assert torch.equal(ours.weight, other.weight)
    assert torch.equal(ours.bias, other.bias)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "nadam", "rmsprop_tf"])
def test_optimisers_descend_and_leave_norms_undecayed(name):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    optimizer = make_optimizer(model, Recipe(optimizer=name, lr=0.1))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [5e-4, 0.0]
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 3]
    x = torch.randn(8, 1, 6, 6)
    losses = []
    for _ in range(30):
        loss = (model[0](x) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        ("constant", {20: 1.0, 99: 1.0}),
        ("cosine", {20: 1.0, 60: 0.5, 99: 0.0004}),
        ("one_cycle", {20: 1.0, 60: 0.5, 99: 0.0125}),
        ("step", {29: 1.0, 30: 0.1, 60: 0.01}),
        ("exponential", {30: 0.1, 60: 0.01}),
    ],
)
def test_schedules(schedule, values):
    recipe = Recipe(epochs=100, schedule=schedule, warmup=0.2, gamma=0.1, every=30)
    assert lr_factor(recipe, 0, 100) == pytest.approx(0.05)
    assert lr_factor(recipe, 10, 100) == pytest.approx(0.525)
    for step, factor in values.items():
        assert lr_factor(recipe, step, 100) == pytest.approx(factor, abs=1e-3)


def test_the_papers_exponential_schedule():
    """lr x 0.94 every two epochs (Rethinking, section 8), drawn smoothly."""
    recipe = Recipe(epochs=10, schedule="exponential", warmup=0.0, gamma=0.94, every=2)
    assert lr_factor(recipe, 40, 100) == pytest.approx(0.94**2)


def test_the_moving_average_follows_and_copies_counters():
    module = nn.BatchNorm2d(2)
    average = MovingAverage(module, 0.9)
    with torch.no_grad():
        module.weight.fill_(3.0)
    module.num_batches_tracked.fill_(7)
    average.update(module, step=1000, steps=2000)
    assert average.state["weight"].tolist() == pytest.approx([1.2, 1.2])
    assert average.state["num_batches_tracked"].item() == 7
    early = MovingAverage(nn.BatchNorm2d(2), 0.9)
    early.update(module, step=0, steps=2000)
    assert early.state["weight"].tolist() == pytest.approx([2.8, 2.8])
