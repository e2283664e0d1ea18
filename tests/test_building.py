import copy
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from inceptionlab import (
    Input,
    Network,
    SizeError,
    SpecError,
    build,
    build_node,
    create_model,
    get_spec,
    list_models,
)
from inceptionlab.analysis import geometry
from inceptionlab.nn.checkpointing import checkpoint_modules
from inceptionlab.spec import Block, Concat, Conv, Depthwise, Linear, Pool, Residual, Seq
from inceptionlab.zoo.configure import configured


def test_state_dict_keys_are_addresses():
    keys = list(create_model("inception_v3", 10, input_size=75).state_dict())
    assert "mixed5b.double3x3.1.conv.weight" in keys
    assert "mixed5b.double3x3.1.norm.running_mean" in keys
    assert "fc.linear.weight" in keys


def test_forward_is_one_tensor_in_training_and_evaluation():
    model = create_model("googlenet.paper", 7, input_size=64, stem="imagenet", aux=True)
    x = torch.randn(2, 3, 64, 64)
    for mode in (True, False):
        model.train(mode)
        assert model(x).shape == (2, 7)
        logits, aux = model.forward_with_aux(x)
        assert logits.shape == (2, 7)
        assert {name: tuple(value.shape) for name, value in aux.items()} == {"aux1": (2, 7), "aux2": (2, 7)}


@pytest.mark.parametrize("name", ["googlenet.paper", "inception_v3"])
@pytest.mark.parametrize("size", [32, 64, 96])
def test_auxiliary_heads_work_at_any_size(name, size):
    model = create_model(name, 5, input_size=size, aux=True).eval().to("meta")
    logits, aux = model.forward_with_aux(torch.empty(2, 3, size, size, device="meta"))
    assert {tuple(v.shape) for v in (logits, *aux.values())} == {(2, 5)}


def test_the_auxiliary_head_of_a_users_own_network_keeps_the_grid_of_its_own_size():
    aux = get_spec("googlenet.paper").aux[0]
    mine = replace(get_spec("googlenet.paper"), name="mine", aux=(aux,))
    model = create_model(mine, 5, input_size=64, stem="imagenet", aux=True)
    assert dict(model.spec.aux[0].head.children)["pool"] == Pool("avg", to=4)
    _, logits = model.eval().to("meta").forward_with_aux(torch.empty(1, 3, 64, 64, device="meta"))
    assert logits["aux1"].shape == (1, 5)
    larger = mine.resized(320)  # its own size is what its head was made for
    assert dict(configured(larger, input_size=64, stem="imagenet", aux=True).aux[0].head.children)["pool"].to == 6
    with pytest.raises(SizeError, match="mine at 64x64: aux1.pool"):
        configured(mine.resized(64), input_size=48, stem="imagenet", aux=True)


@pytest.mark.parametrize("size", [0, -3, 10**9, 1.5, True, "x", (0, 32), (32,), (32, float("nan"))])
@pytest.mark.parametrize("stem", ["auto", "small"])
def test_a_senseless_input_size_is_refused_in_a_sentence(size, stem):
    with pytest.raises(SpecError, match="height|width|size"):
        configured("inception_v3", input_size=size, stem=stem)
    with pytest.raises(SpecError, match="height|width|size"):
        get_spec("inception_v3").resized(size)


@pytest.mark.parametrize(
    ("classes", "channels"), [("x", 3), (2**30, 3), (1.5, 3), (10, 0), (10, -1), (10, "x"), (10, 2.0)]
)
def test_senseless_classes_and_channels_are_refused_in_a_sentence(classes, channels):
    with pytest.raises(SpecError, match="classes=|channels="):
        configured("inception_v3", classes, channels)


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("size", [32, 64])
def test_every_member_builds_for_small_images(name, size):
    model = create_model(name, 10, in_channels=1, input_size=size).eval().to("meta")
    assert model(torch.empty(2, 1, size, size, device="meta")).shape == (2, 10)


def test_a_size_that_does_not_fit_is_refused():
    with pytest.raises(SizeError, match="at least 75x75"):
        create_model("inception_v3", input_size=32, stem="imagenet")
    with pytest.raises(SpecError, match="did you mean 'small'"):
        create_model("inception_v3", stem="smal")
    with pytest.raises(SpecError, match="give 0"):
        create_model("inception_v3", -1)


def test_features_at_every_resolution():
    model = create_model("googlenet.torchvision").eval().to("meta")
    maps = model.features(torch.empty(1, 3, 224, 224, device="meta"))
    assert {name: tuple(y.shape[1:]) for name, y in maps.items()} == {
        "conv1": (64, 112, 112), "conv3": (192, 56, 56), "inception3b": (480, 28, 28), "inception4e": (832, 14, 14),
        "inception5b": (1024, 7, 7),
    }  # fmt: skip
    small = create_model("small_v3").eval().to("meta").features(torch.empty(1, 3, 32, 32, device="meta"))
    assert [y.shape[2] for y in small.values()] == [32, 15, 7]


def test_names_that_modules_use_are_refused():
    for name in ("double", "train", "forward"):
        with pytest.raises(SpecError, match=f"cannot be called '{name}'"):
            build_node(Seq(**{name: Conv(4)}), 3)


def test_no_classes_gives_features():
    model = create_model("inception_net", 0)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 256)


def test_options_reach_the_spec():
    spec = configured("googlenet", 7, 1, 64)
    assert (spec.classes, spec.input.shape) == (7, (1, 64, 64))
    assert spec.input.mean == (0.5,)
    assert spec.stem.children[0][0] == "stem1"
    assert configured("googlenet", input_size=160).stem == get_spec("googlenet").stem


def test_construction_takes_less_than_two_seconds_and_draws_from_the_seed():
    started = time.perf_counter()
    create_model("inception_v3")
    assert time.perf_counter() - started < 10  # the promise is 2 s alone on the machine; this catches minutes
    torch.manual_seed(3)
    first = create_model("inception_net")
    torch.manual_seed(3)
    second = create_model("inception_net")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("scheme", ["kaiming", "kaiming_out", "xavier", "inception_v3", "inception_next", "torch"])
def test_initial_weights_have_the_spread_of_their_scheme(scheme):
    torch.manual_seed(0)
    model = build(get_spec("inception_net"), scheme)

    weight = model.state_dict()["inception1.three.1.conv.weight"]
    fan_in, fan_out = 96 * 9, 128 * 9
    expected = {
        "kaiming": (2 / fan_in) ** 0.5,
        "kaiming_out": (2 / fan_out) ** 0.5,
        "inception_v3": 0.88 * 0.1,  # what is left of a normal's spread when it is cut off at two deviations
        "inception_next": 0.88 * 0.02,
        "xavier": (2 / (fan_in + fan_out)) ** 0.5,
        "torch": (1 / (3 * fan_in)) ** 0.5,
    }
    assert weight.std().item() == pytest.approx(expected[scheme], rel=0.03)


def test_the_auxiliary_head_of_inception_v3_starts_small():
    torch.manual_seed(0)
    state = build(configured("inception_v3", 1000, input_size=139, aux=True), init="inception_v3").state_dict()
    assert state["aux.conv1.conv.weight"].std().item() == pytest.approx(0.0088, rel=0.03)
    assert state["aux.fc.linear.weight"].std().item() == pytest.approx(0.00088, rel=0.03)


def test_the_fan_of_a_depthwise_convolution_counts_its_group():
    torch.manual_seed(0)
    weight = build_node(Depthwise(5), 512).state_dict()["conv.weight"]
    assert weight.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.05)


class Doubled(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        nn.init.constant_(self.conv.weight, 0.5)

    def forward(self, x):
        return self.conv(x)


def test_a_block_of_the_users_own_keeps_its_weights():
    module = build_node(Seq(Conv(4), Block(Doubled, out=8, params=32)), 3)
    assert module(torch.randn(2, 3, 8, 8)).shape == (2, 8, 8, 8)
    assert torch.all(module.state_dict()["1.conv.weight"] == 0.5)
    with pytest.raises(SpecError, match="says 31 parameters, its module has 32"):
        build_node(Seq(Conv(4), Block(Doubled, out=8, params=31)), 3)
    with pytest.raises(SpecError, match="its module gives"):
        build_node(Block(Doubled, out=9), 3)
    with pytest.raises(SpecError, match="not an nn.Module"):
        build_node(Block(lambda channels: 3), 3)


class Broken(Doubled):
    def forward(self, x):
        return x.reshape(1, -1, 7)


class Two(Doubled):
    def forward(self, x):
        return x, x


def test_a_block_whose_module_cannot_run_is_a_sentence():
    words = (
        r"^b: the module of the Block fails on an input of \(3, 8, 8\): test_building.py, line \d+: RuntimeError: shape"
    )
    head = Seq(p=Pool("avg", to=1), f=Linear())
    with pytest.raises(SpecError, match=words) as caught:
        build(Network("n", stem=Seq(), body=Seq(b=Block(Broken)), head=head, input=Input(3, 8, 8)))
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(SpecError, match="gives tuple, not a tensor"):
        build_node(Block(Two), 3)


def test_the_name_of_a_network_is_no_network():
    for function in (build, geometry.measure):  # `inceptionlab.measure` reads names too
        with pytest.raises(
            SpecError, match=r"the name 'small_fast' was given; network_of\('small_fast'\) is the network"
        ):
            function("small_fast")


def test_checkpointing_by_name():
    body, head = Seq(a=Concat(Conv(4), Conv(4, 3)), b=Residual(Conv(8, 3))), Seq(p=Pool("avg", to=1), f=Linear())
    spec = Network("n", Seq(), body, head, Input(3, 8, 8), classes=3)
    plain = build(spec)
    saving = checkpoint_modules(copy.deepcopy(plain), "a")
    x = torch.randn(4, 3, 8, 8)
    for model in (plain, saving):
        model(x).sum().backward()
    gradients = [[p.grad for p in m.parameters()] for m in (plain, saving)]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert all(torch.equal(a, b) for a, b in zip(plain.buffers(), saving.buffers(), strict=True))
    assert build(spec, grad_checkpoint="*").state_dict().keys() == plain.state_dict().keys()
    with pytest.raises(SpecError, match="no module matches"):
        checkpoint_modules(build(spec), "zzz*")


def test_models_export_and_copy():
    model = create_model("inception_net").eval()
    x = torch.randn(2, 3, 32, 32)
    exported = torch.export.export(model, (x,)).module()
    torch.testing.assert_close(exported(x), model(x))
    torch.testing.assert_close(copy.deepcopy(model)(x), model(x))


def test_a_network_prints_without_what_does_nothing():
    text = repr(create_model("small_fast"))
    assert "Identity" not in text
    assert text.count("Conv2d(") == sum(isinstance(m, nn.Conv2d) for m in create_model("small_fast").modules())
