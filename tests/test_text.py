import dataclasses
import json
from functools import partial

import pytest
from hypothesis import given, settings

from inceptionlab import Input, Network, SpecError, get_spec, list_models
from inceptionlab.analysis.changes import phrases
from inceptionlab.analysis.difference import diff
from inceptionlab.analysis.tables import as_records, rows
from inceptionlab.analysis.words import describe
from inceptionlab.rules import attend, parse_rule, replace, residual, without_branch
from inceptionlab.spec import Block, Concat, Conv, Linear, Norm, Pool, Seq, Split, Sum
from inceptionlab.spec.codec import digest, dumps, from_json, loads, to_json
from tests.random_specs import any_tree, specs


@pytest.mark.parametrize("name", list_models())
def test_members_come_back_from_json(name):
    spec = get_spec(name)
    assert loads(dumps(spec)) == spec
    assert digest(loads(dumps(spec))) == digest(spec)


@settings(max_examples=200)
@given(specs)
def test_random_specs_come_back_from_json(spec):
    assert loads(dumps(spec)) == spec
    assert hash(loads(dumps(spec))) == hash(spec)


@settings(max_examples=200)
@given(any_tree)
def test_any_tree_comes_back_from_json_and_from_its_text(tree):
    again = loads(dumps(tree))
    assert again == tree
    assert (digest(again), repr(again)) == (digest(tree), repr(tree))
    rule = replace("a.**", tree)
    assert parse_rule(str(rule)) == rule


def test_no_two_members_share_a_digest():
    digests = {digest(get_spec(name)) for name in list_models()}
    assert len(digests) == len(list_models())


def factory(channels):
    raise AssertionError("reading a spec runs no code")


def test_a_block_is_read_only_with_its_factory_handed_over():
    spec = Seq(Conv(4), Block(factory, out=4))
    text = dumps(spec)
    assert from_json(json.loads(text), {"tests.test_text:factory": factory}) == spec
    with pytest.raises(SpecError, match="hand its factory over"):
        loads(text)


def written(**fields):
    return json.dumps({"version": 1, **fields})


CONV = to_json(Conv(8))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON|nested too deeply"),
        (" " * 40_000_000, "32,000,000"),
        (written(node="Convv"), "did you mean 'Conv'"),
        (written(node="Conv", out=8, colour=1), "unexpected keyword"),
        (written(**{**CONV, "out": "x"}), "out='x'"),
        (written(**{**CONV, "out": 10**300}), "of at most 65536"),
        (written(**{**CONV, "out": True}), "out=True"),
        (written(**{**CONV, "kernel": [3, 0]}), "kernel="),
        (written(**{**CONV, "kernel": [[[3]]]}), "kernel="),
        (
            written(**{**CONV, "norm": {"node": "Norm"}}),
            "gives Norm no kind, no eps, no momentum, no affine",
        ),
        (written(**{**CONV, "norm": CONV}), "unexpected keyword 'version'"),
        (written(**{**CONV, "act": float("nan")}), "act=nan"),
        (written(node="Dropout", p=float("nan")), "give a finite number"),
        (written(node="Seq"), "children"),
        (written(node="Seq", children=3), "children"),
        (written(node="Seq", children=[["a"]]), "children"),
        (written(node="Seq", children=[[1, {}]]), "children"),
        (written(node="Seq", children=[["a", 3]]), "not a node"),
        (written(node="Seq", children=[["a.b", {**CONV}]]), "unexpected keyword 'version'"),
        (written(node="Seq", children=[["a.b", {"node": "Act", "kind": "relu"}]]), "without dots"),
        (written(node="Seq", children=[["a", {"node": "Act", "kind": "relu"}]] * 2), "same name"),
        (written(node=["Seq"]), "not a tree"),
        (written(node="Concat", children=[], stochastic_depth=0.0), "no branch"),
        ("[1, 2]", "not a tree"),
        ('{"node": "Act", "kind": "relu"}', "has no version; this InceptionLab reads version 1"),
        ('{"version": 2, "node": "Act", "kind": "relu"}', "is of version 2; this InceptionLab reads version 1"),
        ('{"version": "1", "node": "Act", "kind": "relu"}', "is of version '1'"),
    ],
)
def test_json_that_is_no_spec_is_refused(text, words):
    with pytest.raises(SpecError, match=words):
        loads(text)


def test_a_deep_tree_is_refused_in_a_sentence():
    for depth in (64, 100, 330, 5000):
        data = {"node": "Act", "kind": "relu"}
        for _ in range(depth):
            data = {"node": "Seq", "children": [["0", data]]}
        with pytest.raises(SpecError, match="nested too deeply"):
            from_json({"version": 1, **data})


def test_every_field_is_written_so_a_file_means_the_same_when_a_default_changes(monkeypatch):
    spec = get_spec("inception_v3 | stochastic_depth(0.1)")
    text, sign = dumps(spec), digest(spec)
    for kind in (Conv, Pool, Norm, Input):
        names = kind.__init__.__annotations__
        assert set(names) - {"return"} == set(kind.__slots__)
    monkeypatch.setattr(Conv.__init__, "__defaults__", (7, 7, "valid", 7, 7, None, None, True))
    monkeypatch.setattr(Concat.__init__, "__kwdefaults__", {"stochastic_depth": 0.7})
    monkeypatch.setattr(Pool.__init__, "__defaults__", (7, 7, "valid", True, True, 7, 7))
    assert Conv(4).kernel == 7
    again = loads(text)
    monkeypatch.undo()
    assert again == spec
    assert digest(again) == sign


def test_the_digest_follows_from_every_field():
    changes = [
        Conv(5), Conv(4, 3), Conv(4, stride=2), Conv(4, pad="tf"), Conv(4, groups=2), Conv(4, dilation=2),
        Conv(4, norm=None), Conv(4, norm=Norm(eps=1e-3)), Conv(4, act=None), Conv(4, bias=True), Concat(Conv(4)),
        Concat(Conv(4), stochastic_depth=0.1), Sum(Conv(4)), Split(Conv(4)), Split(Conv(4), share=0.5), Seq(a=Conv(4)),
    ]  # fmt: skip
    assert len({digest(spec) for spec in [Conv(4), *changes]}) == len(changes) + 1


def test_a_factory_without_a_name_cannot_be_written():
    with pytest.raises(SpecError, match="has no name to be written by"):
        dumps(Block(partial(factory, 3)))


def test_a_network_with_a_block_is_read_with_its_factory_handed_over():
    spec = Network("mine", Seq(), Seq(own=Block(factory, out=4)), Seq(fc=Linear()))
    assert loads(dumps(spec), blocks={"tests.test_text:factory": factory}) == spec
    with pytest.raises(SpecError, match="blocks={'tests.test_text:factory': the function}"):
        loads(dumps(spec))


@pytest.mark.parametrize("section", ["mean", "stem", "aux", "classes", "crop"])
def test_a_network_is_read_strictly(section):
    data = to_json(get_spec("inception_v3"))
    (data["input"] if section in data["input"] else data)[section] = "x"
    with pytest.raises(SpecError, match=section):
        from_json(data)


def test_descriptions_are_short():
    module = dict(get_spec("googlenet.paper").body.children)["inception3a"]
    assert describe(module) == "1×1 64 | 1×1 96 → 3×3 128 | 1×1 16 → 5×5 32 | max 3×3 → 1×1 32"
    assert describe(residual(0.1)(Concat(Conv(4), Conv(4, (1, 7))))) == "x + 0.1·(1×1 4 | 1×7 4)"
    assert describe(Conv(8, 3, 2, dilation=2)) == "3×3/2 conv 8, dilation 2"


def test_records_hold_every_node():
    records = as_records(get_spec("inception_net"))
    assert records[0]["path"] == "conv1"
    assert set(records[0]) >= {"path", "kind", "output", "params", "macs", "receptive_field"}
    assert sum(r["params"] for r in records if "." not in r["path"]) == 326_122
    assert len(rows(get_spec("inception_net"))) == 6


def test_a_difference_names_what_changed():
    base = get_spec("inception_net")
    lines = diff(base, without_branch("inception1.pool")(base)).lines
    assert lines[0] == "- inception1.pool: Seq(Pool('max'), Conv(32, norm=None))"
    assert any(line.startswith("= parameters: 326,122 → ") for line in lines)
    changed = diff(base, attend("se", "stage")(base)).lines
    assert "+ attention1: Attention('se')" in "\n".join(changed) or any("attention1" in line for line in changed)
    assert [line for line in diff(base, base).lines if line[0] in "+-~"] == []


def told(a, b):
    return str(diff(get_spec(a), get_spec(b))).splitlines()


def test_the_same_change_of_many_nodes_is_one_line():
    assert told("small_v1", "small_v1 | residual(0.1) | attend(cbam)") == [
        "9 modules (inception3a … inception5b): wrapped in Residual(0.1), CBAM after concat; 6 projections, +1,753,204 "
        "parameters; in all +2,169,402 parameters, +419,926,184 MACs",
        "parameters 5,179,078 → 7,348,480 (+41.9%), MACs 1,275,159,188 → 1,695,085,372 (+32.9%)",
    ]
    assert told("small_v1 | residual(0.1)", "small_v1")[0].startswith(
        "9 modules (inception3a … inception5b): no longer"
    )


def test_equal_networks_are_called_equal():
    base = get_spec("small_v1")
    found = diff(base, dataclasses.replace(base, name="mine"))
    assert found.equal
    assert str(found).splitlines()[0] == "equal: small_v1 and mine are the same network"
    assert not diff(base, base.with_classes(7)).equal


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("attend(se, stage)", "3 nodes (attention1, attention2, attention3): added (SE)"),
        ("attend(cbam) | residual(0.1)", ": CBAM after concat, wrapped in Residual(0.1); 6 projections"),
        ("factorize(5)", "(inception3a … inception5b): 5×5 conv became 3×3 conv → 3×3 conv in five; "),
        ("separable()", ": 3×3 conv became 3×3 depthwise → 1×1 conv in three.1, 5×5"),
        ("ghost()", "9 modules (inception3a … inception5b): 1×1 conv became 1×1 ghost in 4 places"),
        ("norm(group)", "norm kind batch → group in 6 places"),
        ("dilate(2)", ": dilation 1 → 2 in 2 places"),
        ("widen(0.5)", ": other width in 6 places; "),
        ("without_branch(pool)", ": branch pool removed; "),
        ("fuse(sum)", ": Concat became Sum, other width in 4 places; "),
        ("stochastic_depth(0.1)", ": other stochastic depth"),
    ],
)
def test_changes_are_told_in_words(rules, words):
    found = diff(get_spec("small_v1"), get_spec(f"small_v1 | {rules}"))
    assert words in str(found)
    assert len(str(found).splitlines()) <= 4


PAIRS = [("googlenet.paper", "googlenet.torchvision"), ("inception_v3", "inception_v4"), ("small_v1", "small_v2"),
         ("inception_v3", "inception_v3.fid"), ("xception", "xception41"),
         ("inception_next_atto", "inception_next_tiny")]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_groups_hold_the_whole_difference_once(a, b):
    found = diff(get_spec(a), get_spec(b))
    paths = [path for group in found.groups for path in group.paths]
    assert len(set(paths)) == len(paths)
    assert sum(group.params for group in found.groups) == found.params_with_aux[1] - found.params_with_aux[0]
    record = json.loads(json.dumps(found.as_record()))
    assert [change["path"] for change in record["changes"]] == [change.path for change in found.changes]
    assert record["equal"] is False


@settings(max_examples=100)
@given(any_tree, any_tree)
def test_any_two_trees_are_told_apart(a, b):
    assert (list(phrases(a, b)) == []) == (a == b)
    assert list(phrases(a, a)) == []
