"""Branches, receptive fields, maps and mistakes of networks, against what is known of them otherwise."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import inceptionlab as il
from inceptionlab import DataError, Input, Network, SpecError, get_spec
from inceptionlab.cli import main
from inceptionlab.data.dataset import Samples
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.stores.images import InMemory
from inceptionlab.evaluation.metrics import gain
from inceptionlab.explaining.branches import branch_work
from inceptionlab.explaining.maps import feature_maps, first_filters
from inceptionlab.explaining.mistakes import Mistake, confident_mistakes, likely_wrong_labels, most_confused
from inceptionlab.explaining.places import module_at, outputs_at
from inceptionlab.explaining.receptive import receptive_field, receptive_fields
from inceptionlab.report.branches import branch_figure
from inceptionlab.report.fields import field_figure
from inceptionlab.report.sheets import filters_figure, maps_figure, tiled
from inceptionlab.spec import Concat, Conv, Linear, Pool, Residual, Seq, Split

HEAD = Seq(pool=Pool("avg", to=1), fc=Linear())


def linear(kernel, out=1, **options):
    """A convolution and nothing behind it."""
    return Conv(out, kernel, norm=None, act=None, bias=False, **options)


def network(body, side=31, channels=1, ones=True, stem=None):
    torch.manual_seed(0)
    spec = Network("one", stem or Seq(), Seq(node=body), HEAD, Input(channels, side, side), classes=3)
    built = il.build(spec).eval()
    for module in built.modules():
        if ones and isinstance(module, torch.nn.Conv2d):
            torch.nn.init.ones_(module.weight)
    return built


def images(built, count=8):
    channels, height, width = built.spec.input.shape
    pixels = torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8)
    return Samples(InMemory(pixels), torch.arange(count) % built.spec.classes, ("a", "b", "c"))


def test_ones_in_a_row_have_a_binomial_field():
    """n convolutions of ones give the coefficients of (1 + x + x²)ⁿ, whose squares are the energy (Luo et al. 2016)."""
    row = np.ones(1)
    for _ in range(5):
        row = np.convolve(row, np.ones(3))
    energy = np.outer(row, row) ** 2
    found = receptive_field(network(Seq(*[linear(3)] * 5)), "node", torch.randn(3, 1, 31, 31))
    assert found.theoretical == (10, 10, 20, 20)
    assert np.allclose(found.energy[10:21, 10:21], energy / energy.sum(), atol=1e-12)
    assert found.energy.sum() == pytest.approx(1)
    shares = np.sort((energy / energy.sum()).ravel())[::-1].cumsum()
    for side, share in ((found.half, 0.5), (found.most, 0.95)):
        assert round(side**2) == np.searchsorted(shares, share) + 1


@pytest.mark.parametrize(("node", "sides"), [
    (linear(3, 4), (3, 3)), (linear((1, 7), 4), (1, 7)), (linear(3, 4, dilation=2), (5, 5)),
    (Seq(Pool("avg", 2, 2, pad="valid"), linear(3, 4)), (6, 6)),
])  # fmt: skip
def test_a_convolution_sees_its_kernel(node, sides):
    built = network(node, side=32, channels=3, ones=False)
    found = receptive_field(built, "node", torch.randn(2, 3, 32, 32))
    assert (found.height, found.width) == sides
    top, left, bottom, right = found.theoretical
    inside = np.zeros((32, 32), bool)
    inside[top : bottom + 1, left : right + 1] = True
    assert found.energy[~inside].sum() == 0
    if isinstance(node, Conv):
        taps = np.zeros(sides)
        taps[:: node.window.dilation[0], :: node.window.dilation[1]] = 1
        assert ((found.energy[top : bottom + 1, left : right + 1] > 0) == (taps > 0)).all()


def test_the_energy_of_one_filter_is_that_of_its_weights():
    built = network(linear(5), channels=3, ones=False)
    weight = built.get_submodule("node").conv.weight.detach()[0].double().square().sum(0).numpy()
    found = receptive_field(built, "node", torch.randn(1, 3, 31, 31))
    top, left, bottom, right = found.theoretical
    assert np.allclose(found.energy[top : bottom + 1, left : right + 1], weight / weight.sum(), atol=1e-7)


def test_dilation_reaches_further_with_as_many_pixels():
    dense, dilated = (receptive_field(network(Seq(*[linear(3, dilation=rate)] * 3)), "node", torch.ones(1, 1, 31, 31))
                      for rate in (1, 2))  # fmt: skip
    assert (dilated.half, dilated.most) == (dense.half, dense.most)
    assert (dense.reach, dilated.reach) == (5, 9)


def test_fields_are_refused_without_images_or_of_an_unknown_node():
    built = network(linear(3))
    with pytest.raises(SpecError, match="has no node 'noed'; did you mean 'node'"):
        receptive_field(built, "noed", torch.randn(1, 1, 31, 31))
    with pytest.raises(DataError, match="none was given"):
        receptive_field(built, "node", torch.randn(0, 1, 31, 31))
    with pytest.raises(DataError, match="1x8x8 and one takes 1x31x31"):
        receptive_field(built, "node", torch.randn(1, 1, 8, 8))


BLOCK = Concat(one=Conv(4), three=Seq(Conv(2), Conv(6, 3)), pool=Seq(Pool("max"), Conv(2)))


def test_the_work_of_branches_is_what_a_network_without_them_loses():
    """The accuracy without a branch is that of the network whose next weights for its channels are 0."""
    built = network(BLOCK, side=8, channels=3, ones=False)
    data = images(built, 40)
    work = branch_work(built, data, "zero")
    x = Preprocess(built.spec.input).batch(data.images[torch.arange(40)])
    right = built(x).argmax(1) == data.labels
    assert work.accuracy == pytest.approx(right.float().mean().item())
    fc = next(m for m in built.modules() if isinstance(m, torch.nn.Linear))
    whole, start = fc.weight.detach().clone(), 0
    for branch, width in zip(work.branches, (4, 6, 2), strict=True):
        fc.weight.data = whole.clone()
        fc.weight.data[:, start : start + width] = 0
        assert (branch.lost, branch.low, branch.high) == gain(built(x).argmax(1) == data.labels, right)
        start += width
    fc.weight.data = whole
    _, seen = outputs_at(built, x, ["node.one", "node.three", "node.pool"])
    energies = torch.stack([maps.double().square().sum() for maps in seen.values()])
    found = [branch.shares.energy for branch in work.branches]
    assert found == pytest.approx((energies / energies.sum()).tolist(), rel=1e-5)
    params = [branch.params for branch in work.branches]
    assert params == [sum(p.numel() for p in module_at(built, b.address).parameters()) for b in work.branches]
    assert sum(branch.shares.params for branch in work.branches) == pytest.approx(1)


def test_a_branch_held_at_its_mean_says_nothing_and_the_network_stays_as_it_was():
    built = network(Residual(Seq(Conv(3, 3)), 0.5, act=None), side=8, channels=3, ones=False).train()
    before = {name: value.clone() for name, value in built.state_dict().items()}
    work = branch_work(built, images(built))
    assert [branch.name for branch in work.branches] == ["body", "shortcut"]
    assert built.training
    assert not any(module._forward_hooks for module in built.modules())
    assert all(torch.equal(before[name], value) for name, value in built.state_dict().items())
    constant = images(built)
    constant.images.pixels[:] = 7  # a branch that gives the same for all images is worth nothing
    assert all(branch.lost == 0 for branch in branch_work(built, constant).branches)


def test_the_gradient_at_a_shortcut_is_that_of_the_shortcut_alone():
    built = network(Residual(Seq(Conv(3, 3)), 0.5, act=None), side=8, channels=3, ones=False)
    body, shortcut = branch_work(built, images(built)).branches
    assert body.shares.gradient == pytest.approx(0.5 / 1.5, rel=1e-5)
    assert shortcut.shares.gradient == pytest.approx(1 / 1.5, rel=1e-5)


def test_an_address_leads_into_a_residual_with_a_layer_scale():
    mixer = Split(identity=Seq(), square=Conv(2, 3))
    built = network(Residual(Seq(mixer, Conv(4)), gamma=0.5), side=8, channels=4, ones=False)
    assert type(module_at(built, "node.body.0")).__name__ == "Split"
    assert type(module_at(built, "node.body.1")).__name__ == "ConvNormAct"
    assert module_at(built, "node.body.0.square") is module_at(built, "node.body.0").get_submodule("square")
    assert len(branch_work(built, images(built)).branches) == 4
    with pytest.raises(SpecError, match="has no node"):
        module_at(built, "node.body.square")


def test_networks_without_branches_and_other_classes_are_refused():
    built = network(linear(3))
    with pytest.raises(SpecError, match="one has no module with branches"):
        branch_work(built, images(built))
    with pytest.raises(DataError, match="2 classes and one tells 3 apart"):
        branch_work(network(BLOCK, side=8), replace(images(built), labels=torch.zeros(8).long(), classes=("a", "b")))


def test_feature_maps_are_what_the_branches_give():
    built = network(BLOCK, side=8, channels=3, ones=False)
    x = torch.randn(1, 3, 8, 8)
    found = feature_maps(built, "node", x)
    assert [one.node for one in found] == ["node.one", "node.three", "node.pool"]
    whole = torch.cat([torch.from_numpy(one.maps[np.argsort(one.channels)]) for one in found])
    assert torch.allclose(whole, built.get_submodule("node")(x)[0], atol=1e-6)
    strength = np.square(found[1].maps).mean((1, 2))
    assert (np.diff(strength) <= 0).all()
    assert [one.node for one in feature_maps(built, "node.one", x)] == ["node.one"]
    with pytest.raises(DataError, match="those of one image, and 2 were given"):
        feature_maps(built, "node", x.repeat(2, 1, 1, 1))
    assert torch.equal(torch.from_numpy(first_filters(built)), built.get_submodule("node.one").conv.weight.detach())


def test_figures_are_svg_and_png(tmp_path):
    built = network(BLOCK, side=8, channels=3, ones=False)
    data, x = images(built), torch.randn(2, 3, 8, 8)
    pixels = data.images[torch.arange(1)][0].numpy()
    figures = [
        branch_figure(branch_work(built, data)), field_figure(receptive_fields(built, "node.*", x), pixels),
        maps_figure(feature_maps(built, "node", x[:1]), pixels), filters_figure(first_filters(built)),
    ]  # fmt: skip
    for i, figure in enumerate(figures):
        assert figure.save(tmp_path / f"{i}.svg").read_text().startswith("<svg")
    assert "node" in figures[0].svg
    assert figures[1].save(tmp_path / "1.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(il.ConfigError, match=r"written as \.svg or \.png"):
        figures[0].save(tmp_path / "a.jpg")
    assert tiled(np.ones((5, 16, 16, 3)), 3).shape == (33, 50, 4)


LOGITS = torch.tensor([[3.0, 1, 0], [0, 2, 1], [0, 1, 2], [5, 0, 0]])
LABELS = torch.tensor([0, 1, 1, 2])


def test_the_most_confident_mistakes_come_first():
    assert [one.place for one in confident_mistakes(LOGITS, LABELS)] == [3, 2]
    assert confident_mistakes(LOGITS, LOGITS.argmax(1)) == []
    pairs = most_confused(LOGITS.repeat(2, 1), torch.cat([LABELS, torch.tensor([0, 1, 1, 1])]), examples=1)
    assert (pairs[0].label, pairs[0].prediction, pairs[0].count, pairs[0].share) == (1, 2, 2, 0.4)
    assert [len(pair.examples) for pair in pairs] == [1, 1, 1]


def test_likely_wrong_labels_are_those_of_confident_learning():
    """Worked by hand: the means of the own classes are 0.7 and 0.5; the third image is seen as the first class."""
    probabilities = torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.9, 0.1], [0.1, 0.9], [0.5, 0.5]])
    labels = torch.tensor([0, 0, 1, 1, 1])
    (found,) = likely_wrong_labels(probabilities.log(), labels)
    assert found == Mistake(2, 1, 0, pytest.approx(0.9))


def test_swapped_labels_are_found_as_cleanlab_finds_them():
    torch.manual_seed(0)
    true = torch.randint(6, (400,))
    labels = torch.cat([(true[:40] + 1) % 6, true[40:]])
    logits = 5 * F.one_hot(true, 6) + 0.4 * torch.randn(400, 6)
    found = [one.place for one in likely_wrong_labels(logits, labels)]
    assert len(set(range(40)) & set(found)) >= 38
    cleanlab = pytest.importorskip("cleanlab.filter")
    how = {"filter_by": "confident_learning", "return_indices_ranked_by": "normalized_margin", "n_jobs": 1}
    theirs = cleanlab.find_label_issues(labels.numpy(), logits.double().softmax(1).numpy(), **how)
    assert found == theirs.tolist()


@pytest.mark.parametrize(("name", "node", "said"), [
    # 5 x 5 x 16 x 32 against 3 x 3 x 16 x 32 and 3 x 3 x 32 x 32, with biases
    ("googlenet.gray", "inception3a.five.1", "as 2 of 3×3: parameters = 32·(3·3·16 + 1) + 32·(3·3·32 + 1) = 13,888"),
    ("googlenet.gray", "inception3a.five.1", "as depthwise and 1×1: parameters = 16·(5·5) + 32·(1·1·16 + 1) = 944"),
    ("googlenet.gray", "inception3a.three", "without the 1×1 reduction: parameters = 128·(3·3·192 + 1) = 221,312"),
    ("inception_v3", "mixed6b.seven", "192·(7·7·128) + 2·192 of the norm = 1,303,168 (3.38 times)"),
    ("xception", "block2.body.1", "as 3×3: parameters = 256·(3·3·128) + 2·256 of the norm = 295,424 (8.58 times)"),
    ("small_v1 | fuse(sum)", "inception3a", "values = one + three + five + pool, each 240 x 32 x 32"),
    ("small_resnet", "b1", "values = relu(input + 0.1·body), each 494 x 15 x 15"),
])  # fmt: skip
def test_nodes_are_compared_with_what_their_papers_compare(name, node, said):
    lines = il.explain(get_spec(name), node)
    assert any(said in line for line in lines), lines
    for sums, total in re.findall(r"(?:parameters|MACs) = ([^=]*?) = ([\d,]+) \(", "\n".join(lines)):
        if "times" in sums:  # of a sum that is not written out
            continue
        value = sums.replace("·", "*").replace(" of the norm", "")
        assert eval(value) == int(total.replace(",", ""))


def test_a_module_without_reductions_is_the_naive_one():
    (line,) = [line for line in il.explain(get_spec("googlenet.gray"), "inception3a") if "without" in line]
    naive = il.measure(il.rules.unreduced()(get_spec("googlenet.gray"))).walk()
    reduced = il.measure(get_spec("googlenet.gray")).walk()
    pools = [next(r.params for r in rows if r.path == "inception3a.three") for rows in (naive, reduced)]
    assert pools[0] == 221_312 > pools[1]
    assert "parameters = 393,472 (2.40 times)" in line


def test_history_is_the_shipped_study_and_its_record(capsys):
    import tomllib
    from pathlib import Path

    root = Path(__file__).parents[2]
    study = tomllib.loads((root / "studies/history.toml").read_text())
    steps = il.history().steps
    rules = {step.name: step.network.partition(" | ")[2] for step in steps}
    assert rules == study["factors"]["step"]
    recorded = (root / "benchmarks/results/studies.md").read_text().partition("## history")[2]
    for before, step in zip((None, *steps), steps, strict=False):
        assert f"| step={step.name} | 5 | {100 * step.recorded.top1:.2f} |" in recorded
        if before:
            won = step.recorded
            points = [f"{100 * value:+.2f}" for value in (won.difference, won.low, won.high)]
            said = (
                f"{step.name} against {before.name}: {won.verdict}, {points[0]} points (95 % interval {points[1]} to "
            )
            assert said + points[2] in recorded
            assert step.saved_params == pytest.approx(1 - step.params / before.params)
    main(["history"])
    assert "depthwise" in capsys.readouterr().out
    main(["history", "--json"])
    assert json.loads(capsys.readouterr().out)["steps"][1]["network"] == "inception_net"
