"""What errors say: the command that brings an extra, counts and lists."""

import json

import pytest

from inceptionlab import errors
from inceptionlab.errors import MissingExtra, counted, listed


class Installed:
    def __init__(self, record):
        self.record = record

    def read_text(self, name):
        assert name == "direct_url.json"
        return self.record


@pytest.mark.parametrize(("editable", "pinned", "words"), [
    (True, True, '-c {0}/constraints.txt -e "{0}[web]"'), (False, True, '-c {0}/constraints.txt "{0}[web]"'),
    (True, False, '-e "{0}[web]"'),
])  # fmt: skip
def test_an_extra_is_installed_from_where_the_package_was(monkeypatch, tmp_path, editable, pinned, words):
    record = json.dumps({"url": tmp_path.as_uri(), "dir_info": {"editable": editable}})
    monkeypatch.setattr("importlib.metadata.distribution", lambda _: Installed(record))
    if pinned:
        (tmp_path / "constraints.txt").write_text("")
    assert str(MissingExtra("the web server", "web")) == (
        "the web server is not installed; install it with: python -m pip install " + words.format(tmp_path)
    )
    monkeypatch.chdir(tmp_path)
    assert errors.install_command("web").endswith('".[web]"')


@pytest.mark.parametrize("record", [None, "no json", "[]", '{"url": "https://example.org/x.whl"}'])
def test_or_from_the_index(monkeypatch, record):
    monkeypatch.setattr("importlib.metadata.distribution", lambda _: Installed(record))
    assert errors.install_command("web") == 'python -m pip install "inceptionlab[web]"'


def test_counts_and_lists_are_as_people_write_them():
    assert [counted(n, "image") for n in (0, 1, 1200)] == ["0 images", "1 image", "1,200 images"]
    assert counted(2, "class", "classes") == "2 classes"
    assert listed(range(1000), 2) == "0, 1 and 998 more"
    assert listed("ab") == "a, b"
