"""What the commands of studies print: the plan, the runs under way, the verdicts."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.table import Table

from inceptionlab.errors import counted
from inceptionlab.report import page
from inceptionlab.runs.folder import RunFolder
from inceptionlab.studies.design import Study, aliases, label
from inceptionlab.studies.planning import PlannedCell
from inceptionlab.studies.results import StudyResults
from inceptionlab.studies.running import Run, runs_of, where_it_stands
from inceptionlab.studies.tables import budget, limits

COLUMNS = (0, 1, 2, 3, 4, 5)
"""Of the table of cells, those that a terminal has room for."""


def planned(study: Study, cells: list[PlannedCell]) -> str:
    """The plan of a study."""
    seeds, minutes = len(study.seeds), sum(cell.minutes for cell in cells)
    runs = f"{counted(len(cells), 'cell')} x {counted(seeds, 'seed')} = {counted(len(cells) * seeds, 'run')}"
    total = f"{runs}, about {page.duration(60 * minutes)}"
    return "\n".join([*([aliases(study)] if study.design == "fraction" else []), *map(str, cells), total])


def show(results: StudyResults, out: Path) -> None:
    """Print what was studied, the verdicts, the cells, and the place of the report."""
    study = results.study
    print(f"\n{study.name}" + (f" (a trial: limited to {limits(study)})" if limits(study) else ""))
    if study.hypothesis:
        print(f"Hypothesis: {study.hypothesis} {results.verdict}".rstrip())
    print("\n".join(aligned(budget(results))), end="\n\n")
    for comparison in results.comparisons:
        print(fill(str(comparison), get_terminal_size().columns, subsequent_indent="  ", break_long_words=False))
    print("\n" + "\n".join(aligned(_narrow(results.table))), end="\n\n")
    print(out / "report.html")


def _narrow(table: page.Table) -> page.Table:
    def chosen(cells: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cells[i] for i in COLUMNS)

    return page.Table(chosen(table.heads), [chosen(row) for row in table.rows], table.left)


def aligned(table: page.Table) -> list[str]:
    """A table as lines whose columns are aligned, with a rule below its heads."""
    rows = [*([table.heads] if table.heads else []), *table.rows]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]

    def line(row: tuple[str, ...]) -> str:
        cells: list[str] = []
        for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - cell_len(cell))
            cells.append(cell + space if i in table.left else space + cell)
        return "  ".join(cells).rstrip()

    lines = [line(row) for row in rows]
    rule = ["-" * (sum(widths) + 2 * (len(widths) - 1))] if table.heads else []
    return [*lines[:1], *rule, *lines[1:]] if rule else lines


@contextmanager
def live(study: Study, out: Path) -> Generator[Callable[[str], None]]:
    """A table of the runs under way, redrawn each second on a terminal; elsewhere lines alone. Gives what says them."""
    console = Console(soft_wrap=True)
    runs = runs_of(study, out.resolve())
    if not console.is_terminal:
        yield lambda text: print(text, flush=True)
        return
    with Live(get_renderable=lambda: _under_way(runs), console=console, refresh_per_second=1) as drawn:
        yield lambda text: drawn.console.print(text, highlight=False)


def _under_way(runs: list[Run]) -> Table:
    done = sum(RunFolder(run.folder).is_tested for run in runs)
    table = Table("cell", "seed", "epoch", "val top-1", title=f"{done} of {len(runs)} runs done", title_justify="left")
    for run in runs:
        now = RunFolder(run.folder)
        if run.folder.is_dir() and not now.is_tested and not now.failure():
            epoch, top1 = where_it_stands(run) or (0, 0.0)
            table.add_row(label(run.cell), str(run.seed), f"{epoch}/{run.setup.recipe.epochs}", f"{top1:.2%}")
    return table
