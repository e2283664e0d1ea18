import pytest

from inceptionlab import SpecError, get_spec, measure, parse_rule
from inceptionlab import rules as R
from inceptionlab.analysis.geometry import measure_node
from inceptionlab.spec import (
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
    rates = [node.drop_path for node in nodes(R.drop_path(0.2)(get_spec("small_resnet")), Residual)]
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
        R.activation("gelu"), R.widen(0.5), R.small_stem(32), R.drop_path(0.1), R.ghost(3),
        R.replace("inception3a", Concat(one=Conv(4), two=Seq(Conv(2), Conv(4, (1, 3))))),
        R.residual(0.1) | R.drop_path(0.1) | R.attend("se", "residual"),
    ],
)  # fmt: skip
def test_the_text_of_a_rule_gives_the_rule_back(rule):
    again = parse_rule(rule.name)
    assert again.name == rule.name
    base = get_spec("googlenet") if "small_stem" in rule.name else V1
    if rule.name.startswith("drop_path"):
        base = get_spec("small_resnet")
    assert again(base) == rule(base)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("residul(0.1)", "did you mean 'residual'"),
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
