"""The code of the front page and of the documentation runs as tests: each page's blocks in order, in one namespace."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parent


def _enter(namespace: dict[str, Any]) -> None:
    """An empty folder to work in, and a cache of its own; one thread, as the tests have."""
    folder = tempfile.TemporaryDirectory()
    namespace["_entered"] = folder, os.getcwd(), os.environ.get("XDG_CACHE_HOME")
    os.chdir(folder.name)
    os.environ["XDG_CACHE_HOME"] = folder.name
    torch.set_num_threads(1)
    torch.manual_seed(0)


def _leave(namespace: dict[str, Any]) -> None:
    folder, before, cache = namespace["_entered"]
    os.chdir(before)
    os.environ.pop("XDG_CACHE_HOME")
    if cache is not None:
        os.environ["XDG_CACHE_HOME"] = cache
    folder.cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    path=str(ROOT),
    patterns=["README.md", "docs/*/*.md", "docs/*/how-to/*.md", "docs/*/reference/*.md"],  # make docs runs the tutorial
    setup=_enter,
    teardown=_leave,
).pytest()


def pytest_itemcollected(item: pytest.Item) -> None:
    """The blocks of a page run in one process, since they build on each other."""
    if item.path.suffix == ".md":
        item.add_marker(pytest.mark.xdist_group(str(item.path)))
