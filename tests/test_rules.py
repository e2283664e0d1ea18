import re
from functools import reduce
from operator import or_

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inceptionlab import SpecError, get_spec, measure, parse_rule
from inceptionlab import rules as R
from inceptionlab.analysis.geometry import measure_node
from inceptionlab.rules.written import RULES
from inceptionlab.spec import (
    ACTS,
    Attention,
    Branches,
    Concat,
    Conv,
    Depthwise,
    Ghost,
    Norm,
    Pool,
    Product,
    Residual,
    Seq,
)  # fmt: skip
from inceptionlab.spec.tree import walk
from tests.random_specs import any_tree, names

BLOCK = Concat(one=Conv(8), five=Seq(Conv(4), Conv(8, 5)), pool=Seq(Pool("max"), Conv(4)))
V1 = get_spec("small_v1")


def nodes(network, kind):
    return [node for _, node in walk(network) if isinstance(node, kind)]


def test_without_branch():
    assert R.without_branch("pool")(BLOCK) == Concat(one=BLOCK.children[0][1], five=BLOCK.children[1][1])
    one = R.without_branch("inception3a.pool")(V1)
    assert sum(a != b for a, b in zip(V1.body.children, one.body.children, strict=True)) == 1
    with pytest.raises(SpecError, match="did you mean 'pool'"):
        R.without_branch("poll")(V1)
    with pytest.raises(SpecError, match="leaves no branch"):
        R.without_branch("one")(Concat(one=Conv(4)))


def test_factorize_saves_parameters_where_the_width_stays():
    one = Conv(64, 5, norm=None, bias=False)
    five, twice = measure_node(one, (64, 9, 9)), measure_node(R.factorize(5)(one), (64, 9, 9))
    assert (twice.params, five.params) == (64 * 64 * 18, 64 * 64 * 25)


def test_factorize_keeps_the_field():
    changed = R.factorize(5)(V1)
    fields = [[row.field.sizes((3, 32, 32)) for row in measure(n).children] for n in (V1, changed)]
    assert [f["largest"] for f in fields[0]] == [f["largest"] for f in fields[1]]
    with pytest.raises(SpecError, match="odd kernel"):
        R.factorize(4)


def test_factorize_puts_the_stride_last():
    assert R.factorize(5)(Conv(8, 5, 2)) == Seq(Conv(8, 3), Conv(8, 3, 2))
    assert R.factorize(7)(Conv(8, 7)) == Seq(Conv(8, 3), Conv(8, 3), Conv(8, 3))


def test_asymmetric():
    assert R.asymmetric(7)(Conv(8, 7, 2)) == Seq(Conv(8, (1, 7), (1, 2)), Conv(8, (7, 1), (2, 1)))


def test_residual_wraps_outermost_blocks_that_keep_their_size():
    changed = R.residual(0.2)(get_spec("inception_v3"))
    wrapped = [path for path, node in walk(changed) if isinstance(node, Residual)]
    assert wrapped == [f"mixed{n}" for n in ("5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b", "7c")]
    measure(changed)


@pytest.mark.parametrize("kind", ["cbam", "se", "eca"])
@pytest.mark.parametrize("where", ["branch", "fusion", "stage"])
def test_attention_goes_to_every_place(kind, where):
    changed = R.attend(kind, where)(V1)
    assert nodes(changed, Attention)
    measure(changed)


def test_attention_on_residuals():
    base = get_spec("small_resnet")
    for where in ("residual", "sum"):
        changed = R.attend("se", where)(base)
        assert len(nodes(changed, Attention)) == len(nodes(base, Residual))
        measure(changed)
    with pytest.raises(SpecError, match="changes nothing"):
        R.attend("se", "sum")(V1)
    with pytest.raises(SpecError, match="did you mean 'fusion'"):
        R.attend("se", "fusoin")


@pytest.mark.parametrize("how", ["sum", "product"])
def test_fusing_another_way_keeps_the_width(how):
    changed = R.fuse(how)(BLOCK)
    assert isinstance(changed, Branches)
    assert changed.how == how
    network = R.fuse(how)(V1)
    assert measure(network).children[-3].output == measure(V1).children[-3].output


def test_fusing_back_by_concatenation():
    assert R.fuse("concat")(Product(Conv(4), Conv(4))) == Concat(Conv(4), Conv(4))


def test_dilation_keeps_sizes_and_parameters():
    changed = R.dilate(2)(V1)
    a, b = measure(V1), measure(changed)
    assert [r.output for r in a.children] == [r.output for r in b.children]
    assert a.params == b.params


def test_ghost_and_separable_and_norm_and_activation():
    assert nodes(R.ghost()(V1), Ghost)
    assert nodes(R.separable()(V1), Depthwise)
    bare = R.norm(None)(V1)
    assert all(conv.norm is None for conv in nodes(bare, Conv))
    assert {conv.norm for conv in nodes(R.norm("group")(V1), Conv)} == {Norm("group")}
    assert {conv.act for conv in nodes(R.activation("silu")(V1), Conv)} == {"silu"}
    for rule in (R.ghost(), R.separable(), R.norm(None), R.norm("layer"), R.activation("gelu"), R.widen(0.5)):
        measure(rule(V1))


def test_ghosts_are_dilated_where_convolutions_are():
    both = R.dilate(2)(R.ghost()(BLOCK)), R.ghost()(R.dilate(2)(BLOCK))
    for block in both:
        five = dict(block.children)["five"].children[1][1]
        assert (five.dilation, five.cheap_dilation) == (2, 2)
        assert measure_node(block, (3, 9, 9)).output == measure_node(BLOCK, (3, 9, 9)).output
        assert measure_node(block, (3, 9, 9)).params == measure_node(R.ghost()(BLOCK), (3, 9, 9)).params


def test_a_linear_convolution_stays_without_norm():
    base = get_spec("inception_resnet_v1")
    changed = R.norm("group")(base)
    linear = [node for path, node in walk(changed) if path.endswith(".linear")]
    assert linear
    assert all(conv.norm is None for conv in linear)


def test_widen_halves_every_written_width():
    changed = R.widen(0.5)(BLOCK)
    assert changed == Concat(one=Conv(4), five=Seq(Conv(2), Conv(4, 5)), pool=Seq(Pool("max"), Conv(2)))


def test_drop_path_grows_with_depth():
    rates = [node.stochastic_depth for node in nodes(R.stochastic_depth(0.2)(get_spec("small_resnet")), Residual)]
    assert rates == sorted(rates)
    assert rates[-1] == 0.2


@pytest.mark.parametrize(("size", "convs"), [(32, 1), (64, 2), (128, 3)])
def test_small_stem_leaves_the_body_its_grid(size, convs):
    changed = R.small_stem(size)(get_spec("inception_v3").without_aux())
    assert len(changed.stem.children) == convs
    assert measure(changed).children[convs - 1].output[:1] == (192,)
    assert 24 <= measure(changed).children[convs - 1].output[1] <= 40


def test_replace_anywhere():
    changed = R.replace("inception*.pool", Conv(16))(V1)
    assert all(dict(b.children)["pool"] == Conv(16) for n, b in changed.body.children if n.startswith("inception"))


def test_rules_compose_and_are_written_down():
    rule = R.residual(0.1) | R.attend("cbam")
    changed = rule(V1)
    assert rule.name == "residual(0.1) | attend(cbam)"
    assert changed.title == "small_v1 | residual(0.1) | attend(cbam)"
    assert changed == get_spec("small_v1 | residual(0.1) | attend(cbam)")


@pytest.mark.parametrize(
    "rule",
    [
        R.without_branch("pool"), R.factorize(5), R.asymmetric(3), R.residual(0.1), R.residual(), R.attend("se"),
        R.attend("eca", "branch"), R.fuse("sum"), R.dilate(2), R.ghost(), R.separable(), R.norm(None), R.norm("group"),
        R.activation("gelu"), R.widen(0.5), R.small_stem(32), R.stochastic_depth(0.1), R.ghost(3),
        R.replace("inception3a", Concat(one=Conv(4), two=Seq(Conv(2), Conv(4, (1, 3))))),
        R.residual(0.1) | R.stochastic_depth(0.1) | R.attend("se", "residual"),
    ],
)  # fmt: skip
def test_the_text_of_a_rule_gives_the_rule_back(rule):
    again = parse_rule(rule.name)
    assert again.name == rule.name
    base = get_spec("googlenet") if "small_stem" in rule.name else V1
    if rule.name.startswith("stochastic_depth"):
        base = get_spec("small_resnet")
    assert again(base) == rule(base)


NUMBERS = st.floats(-1e6, 1e6) | st.integers(-3, 3)
RATES = st.floats(0, 0.99)
TEXTS = names | st.sampled_from(
    ["pool", "mixed5b.pool", "*.pool", "**.five", "inception3a.pool", "a | b", "x\n", "\ud800"]
)
ARGUMENTS = {
    "without_branch": [TEXTS],
    "residual": [NUMBERS],
    "rescale": [NUMBERS],
    "unreduced": [],
    "attend": [st.sampled_from(["cbam", "se", "eca"]), st.sampled_from(R.PLACES)],
    "fuse": [st.sampled_from(["concat", "sum", "product"])],
    "stochastic_depth": [RATES],
    "factorize": [st.sampled_from([5, 7, 9])],
    "asymmetric": [st.integers(1, 9)],
    "dilate": [st.integers(1, 4)],
    "ghost": [st.integers(2, 4)],
    "separable": [],
    "norm": [st.sampled_from([None, "batch", "group", "layer"]), st.floats(1e-12, 1)],
    "batch_norm": [st.sampled_from(["bias", "both"]), st.floats(0, 1), st.floats(1e-12, 1)],
    "activation": [st.sampled_from(ACTS)],
    "widen": [st.floats(0.01, 4)],
    "dropout": [RATES],
    "aux_after": [TEXTS],
    "output_stride": [st.integers(1, 32)],
    "small_stem": [st.integers(1, 299)],
    "whitened": [st.integers(1, 5), st.sampled_from([None, *ACTS])],
    "replace": [TEXTS, any_tree],
}
OPTIONAL = {"residual", "attend", "factorize", "asymmetric", "dilate", "ghost", "small_stem"}


@st.composite
def rules(draw, name):
    arguments = [draw(argument) for argument in ARGUMENTS[name]]
    if name in OPTIONAL and draw(st.booleans()):
        arguments = []
    elif name in ("attend", "norm") and draw(st.booleans()):
        arguments = arguments[:1]
    return RULES[name](*arguments)


def outcome(rule, network):
    try:
        return rule(network)
    except SpecError as error:
        return str(error)


@pytest.mark.parametrize("name", RULES)
def test_the_text_of_every_rule_is_read_back_as_the_same_rule(name):
    @settings(max_examples=40)
    @given(rules(name), st.sampled_from(["small_v1", "small_resnet", "inception_v2", "googlenet.paper"]))
    def check(rule, network):
        again = parse_rule(str(rule))
        assert again == rule
        assert str(again) == str(rule)
        assert outcome(again, get_spec(network)) == outcome(rule, get_spec(network))

    check()


@settings(max_examples=100)
@given(st.lists(st.sampled_from([*RULES]).flatmap(rules), min_size=1, max_size=4))
def test_chains_are_read_back_as_the_same_chain(parts):
    chain = reduce(or_, parts)
    assert parse_rule(str(chain)) == chain
    assert reduce(lambda whole, part: part | whole, reversed(parts)) == chain
    assert outcome(parse_rule(str(chain)), V1) == outcome(chain, V1)


def test_a_network_made_by_rules_is_found_again_by_its_title():
    for rule in (R.without_branch("inception3a.pool"), R.norm("batch", eps=1e-4), R.widen(1 / 3), R.ghost()):
        network = rule(V1)
        assert get_spec(network.title) == network


def test_the_same_rule_is_written_in_one_way():
    assert str(R.norm("batch", eps=1e-3)) == "norm(batch, eps=0.001)"
    assert str(R.norm("batch", eps=1e-5)) == "norm(batch)"
    assert R.residual() == R.residual(1) == R.residual(scale=1.0)
    assert str(R.residual(1 / 3)) == "residual(0.3333333333333333)"
    assert str(R.without_branch("mixed5b.pool")) == "without_branch('mixed5b.pool')"
    assert str(R.replace("conv1", Conv(64, 3))) == "replace(conv1, Conv(64, kernel=3))"
    assert hash(R.residual(0.1)) == hash(parse_rule("residual( scale = .1 )"))


def test_a_rule_for_networks_refuses_a_node():
    for rule in (R.small_stem(), R.dropout(0.1), R.aux_after("a"), R.output_stride(8), R.attend("se", "stage")):
        with pytest.raises(SpecError, match="changes a whole network; it was given Conv"):
            rule(Conv(4))
    with pytest.raises(SpecError, match="changes networks and nodes; it was given 'small_v1'"):
        R.residual()("small_v1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("residual('x')", "residual(scale='x'): give a number"),
        ("residual(nan)", "give a number"),
        ("residual(1e999)", "scale=inf"),
        ("residual(True)", "scale=True"),
        ("residual(1 + 2j)", "give a number"),
        ("residual(" + "9" * 4000 + ")", "give a number"),
        ("widen(1e308)", "widen(factor=1e+308): give a number above 0"),
        ("widen(1e12)", "of at most 65536"),
        ("widen(0)", "above 0"),
        ("attend(5)", "attend(kind=5): known are cbam, se, eca"),
        ("attend(se, where=fusoin)", "did you mean 'fusion'"),
        ("norm(batch, eps=-1)", "above 0"),
        ("factorize(99999999999999)", "whole number"),
        ("small_stem(0)", "at least 1"),
        ("small_stem(10000000)", "at most"),
        ("ghost(1)", "at least 2"),
        ("dropout(1)", "below 1"),
        ("without_branch(3)", "give text"),
        ("replace('**', Conv)", "give a node"),
        ("replace(a, Conv(4, act=rely))", "did you mean 'relu'"),
        ("replace(a, Seq(**{1: Conv(4)}))", "must be written as text"),
        ("residual(scale=1, scale=2)", "'scale' twice"),
        ("residual(**x)", "may follow"),
        ("residual(*[1])", "is not a number"),
        ("residual(1, 2)", "too many"),
        ("residual(\0)", "not a rule"),
        ("", "not a rule"),
        (" | ".join(["ghost"] * 101), "a chain of 101 rules is too long"),
        (" | ".join(["ghost"] * 3000), "not a rule"),
        ("(" * 5000, "not a rule"),
        ("-" * 5000 + "1", "not a rule"),
        ("residual(" + "-" * 3000 + "1)", "not a rule"),
        ("replace(a, " + "Seq(" * 90 + ")" * 90 + ")", "nested too deeply"),
        ("replace(a, " + "Seq(" * 5000 + ")" * 5000 + ")", "not a rule"),
        ("a" * 200_000, "of 200,000 characters is too long"),
        (" | ".join(["attend(se)"] * 99), "more than 64 levels"),
        (" | ".join(["replace('**', Seq(a=Conv(1), b=Conv(1), c=Conv(1)))", "unreduced"] * 20), "changes nothing"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_senseless_rules_give_a_sentence_and_take_no_time_or_memory(text, words):
    with pytest.raises(SpecError, match=re.escape(words)) as caught:
        parse_rule(text)(V1)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("residul(0.1)", "did you mean 'residual'"),
        (" residul(0.1) ", "^in 'residul"),
        ("residual(0.1", "not a rule"),
        ("residual(0.1) + attend(se)", "not a rule"),
        ("attend(kind=se, wher=branch)", "unexpected keyword"),
        ("__import__('os')", "unknown"),
        ("residual(__import__('os').system('x'))", "is not a number"),
        ("widen(-1)", "above 0"),
        ("replace('a', Block(print))", "unknown"),
    ],
)
def test_text_that_is_no_rule_is_refused_and_never_run(text, words):
    with pytest.raises(SpecError, match=words.replace("(", r"\(")):
        parse_rule(text)


def test_a_rule_that_changes_nothing_is_refused():
    with pytest.raises(SpecError, match=r"factorize\(5\) changes nothing in inception_net \| factorize\(5\)"):
        (R.factorize(5) | R.factorize(5))(get_spec("inception_net"))
