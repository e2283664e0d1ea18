"""The Python of the front page and of the documentation runs: each page's blocks in order, in one namespace.

The chapters of the tutorial are run by `make docs`.
"""

from pathlib import Path
from unittest import SkipTest

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parents[1]
SYBIL = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()])
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*/**/*.md"))]
WITH_CODE = [page for page in PAGES if page.parent.name != "tutorial" and "```python" in page.read_text()]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = 0
    for block in SYBIL.parse(page).examples():
        try:
            block.evaluate()
            ran += 1
        except SkipTest:  # the page says why, where it asks for it
            continue
    assert ran
