"""`inceptionlab study plan`, `study run` and `study report`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.table import Table

    from inceptionlab.cli.stopping import StopSignal
    from inceptionlab.runs.setup import Setup
    from inceptionlab.studies.design import Study
    from inceptionlab.studies.running import Engine, Run

LINES = 6
"""Lines of a difference that the plan shows."""


def plan(study: Path, *, json_: Annotated[bool, Parameter(name="--json")] = False) -> None:
    """Show the runs of a study, how their networks differ, and about how long they take.

    Parameters
    ----------
    study
        A study in TOML.
    json_
        Print an array of objects, one a cell.
    """
    from inceptionlab.analysis.difference import diff
    from inceptionlab.analysis.geometry import measure
    from inceptionlab.studies.design import aliases, label, load_study

    loaded = load_study(study)
    rows: list[dict[str, Any]] = []
    reference = loaded.spec(loaded.reference)
    for cell in loaded.cells():
        setup = loaded.setup(cell, loaded.seeds[0])
        measured = measure(setup.spec)
        seconds = _seconds_a_step(setup) * _steps(loaded, setup)
        rows.append({"cell": label(cell), "spec": setup.spec.title, "params": measured.params, "macs": measured.macs,
                     "runs": len(loaded.seeds), "minutes": round(seconds * len(loaded.seeds) / 60, 1),
                     "diff": diff(reference, setup.spec)})  # fmt: skip
    if json_:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    if loaded.design == "fraction":
        print(aliases(loaded))
    for row in rows:
        print(f"{row['cell']}\n  {row['spec']}   parameters {row['params']:,}   MACs {row['macs']:,}   "
              f"{row['runs']} runs, about {row['minutes']:.1f} min")  # fmt: skip
        more = len(row["diff"]) - LINES
        print("".join(f"    {line}\n" for line in row["diff"][:LINES]), end=f"    … {more} more\n" if more > 0 else "")
    total = sum(row["minutes"] for row in rows)
    print(
        f"{len(rows)} cells x {len(loaded.seeds)} seeds = {len(rows) * len(loaded.seeds)} runs, about {total:.0f} min"
    )


def _seconds_a_step(setup: Setup) -> float:
    """The time of a training step, measured after one that warms up."""
    import torch
    from torch.nn import functional as F

    from inceptionlab.nn.building import build

    network, size = build(setup.spec).train(), setup.recipe.batch_size
    picture = setup.spec.input
    x = torch.randn(size, *picture.shape).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(setup.spec.classes, (size,))
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        F.cross_entropy(network(x), labels).backward()
        seconds = time.perf_counter() - began
    return seconds


def _steps(study: Study, setup: Setup) -> int:
    """The steps of a run; the sets that come by name have 50,000 or 60,000 pictures."""
    sizes = {"digits": 1438, "mnist": 60_000, "fashion_mnist": 60_000}
    pictures = study.limit_train or sizes.get(study.data, 50_000)
    return int(pictures * (1 - setup.recipe.validation) / setup.recipe.batch_size * setup.recipe.epochs)


@dataclass(frozen=True)
class Place:
    """Where the runs are computed."""

    on: Literal["here", "ray"] = "here"
    """This machine, or a Ray cluster (extra `ray`) whose machines see the study's folder at the same path."""
    workers: int = 1
    """Processes of this machine that share its cores and GPUs."""
    ray_address: str = "auto"
    """The cluster: "auto" is the one started here (ray start), "local" one of this machine's own."""
    gpus: float = 0.0
    """GPUs a run on Ray, which may be a fraction (0.5: two runs share one)."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """"auto", "cpu", "cuda" or "mps"."""
    data_dir: Path | None = None
    """Folder in which named data sets are looked for."""


def run(study: Path, *, out: Path, place: Annotated[Place | None, Parameter(name="*")] = None) -> None:
    """Train what a study still misses, then write its report. Stopped or killed, it goes on where it was.

    Parameters
    ----------
    study
        A study in TOML.
    out
        The folder of its runs and its report.
    place
        Where the runs are computed.
    """
    from inceptionlab.cli.stopping import StopSignal
    from inceptionlab.storage import write
    from inceptionlab.studies.design import load_study
    from inceptionlab.studies.running import run_study

    loaded, chosen = load_study(study), place or Place()
    out.mkdir(parents=True, exist_ok=True)
    write(out / "study.toml", study.read_text(encoding="utf-8"))
    asked = StopSignal()
    with asked, _live(loaded, out) as say:
        run_study(loaded, out.resolve(), _engine(chosen, asked, say), say)
    _report(loaded, out)


def _engine(place: Place, stop: StopSignal, say: Callable[[str], None]) -> Engine:
    from inceptionlab.errors import SpecError
    from inceptionlab.runs.options import Machine
    from inceptionlab.studies import engines
    from inceptionlab.studies.running import in_turn
    from inceptionlab.training.callbacks import Callbacks

    if place.workers < 1 or place.gpus < 0:
        raise SpecError(f"--workers {place.workers} --gpus {place.gpus:g}: give at least 1 worker and no negative GPUs")
    machine = Machine(place.device, place.data_dir.resolve() if place.data_dir else None)
    if place.on == "ray":
        return engines.on_ray(machine, place.ray_address, place.gpus, stop)
    if place.workers > 1:
        return engines.in_processes(machine, place.workers, stop)
    return in_turn(machine, Callbacks(say=say, stop=stop))


@contextmanager
def _live(study: Study, out: Path) -> Generator[Callable[[str], None]]:
    """A table of the runs under way, redrawn each second on a terminal; elsewhere lines alone. Gives what says them."""
    from rich.console import Console
    from rich.live import Live

    from inceptionlab.studies.running import runs_of

    console = Console(soft_wrap=True)
    runs = runs_of(study, out.resolve())
    if not console.is_terminal:
        yield lambda text: print(text, flush=True)
        return
    with Live(get_renderable=lambda: _under_way(runs), console=console, refresh_per_second=1) as live:
        yield lambda text: live.console.print(text, highlight=False)


def _under_way(runs: list[Run]) -> Table:
    from rich.table import Table

    from inceptionlab.studies.design import label
    from inceptionlab.studies.running import where_it_stands

    done = sum((run.folder / "test.json").exists() for run in runs)
    table = Table("cell", "seed", "epoch", "val top-1", title=f"{done} of {len(runs)} runs done", title_justify="left")
    for run in runs:
        ended = any((run.folder / name).exists() for name in ("test.json", "error.json"))
        if run.folder.is_dir() and not ended:
            epoch, top1 = where_it_stands(run) or (0, 0.0)
            table.add_row(label(run.cell), str(run.seed), f"{epoch}/{run.setup.recipe.epochs}", f"{top1:.2%}")
    return table


def report(out: Path) -> None:
    """Write the report of a study from the runs that are finished.

    Parameters
    ----------
    out
        The folder of a study.
    """
    from inceptionlab.studies.design import load_study

    _report(load_study(out / "study.toml"), out)


def _report(study: Study, out: Path) -> None:
    from inceptionlab.studies.report import sentence, write_report
    from inceptionlab.studies.results import gather

    results = gather(study, out)
    paths = write_report(results, out)
    for comparison in results.comparisons:
        print(sentence(comparison))
    print(next(path for path in paths if path.suffix == ".html"))
