import json

import pytest
from hypothesis import given, settings

from inceptionlab import SpecError, get_spec, list_models
from inceptionlab.analysis.difference import diff
from inceptionlab.analysis.tables import as_records, rows
from inceptionlab.analysis.words import describe
from inceptionlab.rules import attend, residual, without_branch
from inceptionlab.spec import Block, Concat, Conv, Seq
from inceptionlab.spec.codec import digest, dumps, from_json, loads, to_json
from tests.random_specs import specs


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON|nested too deeply"),
        ('{"node": "Convv"}', "did you mean 'Conv'"),
        ('{"node": "Conv", "out": 8, "colour": 1}', "unexpected keyword"),
        ('{"node": "Conv", "out": "x"}', "out='x'"),
        ('{"node": "Seq"}', "children"),
        ('{"node": "Seq", "children": [["a", 3]]}', "not a node"),
        ('{"node": ["Seq"]}', "not a tree"),
        ('{"node": "Concat", "children": []}', "no branch"),
    ],
)
def test_json_that_is_no_spec_is_refused(text, words):
    with pytest.raises(SpecError, match=words):
        loads(text)


def test_a_deep_tree_is_refused_in_a_sentence():
    data = to_json(Conv(4))
    for _ in range(5000):
        data = {"node": "Seq", "children": [["0", data]]}
    with pytest.raises(SpecError, match="nested too deeply"):
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
    lines = diff(base, without_branch("inception1.pool")(base))
    assert lines[0] == "- inception1.pool: Seq(Pool('max'), Conv(32, norm=None))"
    assert any(line.startswith("= parameters: 326,122 → ") for line in lines)
    changed = diff(base, attend("se", "stage")(base))
    assert "+ attention1: Attention('se')" in "\n".join(changed) or any("attention1" in line for line in changed)
    assert [line for line in diff(base, base) if line[0] in "+-~"] == []
