"""`make docs`: the documentation in both languages as one site, in `build/site`; nothing is fetched.

    python docs/build.py

Each language is a folder of pages beside this file. To both come the pictures, to the reference the page of all
commands as their own help has it, and to the chapters of the tutorial what their code gave, which is run here. A cell
that fails ends it, and so does a link or an anchor that leads nowhere.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import tomli_w
from chapters import as_page, for_elsewhere, notebook_of, run, with_outputs

DOCS = Path(__file__).parent
ROOT = DOCS.parent
BUILD = ROOT / "build"
LANGUAGES = ("en", "zh")
RAN: dict[str, nbformat.NotebookNode] = {}
"""The chapters that ran, by their pages' names."""
REPOSITORY = "https://github.com/inceptionlab/inceptionlab/blob/main/"
HOME = '<!doctype html><meta http-equiv="refresh" content="0; url=en/"><a href="en/">English</a>\n'


def pages_of(language: str) -> Path:
    """The folder of all pages of a language, those that are made here too."""
    folder = BUILD / "docs" / language
    shutil.copytree(DOCS / language, folder)
    shutil.copytree(DOCS / "images", folder / "images")
    for page in sorted((folder / "tutorial").glob("*.md")):
        chapter(page, language)
    for page in folder.rglob("*.md"):
        page.write_text(_with_links(page.read_text(encoding="utf-8")), encoding="utf-8")
    (folder / "reference" / "commands.md").write_text(commands(language), encoding="utf-8")
    return folder


def chapter(page: Path, language: str) -> None:
    """Put the outputs of a chapter's cells into its page, and the chapter among the notebooks.

    The code of a chapter is the same in all languages, so it runs once.
    """
    notebook = notebook_of(page)
    place = DOCS / "notebooks" / language / f"{page.stem}.ipynb"
    place.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(for_elsewhere(notebook), place)
    if page.name in RAN:
        with_outputs(notebook, RAN[page.name])
    else:
        print(f"running {page.relative_to(BUILD)}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            run(notebook, Path(folder))
        RAN[page.name] = notebook
    page.write_text(as_page(notebook, page.with_suffix("")), encoding="utf-8")


def _with_links(text: str) -> str:
    """A page whose links to files outside `docs` lead to the repository in the web."""
    return re.sub(r"\]\((?:\.\./)+((?!images/)[\w./-]+)(?=[)#])", _outside, text)


def _outside(link: re.Match[str]) -> str:
    """A link as it is, or to the repository where its file is none of the pages'."""
    return f"]({REPOSITORY}{link[1]}" if (ROOT / link[1]).exists() else link[0]


def commands(language: str) -> str:
    """The page of the commands, each with its own help."""
    from inceptionlab.cli import COMMANDS, main

    os.environ["COLUMNS"] = "110"
    title = {"en": "# Commands", "zh": "# 命令"}[language]
    parts = [title]
    for name in COMMANDS:
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            main([*name.split(), "--help"])
        parts.append(f"## {name}\n\n```text\n{text.getvalue().strip()}\n```")
    return "\n\n".join(parts) + "\n"


def settings(language: str, pages: Path) -> dict[str, Any]:
    """What zensical is told for a language."""
    shared = tomllib.loads((DOCS / "site.toml").read_text(encoding="utf-8"))
    own = tomllib.loads((DOCS / language / "pages.toml").read_text(encoding="utf-8"))
    project = shared["project"]
    project |= {"site_name": own["name"], "site_description": own["description"], "nav": own["pages"]}
    project |= {"docs_dir": str(pages.relative_to(BUILD)), "site_dir": f"site/{language}"}
    project["site_url"] += f"/{language}/"
    project["theme"] |= {"language": language, "palette": palette(own["light"], own["dark"])}
    project["plugins"]["mkdocstrings"]["handlers"]["python"]["paths"] = [str(ROOT / "src")]
    return shared


def palette(light: str, dark: str) -> list[dict[str, Any]]:
    """The reader's own preference of light or dark, and a switch, whose words are given."""
    return [
        {"media": "(prefers-color-scheme: light)", "scheme": "default", "primary": "white", "accent": "indigo",
         "toggle": {"icon": "lucide/moon", "name": dark}},
        {"media": "(prefers-color-scheme: dark)", "scheme": "slate", "primary": "black", "accent": "indigo",
         "toggle": {"icon": "lucide/sun", "name": light}},
    ]  # fmt: skip


def main() -> None:
    """Build both languages."""
    shutil.rmtree(BUILD / "docs", ignore_errors=True)
    shutil.rmtree(BUILD / "site", ignore_errors=True)
    for language in LANGUAGES:
        file = BUILD / f"{language}.toml"
        pages = pages_of(language)
        file.write_text(tomli_w.dumps(settings(language, pages)), encoding="utf-8")
        ended = subprocess.run([sys.executable, "-m", "zensical", "build", "--clean", "--strict", "-f", str(file)])
        if ended.returncode:
            sys.exit(f"the pages in docs/{language} have the faults above")
    (BUILD / "site" / "index.html").write_text(HOME, encoding="utf-8")
    print(f"open {(BUILD / 'site' / 'en' / 'index.html').relative_to(ROOT)}")


if __name__ == "__main__":
    main()
