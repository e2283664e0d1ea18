"""The front pages and the documentation: commands are taken, tables are the registry, both languages say the same.

That their Python runs is in test_pages.py.
"""

import ast
import re
import shlex
from pathlib import Path

import pytest

from inceptionlab.cli import _app, _without_code, main

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "README.zh-CN.md"]


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_the_code_is_the_same_in_both_languages():
    english, chinese = ([ast.dump(ast.parse(code)) for code in blocks(page, "python")] for page in PAGES)
    assert english == chinese


@pytest.mark.parametrize(("page", "language"), list(zip(PAGES, ("en", "zh"), strict=True)))
def test_the_table_is_the_registry(page, language, capsys):
    main(["list", "--markdown", "--lang", language])
    assert capsys.readouterr().out.strip() in (ROOT / page).read_text()


def commands():
    """Each command that a page shows, and the page."""
    for page in [*PAGES, *sorted(map(str, (ROOT / "docs").glob("*/**/*.md")))]:
        for code in blocks(page, "sh"):
            for line in code.replace("\\\n", " ").splitlines():
                if words := re.search(r"(?:^|[|;] |-m )inceptionlab (.*)", line):
                    yield page.removeprefix(f"{ROOT}/"), words[1]


@pytest.mark.parametrize(("page", "command"), list(commands()))
def test_the_commands_are_taken(page, command):
    words = shlex.split(command, comments=True)
    words = words[: words.index("|")] if "|" in words else words
    _app().parse_args(_without_code(words)[0], exit_on_error=False, print_error=False)


def test_both_languages_say_the_same():
    english, chinese = ((ROOT / page).read_text() for page in PAGES)
    for pattern in (r"https?://[^\s)]+", r"`[^`\n]+`", r"^#+ ", r"^- "):
        counts = [len(re.findall(pattern, page, re.MULTILINE)) for page in (english, chinese)]
        assert counts[0] == counts[1], pattern


def test_links_lead_somewhere():
    for page in [*PAGES, "CONTRIBUTING.md", "docs/en/errata.md"]:
        text = (ROOT / page).read_text()
        for link in re.findall(r"\]\((?!https?://)([^)#]+)\)|src=\"([^\"]+)\"", text):
            target = link[0] or link[1]
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


def test_errata_name_tests_that_exist():
    for file, name in re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs/en/errata.md").read_text()):
        assert f"def {name}(" in (ROOT / "tests" / file).read_text()
