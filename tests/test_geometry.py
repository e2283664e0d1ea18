from math import inf

import pytest
import torch
from hypothesis import assume, given, settings
from torch.utils.flop_counter import FlopCounterMode

from inceptionlab import (
    Network,
    SizeError,
    SpecError,
    build,
    build_node,
    create_model,
    diff,
    draw,
    explain,
    get_spec,
    list_models,
    measure,
    smallest_input,
)
from inceptionlab.analysis import geometry
from inceptionlab.analysis.geometry import measure_node
from inceptionlab.rules import small_stem, widen
from inceptionlab.spec import STREAM, Attention, Concat, Conv, Pool, Residual, Seq, Split, Sum
from tests.random_specs import gradient_field, smooth, specs


def flops(module, x):
    with FlopCounterMode(display=False) as counter:
        y = module(x)
    return y, counter.get_total_flops() // 2


@pytest.mark.parametrize("name", list_models())
def test_every_member_agrees_with_torch_on_meta(name):
    spec = get_spec(name)
    measured = measure(spec)
    model = build(spec).eval().to("meta")
    assert sum(p.numel() for p in model.parameters()) == measured.params_with_aux
    seen = {}
    for row in measured.children:
        model.get_submodule(row.path).register_forward_hook(
            lambda m, i, o, p=row.path: seen.update({p: tuple(o.shape[1:])})
        )
    _, macs = flops(model, torch.empty(1, *spec.input.shape, device="meta"))
    assert macs == measured.macs
    assert {path: (*shape, 1, 1)[:3] for path, shape in seen.items()} == {r.path: r.output for r in measured.children}
    _, with_aux = flops(model.forward_with_aux, torch.empty(1, *spec.input.shape, device="meta"))
    assert with_aux == measured.macs_with_aux


@settings(max_examples=500)
@given(specs)
def test_random_specs_agree_with_torch(spec):
    shape = (3, 15, 13)
    try:
        measured = measure_node(spec, shape)
    except SpecError:
        assume(False)
    module = build_node(spec, 3, (15, 13)).eval().to("meta")
    y, macs = flops(module, torch.empty(2, *shape, device="meta"))
    assert tuple(y.shape[1:]) == measured.output
    assert macs == 2 * measured.macs
    assert sum(p.numel() for p in module.parameters()) == measured.params


@settings(max_examples=500)
@given(specs)
def test_random_receptive_fields_agree_with_gradients(spec):
    spec, shape = smooth(spec), (2, 33, 31)
    try:
        measured = measure_node(spec, shape)
    except SpecError:
        assume(False)
    place = measured.output[1] // 2, measured.output[2] // 2
    spans = gradient_field(build_node(spec, 2, shape[1:]), shape, place)
    for axis, index, size, span in zip(
        (measured.field.height, measured.field.width), place, shape[1:], spans, strict=True
    ):
        low, high = axis.low + index * axis.jump, axis.high + index * axis.jump
        assert axis.smallest <= axis.largest
        if low >= 0:
            assert span[0] == low
        if high < size:
            assert span[1] == high
        assert low <= span[0]
        assert span[1] <= high


@pytest.mark.parametrize("name", list_models())
def test_receptive_fields_of_members_agree_with_gradients(name):
    spec = get_spec(name)
    size = spec.input.height
    narrow = widen(0.25 if name.startswith("inception_next") else 0.02)(spec)  # a Split needs channels to deal
    tops = [row for row in measure(narrow).children if row.field.height.largest < size and row.output[1] > 2]
    last = tops[-1]
    sections = [(n, smooth(node)) for n, node in narrow.children[: len(tops)]]
    top_level = Seq(**dict(sections))
    place = last.output[1] // 2, last.output[2] // 2
    spans = gradient_field(build_node(top_level, spec.input.channels, size), spec.input.shape, place)
    for axis, index, span in zip((last.field.height, last.field.width), place, spans, strict=True):
        assert span == axis.within(index, size)


def test_fields_by_hand():
    twice = measure_node(Seq(Conv(4, 3), Conv(4, 3)), (3, 9, 9))
    assert twice.field.sizes((3, 9, 9)) == {"smallest": [5, 5], "largest": [5, 5]}
    dilated = measure_node(Conv(4, 3, dilation=2), (3, 9, 9))
    assert dilated.field.sizes((3, 9, 9))["largest"] == [5, 5]
    module = measure(get_spec("googlenet.paper")).children
    field = next(row for row in module if row.path == "inception3a").field
    assert (field.height.smallest, field.height.largest, field.height.jump) == (27, 59, 8)
    gate = measure_node(Attention("se"), (16, 8, 8)).field.height
    assert gate.largest == inf


def test_the_formula_of_the_tutorial():
    lines = explain(get_spec("googlenet.gray"), "conv1")
    assert lines[0] == "H_out = floor((224 + 2·3 − 7)/2) + 1 = 112"
    assert "parameters = 64·(7·7·1 + 1) = 3,200" in lines
    assert lines[-1] == "receptive field = 1 + (7 − 1)·1 = 7, jump 2, first centre at 0"
    assert explain(get_spec("googlenet.gray"), "pool1")[0] == "H_out = floor((112 + 2·1 − 3)/2) + 1 = 56"
    assert explain(get_spec("googlenet.paper"), "pool1")[0] == "H_out = ceil((112 + 2·0 − 3)/2) + 1 = 56"
    with pytest.raises(SpecError, match="did you mean 'conv1'"):
        explain(get_spec("googlenet.gray"), "conv_1")


def test_a_pattern_explains_every_node_that_matches():
    network = get_spec("googlenet.gray")
    lines = explain(network, "*")
    assert lines[:2] == ["conv1:", "  H_out = floor((224 + 2·3 − 7)/2) + 1 = 112"]
    heads = [line for line in lines if line and not line.startswith(" ")]
    assert heads == [f"{name}:" for name, _ in network.children]
    assert [f"  {line}" for line in explain(network, "inception3a.pool.1")] == [
        line for line in explain(network, "inception3a.pool.*")[-6:] if line
    ]
    with pytest.raises(SpecError, match=r"no node that matches 'inceptoin3\*'; did you mean 'inception3"):
        explain(network, "inceptoin3*")


def test_blocks_are_explained_by_their_branches():
    lines = explain(get_spec("googlenet.paper"), "inception3a")
    assert "channels = 64 + 128 + 32 + 32 = 256" in lines
    assert lines[-1].startswith("receptive field = 59 (along the shortest path 27), jump 8")


@pytest.mark.parametrize(
    "name", [*list_models(), "small_v1 | ghost", "small_v1 | attend(se)", "small_v1 | attend(cbam)"]
)
def test_formulas_are_true(name):
    """Every parameter and MAC formula with numbers on its left gives the number on its right."""
    network = get_spec(name)
    for row in measure(network).walk():
        for line in explain(network, row.path) if row.path.count(".") < 2 else []:
            kind, _, rest = line.partition(" = ")
            left, equals, right = rest.rpartition(" = ")
            if equals and kind in ("parameters", "MACs", "channels"):
                value = (
                    left.replace("·", "*")
                    .replace(",", "")
                    .replace(" of the norm", "")
                    .replace(" of the layer scale", "")
                    .replace("/", "//")
                )
                assert eval(value) == int(right.replace(",", "")), line


def test_the_smallest_image_is_found_where_grids_of_some_sizes_do_not_fit_together():
    spec = get_spec("bn_inception.caffe")  # its poolings round up and its convolutions do not

    def works(size):
        try:
            return bool(measure(spec.resized(size)))
        except SpecError:
            return False

    smallest = smallest_input(spec)
    assert works(smallest)
    assert not any(works(size) for size in range(1, smallest))
    assert create_model("bn_inception.caffe", input_size=smallest, stem="imagenet").spec.input.height == smallest
    wrong = Network("wrong", Seq(), Seq(mixed=Concat(a=Pool("avg", to=2), b=Pool("avg", to=3))), Seq())
    with pytest.raises(SpecError, match="do not fit together by concat"):
        smallest_input(wrong)


def test_too_small_an_image_is_refused_naming_node_and_smallest_size():
    spec = get_spec("inception_v3").without_aux()
    with pytest.raises(SizeError) as caught:
        measure(spec.resized(32))
    text = str(caught.value)
    assert "inception_v3.torchvision at 32x32: mixed6a" in text
    assert "its input is 1x1" in text
    assert f"at least {smallest_input(spec)}x{smallest_input(spec)}" in text
    assert smallest_input(spec) == 75
    measure(spec.resized(75))
    with pytest.raises(SizeError):
        measure(spec.resized(74))
    measure(small_stem(32)(spec))


def test_branches_that_do_not_fit_are_refused():
    with pytest.raises(SpecError, match=r"0 4x8x8, 1 5x8x8"):
        measure_node(Sum(Conv(4), Conv(5)), (3, 8, 8))
    with pytest.raises(SpecError, match="do not fit together by concat"):
        measure_node(Concat(a=Conv(4), b=Conv(4, 3, 2)), (3, 8, 8))
    with pytest.raises(SpecError, match=r"end the body in Conv\(STREAM\)"):
        measure_node(Residual(Conv(4)), (3, 8, 8))
    with pytest.raises(SpecError, match="outside of a Residual"):
        measure_node(Conv(STREAM), (3, 8, 8), path="x")
    with pytest.raises(SpecError, match="deals 3 channels"):
        measure_node(Split(Seq(), Seq(), share=0.1), (3, 8, 8))
    with pytest.raises(SpecError, match="divide by the groups"):
        measure_node(Conv(4, groups=2), (3, 8, 8))


def test_a_network_of_no_classes_gives_features():
    spec = Network("n", Seq(), Seq(conv=Conv(7)), get_spec("inception_net").head, classes=0)
    assert measure(spec).children[-1].output == (7, 1, 1)


def test_ceil_mode_starts_the_last_window_inside():
    assert measure_node(Pool("max", 2, 2, "valid", ceil=True), (1, 7, 7)).output == (1, 4, 4)
    assert measure_node(Pool("max", 3, 2, 1, ceil=True), (1, 6, 6)).output == (1, 4, 4)


@pytest.mark.parametrize("use", [measure, build, draw, lambda it: diff(it, it), lambda it: explain(it, "fc")])
def test_what_is_no_network_is_said(use):
    with pytest.raises(SpecError, match=r"an object of the type InceptionNetwork was given; its .spec is one"):
        use(create_model("inception_net", 10))


@pytest.mark.parametrize("use", [geometry.measure, build])
def test_a_name_where_a_value_is_needed_is_said(use):
    with pytest.raises(SpecError, match=r"but the name 'small_v1' was given; network_of\('small_v1'\) is the network"):
        use("small_v1")


def test_kernel_size_leaves_the_grid_and_dilation_grows_linearly():
    sizes = {kernel: measure_node(Conv(8, kernel, 2), (3, 32, 32)).output for kernel in (1, 3, 5, 7)}
    assert set(sizes.values()) == {(8, 16, 16)}
    fields = [measure_node(Conv(8, 3, dilation=d), (3, 64, 64)).field.height.largest for d in (1, 2, 3, 4)]
    assert fields == [3, 5, 7, 9]
