from itertools import combinations
from pathlib import Path

import pytest

from inceptionlab import ConfigError, SpecError, get_spec, measure
from inceptionlab.studies.design import aliases
from inceptionlab.studies.fractions import fractional
from inceptionlab.studies.loading import load_study
from inceptionlab.studies.widths import cost_of, of_equal_cost


def factors(count):
    return dict.fromkeys("ABCDEFGHI"[:count], ("-", "+"))


@pytest.mark.parametrize(
    ("count", "fraction", "resolution"),
    [(3, 2, 3), (4, 2, 4), (5, 2, 5), (5, 4, 3), (6, 2, 6), (6, 4, 4), (6, 8, 3), (7, 8, 4), (7, 16, 3), (8, 16, 4)],
)  # Box, Hunter and Hunter 2005, table 6.22
def test_fractions_have_the_resolution_of_the_tables(count, fraction, resolution):
    found = fractional(factors(count), fraction)
    assert found.resolution == resolution
    assert len(found.cells) == 2**count // fraction
    assert found.cells[0] == dict.fromkeys("ABCDEFGHI"[:count], "-")  # the reference is one of them
    for a, b in combinations(found.cells[0], 2):  # balanced and orthogonal
        for levels in (("-", "-"), ("-", "+"), ("+", "-"), ("+", "+")):
            assert sum((c[a], c[b]) == levels for c in found.cells) == len(found.cells) / 4


@pytest.mark.parametrize(("count", "fraction", "words"), [
    (3, 3, "give 2 for a half"), (3, 4, "does not tell their effects apart"), (10, 2, "takes up to 9 factors"),
])  # fmt: skip
def test_fractions_that_are_none(count, fraction, words):
    with pytest.raises(SpecError, match=words):
        fractional({f"f{i}": ("a", "b") for i in range(count)}, fraction)


def test_three_levels_make_no_fraction():
    with pytest.raises(SpecError, match="two levels a factor; norm has 3"):
        fractional({"a": ("0", "1"), "norm": ("0", "1", "2")}, 2)


def test_widths_are_solved_for():
    reference, text = get_spec("inception_net"), "inception_net | norm(batch) | separable"
    target = cost_of(reference, "params")
    wide = of_equal_cost(get_spec(text), target, "params")
    assert measure(wide).params == pytest.approx(target, rel=0.02)
    assert wide == get_spec(wide.title)  # its name says what was done
    assert cost_of(get_spec(text), "params") < target
    with pytest.raises(SpecError, match="no width gives"):
        of_equal_cost(get_spec("inception_net"), 10**12, "params")


STUDY = """
model = "inception_net | small_stem(32) | norm(batch) | widen(0.5)"
data = "digits"
design = "one"
equal = "macs"
against = "previous"
[factors.step]
plain = ""
factorised = "factorize(5)"
residual = "factorize(5) | residual(1.0)"
"""


def test_cells_of_equal_cost(tmp_path):
    (tmp_path / "s.toml").write_text(STUDY)
    study = load_study(tmp_path / "s.toml")
    macs = [measure(study.spec(cell)).macs for cell in study.cells()]
    assert macs == pytest.approx([macs[0]] * 3, rel=0.02)
    assert "widen" in study.spec(study.cells()[1]).title.rpartition("|")[2]


def test_a_fraction_says_what_it_costs(tmp_path):
    levels = "".join(f'[factors.{n}]\noff = ""\non = {{ settings = {{ {s} }} }}\n' for n, s in
                     (("a", "max_grad_norm = 1.0"), ("b", "ema = 0.9"), ("c", "label_smoothing = 0.1")))  # fmt: skip
    (tmp_path / "s.toml").write_text('model = "inception_net"\ndata = "digits"\ndesign = "fraction"\n' + levels)
    study = load_study(tmp_path / "s.toml")
    assert len(study.cells()) == 4
    assert aliases(study) == ("resolution 3: main effects are those of pairs of factors too; generated: c = a x b")


def test_the_shipped_studies_are_studies():
    files = sorted((Path(__file__).parents[2] / "studies").glob("*.toml"))
    assert len(files) >= 1
    for path in files:
        study = load_study(path)
        assert len(study.cells()) >= 2
        assert len(study.seeds) >= 5


@pytest.mark.parametrize(
    ("verdicts", "claim"),
    [
        ({"a: x": "better", "b: y": "worse"}, "confirmed"),
        ({"a: x": "better", "b: y": "undecided"}, "undecided"),
        ({"a: x": "worse", "b: y": "worse"}, "refuted"),
        ({"a: x": "better", "b: y": "no difference worth having"}, "refuted"),
        ({"a: x": "better"}, "undecided"),
    ],
)
def test_a_claim_is_judged_by_what_it_expects(tmp_path, verdicts, claim):
    from inceptionlab.studies.results import StudyResults
    from inceptionlab.studies.statistics import Comparison

    levels = '[factors.a]\n- = ""\nx = "separable"\n[factors.b]\n- = ""\ny = "residual(1.0)"\n'
    text = STUDY.partition("[factors")[0] + '[expects]\n"a: x" = "better"\n"b: y" = "worse"\n' + levels
    (tmp_path / "s.toml").write_text(text)
    rows = [Comparison(n[0], "-", n[3], "top1", 5, 0, 0, 0, 1, 1, 1, 0, v) for n, v in verdicts.items()]
    assert StudyResults(load_study(tmp_path / "s.toml"), [], [], rows).verdict == claim
    (tmp_path / "s.toml").write_text(text.replace('"better"', '"good"'))
    with pytest.raises(ConfigError, match="expects"):
        load_study(tmp_path / "s.toml")
