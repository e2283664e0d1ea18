"""The front pages: their code runs, their table is the registry, both languages say the same."""

import ast
import re
from pathlib import Path

import pytest

from inceptionlab.cli import main

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "README.zh-CN.md"]


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_the_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for code in blocks("README.md", "python"):
        exec(compile(code, "README.md", "exec"), namespace)


def test_the_code_is_the_same_in_both_languages():
    english, chinese = ([ast.dump(ast.parse(code)) for code in blocks(page, "python")] for page in PAGES)
    assert english == chinese


@pytest.mark.parametrize(("page", "language"), list(zip(PAGES, ("en", "zh"), strict=True)))
def test_the_table_is_the_registry(page, language, capsys):
    main(["list", "--markdown", "--lang", language])
    assert capsys.readouterr().out.strip() in (ROOT / page).read_text()


@pytest.mark.parametrize("command", [line.split("   ")[0] for page in PAGES for code in blocks(page, "sh")
                                     for line in code.splitlines() if line.startswith("inceptionlab ")])  # fmt: skip
def test_the_commands_exist(command, capsys):
    import shlex

    words = shlex.split(command)[1:]
    main([*words[: 2 if words[0] == "study" else 1], "--help"])
    known = capsys.readouterr().out
    for option in re.findall(r" (--?[a-z-]+)", command):
        assert option in known


def test_both_languages_say_the_same():
    english, chinese = ((ROOT / page).read_text() for page in PAGES)
    for pattern in (r"https?://[^\s)]+", r"`[^`\n]+`", r"^#+ ", r"^- "):
        counts = [len(re.findall(pattern, page, re.MULTILINE)) for page in (english, chinese)]
        assert counts[0] == counts[1], pattern


def test_links_lead_somewhere():
    for page in [*PAGES, "CONTRIBUTING.md", "docs/errata.md"]:
        text = (ROOT / page).read_text()
        for link in re.findall(r"\]\((?!https?://)([^)#]+)\)|src=\"([^\"]+)\"", text):
            target = link[0] or link[1]
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


def test_errata_name_tests_that_exist():
    for file, name in re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs/errata.md").read_text()):
        assert f"def {name}(" in (ROOT / "tests" / file).read_text()
