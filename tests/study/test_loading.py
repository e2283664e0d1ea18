import shlex
import time

import pytest

from inceptionlab import ConfigError, SpecError
from inceptionlab.studies.design import Level, Study
from inceptionlab.studies.loading import load_study, read_study, write_study

STUDY = """
model = "small_fast | widen(0.25)"
data = "digits"
seeds = [0, 1]
limit_train = 200
min_effect = 0.01
[settings]
epochs = 2
[factors.residual]
off = ""
on = "residual(1.0)"
"""
MANY = "\n".join(
    f"[factors.f{i}]\n{''.join(f'l{j} = {chr(34)}{chr(34)}{chr(10)}' for j in range(10))}" for i in range(10)
)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tiny.toml"


WRONG = {
    "factors = 5": (STUDY.partition("[factors")[0].replace("[settings]\nepochs = 2", "factors = 5"), "give a table of"),
    "a factor = 5": (STUDY.replace("[factors.r", "[factors]\nother = 5\n[factors.r"), "a table of levels"),
    "a level = 5": (STUDY.replace('off = ""', "off = 5"), "table of rules and settings, or write rules as text"),
    "a level of lists": (STUDY.replace('off = ""', "off = [1]"), "or write rules as text"),
    "rules = 5": (STUDY.replace('off = ""', "off = { rules = 5 }"), "rules = 5: give text"),
    "an unknown field of a level": (STUDY.replace('off = ""', "off = { rule = '' }"), "did you mean 'rules'"),
    "a list in the settings": (STUDY.replace("epochs = 2", "epochs = [2]"), r"epochs = \[2\]: give a number"),
    "settings = 5": (STUDY.replace("[settings]\nepochs = 2", "settings = 5"), "give a table of fields"),
    "a level's settings = 5": (STUDY.replace('off = ""', "off = { settings = 5 }"), "give a table of fields"),
    "a setting of a wrong type": (STUDY.replace("epochs = 2", "epochs = 'x'"), "epochs"),
    "a setting out of its range": (STUDY.replace("epochs = 2", "epochs = 0"), "epochs"),
    "seeds = 5": (STUDY.replace("[0, 1]", "5"), "seeds = 5: give a list, each a whole number of at least 0"),
    "nested seeds": (STUDY.replace("[0, 1]", "[[0]]"), "give a list, each a whole number"),
    "seeds of text": (STUDY.replace("[0, 1]", "['a']"), "give a list, each a whole number"),
    "negative seeds": (STUDY.replace("[0, 1]", "[-1]"), "give a list, each a whole number"),
    "seeds that are true": (STUDY.replace("[0, 1]", "[true]"), "give a list, each a whole number"),
    "the same seed twice": (STUDY.replace("[0, 1]", "[3, 3]"), "give at least one, each once"),
    "no seeds": (STUDY.replace("[0, 1]", "[]"), "give at least one, each once"),
    "min_effect = -1": (STUDY.replace("= 0.01", "= -1"), "min_effect = -1: give a number of at least 0"),
    "min_effect = nan": (STUDY.replace("min_effect = 0.01", "min_effect = nan"), "min_effect = nan"),
    "min_effect of text": (STUDY.replace("min_effect = 0.01", "min_effect = '1'"), "min_effect = '1': give a number"),
    "fraction = 0": (
        STUDY.replace("min_effect = 0.01", "fraction = 0"),
        "fraction = 0: give a whole number of at least 2",
    ),
    "fraction = 2.5": (STUDY.replace("min_effect = 0.01", "fraction = 2.5"), "fraction = 2.5: give a whole number"),
    "a huge fraction": (STUDY.replace("min_effect = 0.01", "fraction = 1_000_000_000_000"), "fraction = 10"),
    "limit_train = 0": (STUDY.replace("= 200", "= 0"), "limit_train = 0: give a whole number of at least 1"),
    "input_size = 0": ("input_size = 0\n" + STUDY, "input_size = 0: give a whole number of at least 1"),
    "a huge input_size": ("input_size = 1_000_000\n" + STUDY, "input_size = 1000000"),
    "model = 5": (STUDY.replace('model = "small_fast | widen(0.25)"', "model = 5"), "model = 5: give text"),
    "data = 5": (STUDY.replace('"digits"', "5"), "data = 5: give text"),
    "data that no file can be called": (STUDY.replace('"digits"', '"a\\u0000b"'), "data = "),
    "data with a long name": (STUDY.replace('"digits"', f'"{"a" * 5000}"'), "data = "),
    "an unknown recipe": ("recipe = 'quick'\n" + STUDY, "there is no recipe 'quick', and a file ends in .toml; known"),
    "a recipe with a long name": (f"recipe = '{'a' * 5000}.toml'\n" + STUDY, "recipe|name too long"),
    "an unprintable name": (STUDY.replace("[factors.residual]", '[factors."\\u001b[2J"]'), "give letters"),
    "an unprintable level": (STUDY.replace("off =", '"\\n" ='), "give letters"),
    "an expectation of nothing": (STUDY + '[expects]\n"residul: on" = "better"', "did you mean 'residual: on'"),
    "an expectation that is none": (STUDY + '[expects]\n"residual: on" = 5', "expects"),
    "ten thousand million cells": (STUDY.partition("[factors")[0] + MANY, "10,000,000,000 cells x 2 seeds"),
    "too many runs": (STUDY.replace("[0, 1]", f"{list(range(60_000))}"), "2 cells x 60,000 seeds"),
    "too long a file": ("#" * 2**20 + STUDY, "a study has at most"),
    "deep nesting": ("x = " + "[" * 5000 + "]" * 5000, "is not TOML"),
    "no factors": (STUDY.partition("[factors")[0] + "[factors]", "says nothing of factors"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_in_a_study_is_a_sentence(file, what):
    text, words = WRONG[what]
    file.write_text(text)
    began = time.monotonic()
    with pytest.raises((ConfigError, SpecError), match=words) as raised:
        load_study(file)
    assert time.monotonic() - began < 5
    assert str(raised.value).count(str(file)) == 1
    assert len(str(raised.value)) < 1000


def test_what_is_no_text_is_a_sentence(file, tmp_path):
    file.write_bytes(STUDY.encode("utf-16"))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_study(file)
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_study(path)


def test_settings_of_a_table_are_dotted(file):
    file.write_text(STUDY.replace('off = ""', "off = { settings.augment = { pad = 2, flip = false } }"))
    study = load_study(file)
    augment = study.setup(study.reference, 0).recipe.augment
    assert (augment.pad, augment.flip) == (2, False)


def test_a_study_made_in_python_is_checked_too():
    factors = {"residual": {"off": Level(), "on": Level("residual(1.0)")}}
    study = Study("mine", "small_fast", "digits", factors, channels=1)
    assert study.spec(study.cells()[1]).input.channels == 1
    with pytest.raises(ConfigError, match="at least two levels"):
        Study("mine", "small_fast", "digits", {"residual": {"off": Level()}})


def test_a_written_study_is_the_study_and_needs_no_data(file, tmp_path, monkeypatch):
    for label in ("ant", "bee"):
        (tmp_path / "insects" / "train" / label).mkdir(parents=True)
        (tmp_path / "insects" / "train" / label / "1.png").touch()
    file.write_text(STUDY.replace('"digits"', '"insects"') + '[expects]\n"residual: on" = "better"\n')
    with pytest.raises(ConfigError, match="insects"):
        load_study(file)
    study = load_study(file, data_dir=tmp_path)
    assert study.classes == 2
    write_study(study, tmp_path / "study.toml")
    assert read_study(tmp_path / "study.toml") == study


COMMANDS = [
    ("small_fast | residual(0.1) | attend(cbam)", "digits", "epochs = 2"),
    ("googlenet | residual(0.5)", "digits", "optimizer = 'adamw'"),
    ("small_v1 | norm(None)", "digits", "augment = { pad = 2 }"),
    ('small_v1 | without_branch("*.pool") | widen(0.33333333)', "digits", "init = 'kaiming_out'"),
]


@pytest.mark.parametrize(("model", "data", "settings"), COMMANDS)
def test_the_command_of_a_run_trains_it_again(file, monkeypatch, model, data, settings):
    import inceptionlab.runs.testing
    from inceptionlab.cli import main
    from inceptionlab.studies.report import command_of

    factor = '[factors.smoothing]\nnone = ""\nsome = { settings = { label_smoothing = 0.1, ema = 0.9 } }\n'
    base = f"model = '{model}'\ndata = '{data}'\nlimit_test = 60\n"
    file.write_text(f"{base}[settings]\n{settings}\n{factor}")
    study, caught = load_study(file), []
    monkeypatch.setattr(inceptionlab.runs.testing, "train", lambda setup, *_: caught.append(setup))
    for cell in study.cells():
        setup = study.setup(cell, 3)
        program, *arguments = shlex.split(command_of(setup))
        assert program == "inceptionlab"
        with pytest.raises(SystemExit) as stopped:  # what the trap gives says that training was stopped
            main(arguments)
        assert stopped.value.code == 130
        assert caught.pop() == setup
