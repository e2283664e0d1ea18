"""The chapters of the tutorial: notebooks written as pages, run, and shown with what their cells gave."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from latex2mathml.converter import convert
from nbclient import NotebookClient

INSTALL = "%pip install --quiet git+https://github.com/inceptionlab/inceptionlab"
"""The first cell of a notebook that is read elsewhere, as on Colab."""
MINUTES = 10


def notebook_of(page: Path) -> nbformat.NotebookNode:
    """A chapter as a notebook whose cells did not run: its Python blocks are the cells."""
    text = page.read_text(encoding="utf-8").replace("```sh\n", "```shell\n")  # jupytext would run what is called sh
    notebook = jupytext.reads(text, fmt="md")
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # equal pages are equal notebooks
    return notebook


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run the cells in a folder; what they give is kept in the notebook."""
    NotebookClient(notebook, timeout=60 * MINUTES, resources={"metadata": {"path": str(folder)}}).execute()


def with_outputs(notebook: nbformat.NotebookNode, ran: nbformat.NotebookNode) -> None:
    """Give the cells of a chapter the outputs of the same chapter in another language, which ran.

    Raises `ValueError` for a cell whose code, but for comments, is not the other's.
    """
    cells, others = ([cell for cell in one.cells if cell.cell_type == "code"] for one in (notebook, ran))
    for cell, other in zip(cells, others, strict=True):
        if ast.dump(ast.parse(cell.source)) != ast.dump(ast.parse(other.source)):
            raise ValueError(f"this cell differs from the one that ran:\n{cell.source}")
        cell.outputs = other.outputs


def for_elsewhere(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook for a machine without InceptionLab."""
    return nbformat.from_dict({**notebook, "cells": [_cell(INSTALL), *notebook.cells]})


def _cell(source: str) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell(source)
    cell["id"] = "install"
    return cell


def as_page(notebook: nbformat.NotebookNode, pictures: Path) -> str:
    """The chapter as Markdown with the outputs below their cells; pictures are files in a folder beside the page."""
    parts: list[str] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(with_formulas(cell.source))
            continue
        parts.append(f"```python\n{cell.source}\n```")
        parts += [_shown(output, pictures, len(parts)) for output in cell.outputs]
    return "\n\n".join(part for part in parts if part) + "\n"


def with_formulas(text: str) -> str:
    """Markdown whose formulas (`$...$`, and `$$...$$` on its own) are MathML, which browsers set."""
    text = re.sub(r"\$\$(.+?)\$\$", lambda found: convert(found[1], display="block"), text, flags=re.DOTALL)
    return re.sub(r"\$([^$\n]+)\$", lambda found: convert(found[1]), text)


def _shown(output: Any, pictures: Path, number: int) -> str:
    """One output of a cell: a picture, a table, or text."""
    if output.output_type == "stream":
        return "" if output.name == "stderr" else f"```text\n{output.text.rstrip()}\n```"
    data = output.data
    if "image/svg+xml" in data:
        pictures.mkdir(exist_ok=True)
        (pictures / f"{number}.svg").write_text(data["image/svg+xml"], encoding="utf-8")
        return f"![]({pictures.name}/{number}.svg)"
    if "text/html" in data:
        return f'<div class="output">\n{data["text/html"]}\n</div>'
    return f"```text\n{data['text/plain']}\n```"
