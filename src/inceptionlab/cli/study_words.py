"""What the commands of studies print: the plan, the runs under way, the verdicts."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from inceptionlab.runs.folder import RunFolder
from inceptionlab.studies.design import Study, aliases, label
from inceptionlab.studies.planning import PlannedCell
from inceptionlab.studies.results import StudyResults
from inceptionlab.studies.running import Run, runs_of, where_it_stands


def planned(study: Study, cells: list[PlannedCell]) -> str:
    """The plan of a study."""
    seeds, minutes = len(study.seeds), sum(cell.minutes for cell in cells)
    total = f"{len(cells)} cells x {seeds} seeds = {len(cells) * seeds} runs, about {minutes:.0f} min"
    return "\n".join([*([aliases(study)] if study.design == "fraction" else []), *map(str, cells), total])


def show(results: StudyResults, out: Path) -> None:
    """Print the verdicts and the place of the report."""
    for comparison in results.comparisons:
        print(comparison)
    print(out / "report.html")


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
