"""Training for few operations: each option against a formula of its own, and all of them in one run."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from inceptionlab import ConfigError, SpecError, build, get_spec, measure
from inceptionlab.cli import main
from inceptionlab.data.batches import Augment, Rows, alternating, augmented, batch_sizes, train_batches
from inceptionlab.data.dataset import Samples
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.registry import digits
from inceptionlab.data.stores.images import InMemory
from inceptionlab.evaluation.predictions import logits_of, view_count
from inceptionlab.nn.initialise import classifiers, scale_logits
from inceptionlab.rules import parse_rule
from inceptionlab.runs.fitting import fit
from inceptionlab.runs.options import Machine
from inceptionlab.runs.setup import Setup
from inceptionlab.runs.testing import train
from inceptionlab.spec import CLASSES, Concat, Conv, Depthwise, Linear, Norm, Pool, Seq
from inceptionlab.spec.network import Input, Network
from inceptionlab.training.averaging import Lookahead
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.training.cost import in_words, training_flop
from inceptionlab.training.muon import Muon, orthogonalised
from inceptionlab.training.optimizers import lr_factor, make_optimizer, set_rates
from inceptionlab.training.recipe import Recipe, load_recipe, recipe
from inceptionlab.training.whitening import whiten, whitening_filters
from tests.training.test_distributed import launch
from tests.training.test_run import SETUP, TINY, curve, same, weights

QUIET = Callbacks(say=lambda _: None)
BIASED = Norm("batch", 1e-12, 0.4, affine="bias")
SMALL = Network(
    "small",
    Seq(whiten=Conv(8, 2, pad="valid", norm=None, act="gelu")),
    Seq(block=Concat(one=Conv(8, norm=BIASED), three=Conv(8, 3, norm=BIASED), deep=Seq(Conv(4), Depthwise(3)))),
    Seq(pool=Pool("max", to=1), fc=Linear(CLASSES, bias=False)),
    Input(1, 16, 16),
    classes=10,
)
ALL = Recipe(
    epochs=3, batch_size=64, init="dirac", optimizer="muon", lr=0.1, momentum=0.6, unit_filters=True, rest_lr=0.5,
    head_lr=2.0, norm_lr=3.0, logit_scale=0.25, weight_decay=0.01, decay="all", warmup=0.2, lr_start=0.2, lr_end=0.07,
    label_smoothing=0.2, whiten=True, whiten_epochs=1.0, lookahead=3, flip_tta=True, shift_tta=True, precision="fp32",
    select="last", augment=Augment(2, True, 0, alternate=True),
)  # fmt: skip
RUN = Setup(SMALL, ALL, "digits", 0, limit_train=300, limit_test=100)


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("efficient") / "whole"
    train(RUN, folder, Machine("cpu"), QUIET, data)
    return folder


def samples(count, side=8, channels=3):
    images = torch.randint(0, 256, (count, side, side, channels), dtype=torch.uint8)
    return Samples(InMemory(images), torch.zeros(count, dtype=torch.int64), ("a",))


# Muon


@pytest.mark.parametrize("shape", [(2, 5, 12), (1, 12, 5)])
def test_orthogonalising_is_a_polynomial_of_the_singular_values(shape):
    torch.manual_seed(0)
    matrices = torch.randn(shape)
    for matrix, found in zip(matrices.double().numpy(), orthogonalised(matrices, 3), strict=True):
        u, s, v = np.linalg.svd(matrix, full_matrices=False)
        s = s / np.sqrt((s**2).sum())
        for _ in range(3):
            s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
        np.testing.assert_allclose(found.numpy(), u @ np.diag(s) @ v, atol=2e-5)


@pytest.mark.parametrize("shape", [(6, 20), (20, 6)])
@pytest.mark.parametrize("nesterov", [True, False])
def test_matrices_move_as_in_torchs_muon(shape, nesterov):
    """torch computes the iteration in bf16, so a step agrees to some thousandths of itself."""
    torch.manual_seed(0)
    start, gradients = torch.randn(shape), torch.randn(4, *shape)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    steps = (
        Muon([{"params": [ours], "weight_decay": 0.1}], 0.02, 0.9, nesterov, 5),
        torch.optim.Muon([theirs], 0.02, 0.1, 0.9, nesterov),
    )
    for gradient in gradients:
        for weight, optimizer in zip((ours, theirs), steps, strict=True):
            weight.grad = gradient.clone()
            optimizer.step()
    moved = [(weight - start * (1 - 0.002) ** 4).detach() for weight in (ours, theirs)]
    assert (moved[0] - moved[1]).norm() < 0.02 * moved[1].norm()


def test_groups_of_a_convolution_are_matrices_of_their_own_and_unit_filters_have_a_norm():
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 8, 3, groups=2, bias=False).to(memory_format=torch.channels_last)
    halves = [nn.Parameter(part.clone().flatten(1)) for part in layer.weight.detach().chunk(2)]
    gradient = torch.randn_like(layer.weight)
    whole = Muon([{"params": [layer.weight], "matrices": 2}], 0.1, 0.6)
    apart = Muon(halves, 0.1, 0.6)
    for _ in range(2):
        layer.weight.grad = gradient
        for half, part in zip(halves, gradient.chunk(2), strict=True):
            half.grad = part.flatten(1)
        whole.step(), apart.step()
    torch.testing.assert_close(layer.weight.flatten(1), torch.cat([*halves]))
    unit = Muon([{"params": [layer.weight], "unit_filters": True}], 0.0)
    unit.step()
    assert layer.weight.norm().item() == pytest.approx(8**0.5)


def test_the_rest_moves_as_in_sgd():
    one, other = (nn.Parameter(torch.ones(3)) for _ in range(2))
    ours = Muon([{"params": [one], "matrices": 0, "momentum": 0.85, "weight_decay": 0.1}], 0.1, 0.6)
    theirs = torch.optim.SGD([other], 0.1, 0.85, weight_decay=0.1, nesterov=True)
    for gradient in torch.randn(4, 3):
        one.grad, other.grad = gradient.clone(), gradient.clone()
        ours.step(), theirs.step()
    torch.testing.assert_close(one, other)


def test_every_kind_of_weight_has_its_group():
    network = build(SMALL)
    optimizer = make_optimizer(network, ALL)
    set_rates(optimizer, ALL, 20, 100)
    names = {id(p): name for name, p in network.named_parameters()}
    found = {
        names[id(p)]: (group["matrices"], round(group["lr"], 6), group["weight_decay"] * group["lr"])
        for group in optimizer.param_groups for p in group["params"]
    }  # fmt: skip
    assert found["block.three.conv.weight"] == (1, 0.1, 0.0)  # its norm is fixed, so no decay
    assert found["block.deep.1.conv.weight"] == (0, 0.5, pytest.approx(0.001))  # depthwise: left to SGD
    assert found["block.one.norm.bias"] == (0, 1.5, pytest.approx(0.001))
    assert found["block.deep.0.norm.weight"] == (0, 0.5, pytest.approx(0.001))
    assert found["fc.linear.weight"] == (0, 0.0625, pytest.approx(0.001))
    assert found["whiten.conv.bias"] == (0, 0.5, pytest.approx(0.001))
    set_rates(optimizer, ALL, 34, 100)  # of three epochs the first is over
    assert {group["lr"] for group in optimizer.param_groups if "epochs" in group} == {0.0}
    assert optimizer.param_groups[0]["lr"] > 0


def test_muon_does_not_divide_weights(tmp_path, data):
    with pytest.raises(ConfigError, match="--shard divides them"):
        fit(RUN, tmp_path / "run", Machine("cpu", shard=True), QUIET, data)


# Rates, logits, averages, views, cost


def test_the_triangle_of_airbench():
    given = Recipe(warmup=0.23, lr_start=0.2, lr_end=0.07)
    expected = np.interp(np.arange(100), [0, 23, 100], [0.2, 1.0, 0.07])
    assert [lr_factor(given, step, 100) for step in range(100)] == pytest.approx(expected)
    assert lr_factor(Recipe(schedule="cosine", lr_end=0.1), 100, 100) == pytest.approx(0.1)


@pytest.mark.parametrize("name", ["sgd", "muon"])
def test_scaled_logits_train_as_a_network_that_divides_them(name):
    """The classifier is so much smaller and learns by the square; what the network says stays the same."""
    torch.manual_seed(0)
    given = {"lr": 0.1, "weight_decay": 0.01, "momentum": 0.9, "optimizer": name}
    spec = replace(TINY, head=Seq(pool=Pool("avg", to=1), fc=Linear()))
    ours, theirs = build(spec, seed=0), build(spec, seed=0)
    scale_logits(ours, 0.25)
    steps = make_optimizer(ours, Recipe(logit_scale=0.25, **given)), make_optimizer(theirs, Recipe(**given))
    for optimizer in steps:
        set_rates(optimizer, Recipe(warmup=0.0, schedule="constant", **given), 0, 10)
    for x in torch.randn(3, 16, 1, 32, 32):
        logits = ours(x), 0.25 * theirs(x)
        torch.testing.assert_close(*logits)
        for value, optimizer in zip(logits, steps, strict=True):
            optimizer.zero_grad()
            F.cross_entropy(value, torch.arange(16) % 10).backward()
            optimizer.step()
    assert len(classifiers(ours)) == 1


def test_looking_ahead_by_hand():
    module = nn.BatchNorm2d(1)
    ahead, slow = Lookahead(module, 2, 0.9), 1.0
    for step in range(4):
        with torch.no_grad():
            module.weight.add_(1.0)
            fast = module.weight.item()
        ahead.update(module, step, 4)
        if step % 2:
            keep = 0.9**2 * ((step + 1) / 4) ** 3
            slow = fast = keep * slow + (1 - keep) * fast
        assert module.weight.item() == pytest.approx(fast)
        assert ahead.state["weight"].item() == pytest.approx(slow)


def test_six_views():
    torch.manual_seed(0)
    few, preprocess = samples(5), Preprocess(Input(3, 8, 8, crop=1.0))
    layer = nn.Linear(3 * 64, 4)

    def model(x):
        return layer(x.flatten(1)).tanh()

    x = preprocess.batch(few.images[:])
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    moved = [torch.from_numpy(np.ascontiguousarray(padded[:, :, i : i + 8, i : i + 8])) for i in (0, 2)]
    both = [(model(y) + model(y.flip(3))) / 2 for y in (x, *moved)]
    expected = 0.5 * both[0] + 0.25 * both[1] + 0.25 * both[2]
    torch.testing.assert_close(logits_of(model, few, preprocess, flip_tta=True, shift_tta=True), expected)
    alone = 0.5 * model(x) + 0.25 * model(moved[0]) + 0.25 * model(moved[1])
    torch.testing.assert_close(logits_of(model, few, preprocess, shift_tta=True), alone)
    assert [view_count(*both) for both in ((False, False), (True, False), (False, True), (True, True))] == [1, 2, 3, 6]


@pytest.mark.parametrize("low_share", [0.0, 0.37, 0.5])
def test_the_cost_of_training_image_by_image(low_share):
    given = Recipe(epochs=3, batch_size=30, low_size=16, low_share=low_share)
    whole, low = measure(TINY).macs, measure(TINY.resized(16)).macs
    sizes, expected = batch_sizes(100, 30), 0
    for epoch in range(3):
        for batch, size in enumerate(sizes):
            small = (epoch + batch / len(sizes)) / 3 < low_share
            expected += size * 6 * (low if small else whole)
    assert training_flop(TINY, given, 100) == expected
    assert [in_words(value) for value in (2.9e14, 3.1e12, 5e7, 12.0)] == [
        "0.29 PFLOP",
        "3.1 TFLOP",
        "50,000,000 FLOP",
        "12 FLOP",
    ]


# Images


def test_no_two_epochs_show_the_same_side():
    store = samples(40)
    shown = []
    for epoch in range(4):
        order = train_order(store, epoch)
        sides = torch.empty(40, dtype=torch.bool)
        sides[order] = alternating(store, 3, epoch)
        shown.append(sides)
    assert torch.equal(shown[0], ~shown[1])
    assert torch.equal(shown[0], shown[2])
    assert 8 < shown[0].sum() < 32


def train_order(store, epoch):
    """The places of the images of an epoch: those of a set whose images say their place."""
    marked = replace(store, images=InMemory(torch.arange(len(store), dtype=torch.uint8)[:, None, None, None]))
    return torch.cat([images for images, _ in train_batches(marked, [len(store)], 3, epoch)])[:, 0, 0, 0].long()


def test_rows_say_which_images_are_mirrored():
    images, sides = samples(6).images[:], torch.tensor([True, False, True, True, False, False])
    found = augmented(images, Augment(pad=0), (8, 8), torch.Generator(), Rows(6, slice(0, 6), sides))
    assert torch.equal(found[sides], images[sides].flip(2))
    assert torch.equal(found[~sides], images[~sides])


# Initial weights


def test_convolutions_begin_as_the_identity_on_their_first_channels():
    spec = Network("n", Seq(), Seq(
        wide=Conv(6, 3, norm=None, act=None, bias=False), narrow=Conv(2, 5, norm=None, act=None, bias=False),
        deep=Conv(4, (1, 7), groups=2, norm=None, act=None, bias=False), even=Conv(4, 2, norm=None, act=None),
    ), Seq(pool=Pool("avg", to=1), fc=Linear()), Input(3, 9, 9), classes=5)  # fmt: skip
    network = build(spec, "dirac", seed=0)
    x = torch.randn(2, 3, 9, 9)
    torch.testing.assert_close(network.wide(x)[:, :3], x)
    assert not torch.equal(network.wide(x)[:, 3:], x)
    torch.testing.assert_close(network.narrow(torch.cat([x, x], 1)), x[:, :2])
    y = x[:, :2]
    torch.testing.assert_close(network.deep(y)[:, [0, 2]], y)
    assert network.fc.linear.weight.std().item() == pytest.approx(1.0)
    plain = build(spec, "torch", seed=0)
    assert torch.equal(network.even.conv.weight, plain.even.conv.weight)
    assert torch.equal(network.wide.conv.weight[3:], plain.wide.conv.weight[3:])


def test_the_whitened_layer_makes_patches_white(data):
    """Its outputs have the variance l / (l + eps) and no covariance, l being numpy's eigenvalues of all patches."""
    network = build(SMALL, seed=0)
    whiten(network, data.train, 0)
    x = Preprocess(SMALL.input).batch(data.train.images[:])
    assert len(x) < 5000  # all of them are looked at
    patches = np.stack([x[:, 0, i : 15 + i, j : 15 + j].numpy().ravel() for i in (0, 1) for j in (0, 1)])
    eigenvalues = np.linalg.eigvalsh(np.cov(patches))[::-1]
    with torch.no_grad():
        out = network.whiten.conv(x).movedim(1, 0).flatten(1).numpy()
    assert np.allclose(np.cov(out[:4]), np.diag(eigenvalues / (eigenvalues + 5e-4)), atol=1e-3)
    assert np.allclose(out[4:], -out[:4], atol=1e-5)
    again, other = build(SMALL, seed=1), build(SMALL, seed=0)
    whiten(again, data.train, 0)
    whiten(other, data.train.subset(torch.arange(50)), 0)
    assert torch.equal(again.whiten.conv.weight, network.whiten.conv.weight)
    assert not torch.equal(other.whiten.conv.weight, network.whiten.conv.weight)


def test_whitening_filters_of_any_number():
    covariance = torch.diag(torch.tensor([1.0, 4.0, 9.0]))
    few, many = whitening_filters(covariance, 3), whitening_filters(covariance, 8)
    assert torch.equal(few[2], -few[0])
    assert [int(row.abs().argmax()) for row in few[:2]] == [2, 1]
    assert torch.equal(many[6:], many[:2])
    assert torch.equal(many[3:6], -many[:3])


def test_what_cannot_be_whitened(data):
    with pytest.raises(ConfigError, match=r"tiny does not begin with .* the rule `whitened` puts one before any"):
        whiten(build(TINY), data.train, 0)
    spec = parse_rule("whitened(3)")(TINY)
    assert spec.stem.children[0][1] == Conv(18, 3, pad="valid", norm=None, act="gelu")
    whiten(build(spec), data.train, 0)
    with pytest.raises(SpecError, match="a node called whiten already"):
        parse_rule("whitened | whitened")(TINY)


def test_norms_that_learn_a_bias_alone():
    spec = get_spec("small_fast | batch_norm")
    network = build(spec).train()
    assert not any(name.endswith("norm.weight") for name, _ in network.named_parameters())
    assert sum(p.numel() for p in network.parameters()) == measure(spec).params
    x = torch.randn(4, 3, 32, 32)
    layer = network.conv1
    y = F.conv2d(x, layer.conv.weight, stride=2, padding=1)
    with torch.no_grad():
        layer.norm.bias.fill_(0.5)
    mean, var = y.mean((0, 2, 3)), y.var((0, 2, 3), unbiased=False)
    expected = ((y - mean[:, None, None]) / var[:, None, None].sqrt() + 0.5).relu()
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.norm.running_mean, 0.4 * mean)
    with pytest.raises(SpecError, match="only a batch norm learns its bias alone"):
        Norm("group", affine="bias")


# Runs


@pytest.mark.parametrize("stop_after", [1, 6, 11])
def test_a_run_with_all_of_it_goes_on_bit_for_bit(finished, tmp_path, data, stop_after):
    steps = iter(range(1, 1000))
    stopping = Callbacks(say=lambda _: None, stop=lambda: next(steps) == stop_after)
    assert train(RUN, tmp_path, Machine("cpu"), stopping, data) is None
    train(RUN, tmp_path, Machine("cpu"), QUIET, data)
    assert curve(tmp_path) == curve(finished)
    assert same(weights(tmp_path), weights(finished))


def test_the_filters_from_data_stay_and_the_run_says_its_views(finished, tmp_path, data):
    from inceptionlab.runs.folder import RunFolder
    from inceptionlab.runs.sentences import closing
    from inceptionlab.runs.setup import training_and_validation

    begun = build(SMALL)
    whiten(begun, training_and_validation(data, RUN)[0], 0)
    found = weights(finished)
    assert torch.equal(found["whiten.conv.weight"], begun.whiten.conv.weight)
    assert found["whiten.conv.bias"].abs().sum() > 0
    assert RunFolder(finished).tested().views == 6
    assert "(the mean of 6 views of each image)" in closing(RunFolder(finished))
    assert "TFLOP" in (finished / "report.html").read_text() or "GFLOP" in (finished / "report.html").read_text()
    tuned = replace(RUN, seed=5, weights=str(finished / "model.safetensors"), recipe=replace(ALL, epochs=1))
    train(tuned, tmp_path / "tuned", Machine("cpu"), QUIET, data)  # given weights keep their filters
    assert torch.equal(weights(tmp_path / "tuned")["whiten.conv.weight"], found["whiten.conv.weight"])


def test_two_processes_give_the_curve_of_one(tmp_path):
    from inceptionlab.runs.folder import RunFolder

    chosen = {"optimizer": "muon", "lr": 0.02, "rest_lr": 0.1, "whiten": True, "lookahead": 2, "augment.flip": True,
              "augment.alternate": True, "shift_tta": True, "init": "dirac", "max_grad_norm": 1.0}  # fmt: skip
    settings = [word for name, value in chosen.items() for word in ("--set", f"{name}={str(value).lower()}")]
    arguments = ["train", "--model", "inception_net | small_stem(32) | widen(0.25) | whitened", "--data", "digits",
                 "--device", "cpu", "--limit-train", "300", "--limit-test", "100", "--epochs", "2", "--precision",
                 "fp32", *settings]  # fmt: skip
    main([*arguments, "--out", str(tmp_path / "1")])
    done = launch(2, *arguments, "--out", str(tmp_path / "2"))
    assert done.returncode == 0, done.stderr
    for one, two in zip(*(RunFolder(tmp_path / count).epochs() for count in "12"), strict=True):
        assert one.train_loss == pytest.approx(two.train_loss, rel=1e-4)
        assert one.val_loss == pytest.approx(two.val_loss, rel=1e-3)


CHANGES = {
    "optimizer": "muon", "norm_lr": 2.0, "decay": "all", "lr_start": 0.1, "lr_end": 0.1, "logit_scale": 0.5,
    "whiten": True, "lookahead": 5, "shift_tta": True, "augment.alternate": True,
}  # fmt: skip


def test_every_new_field_makes_another_run():
    keys = {replace(SETUP, recipe=recipe("small", {name: value})).key for name, value in CHANGES.items()}
    assert len(keys | {replace(SETUP, recipe=load_recipe("small")).key}) == len(CHANGES) + 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rest_lr": 0.1}, '"muon" has'),
        ({"optimizer": "adam", "logit_scale": 0.5}, '"sgd" and "muon" have'),
        ({"schedule": "step", "lr_end": 0.5}, '"one_cycle" and "cosine" have it'),
        ({"warmup": 0.0, "lr_start": 0.5}, "warmup is 0"),
        ({"ema": 0.9, "lookahead": 5}, "one of the two"),
        ({"lookahead_decay": 0.5}, "lookahead, which is 0"),
        ({"whiten_epochs": 5.0}, "whiten is false"),
        ({"augment.flip": False, "augment.alternate": True}, "augment.flip is false"),
        ({"decay": "some"}, "known are weights, all"),
        ({"norm_lr": -1}, "at least 0"),
        ({"lookahead": 1.5}, "a whole number"),
        ({"whiten": "3"}, "true or false"),
    ],
)  # fmt: skip
def test_wrong_settings_are_sentences(settings, words):
    with pytest.raises(ConfigError, match=words):
        recipe(None, settings)


def test_exact_rewrites_and_a_copy_of_it():
    from inceptionlab.optimization.exactness import exact

    torch.manual_seed(0)
    network = build(SMALL, seed=0).train()
    network(torch.randn(8, 1, 16, 16))
    x = torch.randn(3, 1, 16, 16)
    network.eval()
    with torch.inference_mode():
        torch.testing.assert_close(exact(copy.deepcopy(network))(x), network(x), rtol=1e-4, atol=1e-5)
