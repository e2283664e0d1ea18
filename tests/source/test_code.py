"""The text of a network gives the same logits from the same weights, on every network and after every rule."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

import inceptionlab as il
from inceptionlab.cli import main
from inceptionlab.runs.prediction import Trained
from inceptionlab.source.naming import class_of, function_of
from inceptionlab.spec import (
    ACTS,
    LRN,
    STREAM,
    Act,
    Attention,
    Block,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    Ghost,
    Linear,
    Norm,
    Pool,
    Product,
    Residual,
    Seq,
    Split,
    Sum,
)  # fmt: skip
from inceptionlab.spec.codec import dumps, to_json
from inceptionlab.storage import write_tensors
from inceptionlab.zoo.configure import with_fitting_aux
from inceptionlab.zoo.registry import REGISTRY
from tests.random_specs import specs

RUFF = Path(sys.executable).with_name("ruff")
SIZES = (32, 64, 75, 96, 128, 139, 160, 192, 224, 299)


def small(spec):
    """The network at the smallest of some sizes that it fits, with auxiliary heads that fit it too."""
    for size in SIZES:
        try:
            il.measure(spec.without_aux().resized(size))
        except il.InceptionLabError:
            continue
        return with_fitting_aux(spec.resized(size), spec)
    raise AssertionError(spec)


def made(text, name):
    """What a text defines under a name, run in a namespace of its own."""
    assert "import inceptionlab" not in text
    assert "from inceptionlab" not in text
    space = {"__name__": "generated"}
    exec(compile(text, "generated", "exec"), space)
    return space[name]


def outputs(module, x, seed=1):
    torch.manual_seed(seed)  # dropout and stochastic depth draw the same
    with torch.no_grad():
        found = module(x)
    return found if isinstance(found, tuple) else (found,)


def check_same(ours, theirs, x, training=None):
    """Equal names and shapes of tensors, equal outputs in evaluation and in training."""
    assert {n: v.shape for n, v in ours.state_dict().items()} == {n: v.shape for n, v in theirs.state_dict().items()}
    ours.load_state_dict(theirs.state_dict())  # drawing weights once is enough
    torch.testing.assert_close(outputs(theirs.eval(), x), outputs(ours.eval(), x), rtol=0, atol=0, equal_nan=True)
    theirs.train(), ours.train()
    found, wanted = outputs(theirs, x), outputs(training or ours, x)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)


def check(spec):
    text = il.code(spec, aux=True)
    ours = il.build(spec, init=None)

    def training(x):
        logits, aux = ours.forward_with_aux(x)
        return (logits, *aux.values())

    check_same(ours, made(text, class_of(spec))(), torch.randn(2, *spec.input.shape), training)
    return text


def network(*nodes, size=16, channels=3):
    image = il.Input(channels, size, size)
    return il.Network("mine", Seq(), Seq(*nodes), Seq(), image, classes=5)


@pytest.mark.parametrize("name", [*REGISTRY])
def test_every_network_of_the_zoo(name):
    check(small(il.get_spec(name)))


RULES = [
    "residual(0.1)", "residual(0.1) | attend(cbam)", "attend(se) | stochastic_depth(0.2)", "attend(eca, branch)",
    "residual(0.1) | stochastic_depth(0.2)", "fuse(sum)", "fuse(product)", "fuse(sum) | stochastic_depth(0.2)",
    "factorize(5)", "asymmetric(5)", "dilate(2)", "ghost(2)", "ghost(3)", "separable()", "norm(group)", "norm(layer)",
    "norm(None)", "activation(gelu)", "activation(silu) | dropout(0.5)", "widen(0.5)", "unreduced()",
    "without_branch(pool)",
]  # fmt: skip
BESIDES = [
    "small_resnet | rescale(0.2)", "googlenet.tf_slim | output_stride(8)", "inception_v3 | output_stride(8)",
    "inception_v3 | aux_after(mixed6d)", "inception_next_atto | stochastic_depth(0.1)",
    "googlenet.paper | output_stride(16) | small_stem(32)", "xception.timm | output_stride(8)",
]  # fmt: skip


@pytest.mark.parametrize("variant", [*(f"small_v1 | widen(0.3) | {rules}" for rules in RULES), *BESIDES])
def test_every_rule(variant):
    check(small(il.get_spec(variant)))


KINDS = {
    "conv": (Conv(8, 3, 2, groups=1), Conv(6, (1, 3), (1, 2), "tf", act=None), Conv(6, 4, pad=(1, 2), bias=True)),
    "groups": (Conv(8), Conv(8, 3, groups=4, dilation=2, norm="group"), Conv(12, 3, norm=Norm("group", groups=5))),
    "depthwise": (Depthwise(3, multiplier=3, norm="group"), Depthwise((5, 1), 2, "tf", norm=None), Depthwise(3)),
    "ghost": (Ghost(9, 3), Ghost(8, 1, 2, ratio=3, norm="layer"), Ghost(7, 3, pad="tf", cheap_dilation=2, norm=None)),
    "pools": (
        Pool("max", 3, 2, "valid", ceil=True), Pool("avg", 3, count_pad=True), Pool("avg", 2, 2, 1, ceil=True),
        Pool("avg", 3, 2, "tf"), Pool("max", 3, 1, "tf", dilation=2), Pool("avg", 3, 1, "tf", dilation=2),
        Pool("avg", 3, dilation=2), Pool("avg", 3, dilation=2, count_pad=True), Pool("max", 3, dilation=2, pad=2),
        Pool("max", to=3), Pool("avg", to=2),
    ),
    "ceil": (
        Pool("avg", 3, 3, "same", ceil=True, count_pad=True, dilation=2), Pool("avg", 2, 2, 1, ceil=True, dilation=2),
        Pool("max", 2, 2, "valid", ceil=True, dilation=2),
    ),
    "norms": (Norm(eps=1e-3, momentum=0.01, affine=False), Norm("group"), Norm("layer", affine=False)),
    "acts": tuple(Act(kind) for kind in ACTS) + tuple(Conv(4, act=kind) for kind in ACTS),
    "attention": (Conv(20), Attention("se", 4), Attention("eca"), Attention("cbam", 3, 5)),
    "head": (LRN(3, 2e-4, 0.5, 2.0), Dropout(0.3), Linear(7, "gelu"), Norm("layer"), Linear(bias=False)),
    "split": (Conv(10), Split(Seq(), Conv(4), Depthwise(3), share=0.25), Split(a=Conv(2), x=Seq()), Split(one=Conv(3))),
    "sums": (Sum(Conv(4), Conv(4)), Product(a=Conv(5), b=Conv(5), c=Seq(Conv(2), Conv(5))), Sum(only=Seq())),
    "residual": (
        Residual(Conv(STREAM, 3), 0.3), Residual(Seq(Conv(9, 3, 2), Conv(6)), shortcut="auto", act="gelu"),
        Residual(Conv(STREAM), -1.5, gamma=0.5, act=None, stochastic_depth=0.3), Residual(Seq()),
        Residual(Conv(7), shortcut=Conv(7), stochastic_depth=0.2), Residual(Seq(), shortcut=Seq(), gamma=0.1),
    ),
    "fused": (Concat(a=Conv(3), b=Seq(), stochastic_depth=0.3), Sum(a=Conv(3), b=Conv(3), stochastic_depth=0.4)),
    "empty": (Seq(), Seq(Seq()), Concat(Seq(Seq()), Conv(2))),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_node(kind):
    check(network(*KINDS[kind]))


def test_modules_that_differ_in_numbers_share_a_class():
    def block(stride, width, p):
        body = Seq(Conv(width, 3, stride), Concat(one=Conv(width), pool=Pool("avg")))
        return Residual(body, 0.1 * width, shortcut="auto", stochastic_depth=p)

    text = check(network(block(1, 8, 0.1), block(2, 12, 0.2), block(1, 16, 0.3)))
    assert text.count("class Block(") == 1
    assert "stride: int, scale: float, drop: float" in text


ODD = [
    "class",
    "a b",
    "None",
    "self",
    "0",
    "1x",
    "x'y",
    'x"y',
    "ﬁ",
    "append",
    "keys",
    "__x",
    "{i}",
    "nn",
    "x\\y",
    "part",
]


@pytest.mark.parametrize("odd", ODD)
def test_whatever_nodes_are_called(odd):
    one = {odd: Conv(4), "other": Seq(Conv(3), Conv(4))}
    links = {odd: Conv(6), "last": Attention("eca")}
    nodes = {
        odd: Concat(**one), "sum": Sum(**one), "split": Split(**one), "chain": Seq(**links), "more": Concat(**links),
        "held": Concat(a=Seq(**{odd: Sum(**one)}), b=Conv(2)), "last": Concat(**one),
    }  # fmt: skip
    check(il.Network(f"of {odd}", Seq(), Seq(**nodes), Seq(), il.Input(3, 8, 8)))


@settings(max_examples=60, deadline=None)
@given(st.lists(specs, min_size=1, max_size=3))
def test_random_networks(parts):
    spec = network(*parts, size=17)
    try:
        il.build(spec)
    except il.InceptionLabError:
        return
    check(spec)


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("googlenet.paper", "inception3a"), ("googlenet.bn", "inception3a.three.1"), ("inception_v3", "mixed7b.three"),
        ("googlenet.paper", "aux1"), ("googlenet.paper", "classifier"), ("inception_next_tiny", "stage2.2"),
        ("small_v1 | residual(0.1)", "inception3a.shortcut"), ("xception", "block4.body.1"),
    ],
)  # fmt: skip
def test_a_node_of_a_network(name, node):
    spec = small(il.get_spec(name))
    row = next(row for row in il.measure(spec).walk() if row.path == node)
    text = il.code(spec, node)
    x = torch.randn(2, *row.input)
    check_same(il.build(spec).get_submodule(node), made(text, function_of(node))(), x)


def test_a_node_keeps_the_parameters_that_it_has_in_the_network():
    text = il.code("googlenet.paper", "inception3a")
    assert "return Inception(192, 64, (96, 128), (16, 32), 32)" in text
    assert "class GoogLeNet" not in text


def test_the_text_is_short_and_says_what_it_is():
    text = il.code("googlenet")
    head = text[: text.index("import")]
    assert "class GoogLeNet(nn.Module):" in text
    assert "inceptionlab code googlenet" in head
    assert "6,624,904" in head
    assert "Szegedy et al. 2015" in head
    assert "strict=False" in head  # the weights hold those of auxiliary heads
    assert "strict=False" not in il.code("googlenet", aux=True)
    assert len(il.code("googlenet.paper").splitlines()) < 125
    assert il.code("small_v1") == il.code(il.create_model("small_v1")) == il.code(il.get_spec("small_v1"))


def test_a_formatter_and_a_linter_find_nothing(tmp_path):
    wanted = ["googlenet.paper", "inception_v3", "inception_resnet_v2", "xception.keras", "inception_next_tiny",
              "inception_v4", "small_v1 | residual(0.1) | attend(cbam)", "small_v1 | ghost(2) | stochastic_depth(0.1)",
              "googlenet.tf_slim | output_stride(8)", "bn_inception.tf_slim"]  # fmt: skip
    for number, name in enumerate(wanted):
        (tmp_path / f"n{number}.py").write_text(il.code(name, aux=True))
    for kind, nodes in KINDS.items():
        (tmp_path / f"{kind}.py").write_text(il.code(network(*nodes)))
    options = ["--isolated", "--line-length", "120", str(tmp_path)]
    for command in (["check", "--no-cache"], ["format", "--check", "--diff", "--no-cache"]):
        done = subprocess.run([RUFF, *command, *options], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def thing(channels):
    return torch.nn.Conv2d(channels, channels, 1)


def test_a_block_is_refused_and_what_is_around_it_is_not():
    spec = network(Conv(4), Concat(a=Block(thing), b=Conv(2)))
    with pytest.raises(il.SpecError, match=r"the Block 1\.a holds a module that is written in your own code"):
        il.code(spec)
    assert "ConvBNReLU" in il.code(spec, "0")
    with pytest.raises(il.SpecError, match="no node 'inception3x'; did you mean 'inception3"):
        il.code("googlenet", "inception3x")


def test_the_command_writes_what_the_function_gives(tmp_path, capsys):
    main(["code", "small_v1", "--num-classes", "3", "-o", str(tmp_path / "v1.py")])
    assert capsys.readouterr().out.strip() == str(tmp_path / "v1.py")
    module = made((tmp_path / "v1.py").read_text(), "SmallV1")()
    assert module(torch.rand(2, 3, 32, 32)).shape == (2, 3)
    assert "inceptionlab code small_v1 --num-classes 3" in (tmp_path / "v1.py").read_text()
    main(["code", "googlenet.paper", "--node", "inception3a"])
    assert capsys.readouterr().out == il.code("googlenet.paper", "inception3a")
    with pytest.raises(SystemExit):
        main(["code", "small_v1", "-o", str(tmp_path / "v1.txt")])
    assert "ends in .py" in capsys.readouterr().err


def test_a_run_and_a_file_of_weights_say_their_network(tmp_path):
    network = il.create_model("small_fast").eval()
    (tmp_path / "spec.json").write_text(dumps(network.spec))
    write_tensors(tmp_path / "w.safetensors", network.state_dict(), {"spec": to_json(network.spec)})
    for stored in (tmp_path, str(tmp_path / "w.safetensors"), Trained(network, tuple("abcdefghij"))):
        theirs = made(il.code(stored), "SmallFast")()
        check_same(network, theirs, torch.randn(2, 3, 32, 32))
    theirs.load_state_dict(load_file(tmp_path / "w.safetensors"))  # as the head of the text says
    with pytest.raises(il.SpecError, match="so it is no run"):
        il.code(tmp_path.parent)
    with pytest.raises(il.SpecError, match="int holds no network"):
        il.code(3)
