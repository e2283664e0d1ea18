"""`inceptionlab study plan`, `study run` and `study report`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from inceptionlab.study.design import Study
    from inceptionlab.training.run import Setup


def plan(study: Path, *, json_: Annotated[bool, Parameter(name="--json")] = False) -> None:
    """Show the runs of a study, how their networks differ, and about how long they take.

    Parameters
    ----------
    study
        A study in TOML.
    json_
        Print an array of objects, one a cell.
    """
    from inceptionlab.geometry import measure
    from inceptionlab.study.design import label, load_study

    loaded = load_study(study)
    rows: list[dict[str, Any]] = []
    for cell in loaded.cells():
        setup = loaded.setup(cell, loaded.seeds[0])
        measured = measure(setup.spec)
        seconds = _seconds_a_step(setup) * _steps(loaded, setup)
        rows.append({"cell": label(cell), "spec": setup.spec.title, "params": measured.params, "macs": measured.macs,
                     "runs": len(loaded.seeds), "minutes": round(seconds * len(loaded.seeds) / 60, 1)})  # fmt: skip
    if json_:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['cell']}\n  {row['spec']}   parameters {row['params']:,}   MACs {row['macs']:,}   "
              f"{row['runs']} runs, about {row['minutes']:.1f} min")  # fmt: skip
    total = sum(row["minutes"] for row in rows)
    print(
        f"{len(rows)} cells x {len(loaded.seeds)} seeds = {len(rows) * len(loaded.seeds)} runs, about {total:.0f} min"
    )


def _seconds_a_step(setup: Setup) -> float:
    """The time of a training step, measured after one that warms up."""
    import torch
    from torch.nn import functional as F

    from inceptionlab.building import build

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


def run(study: Path, *, out: Path, device: str = "auto", data_dir: Path | None = None) -> None:
    """Train what a study still misses, then write its report. Stopped or killed, it goes on where it was.

    Parameters
    ----------
    study
        A study in TOML.
    out
        The folder of its runs and its report.
    device
        "auto", "cpu", "cuda" or "mps".
    data_dir
        Folder in which named data sets are looked for.
    """
    from inceptionlab.cli.train import StopSignal
    from inceptionlab.study.design import load_study
    from inceptionlab.study.running import run_study
    from inceptionlab.training.files import write
    from inceptionlab.training.run import Machine

    loaded = load_study(study)
    out.mkdir(parents=True, exist_ok=True)
    write(out / "study.toml", study.read_text(encoding="utf-8"))
    asked = StopSignal()
    with asked:
        run_study(loaded, out, Machine(device, data_dir), stop=asked)
    _report(loaded, out)


def report(out: Path) -> None:
    """Write the report of a study from the runs that are finished.

    Parameters
    ----------
    out
        The folder of a study.
    """
    from inceptionlab.study.design import load_study

    _report(load_study(out / "study.toml"), out)


def _report(study: Study, out: Path) -> None:
    from inceptionlab.study.report import sentence, write_report
    from inceptionlab.study.results import gather

    results = gather(study, out)
    paths = write_report(results, out)
    for comparison in results.comparisons:
        print(sentence(comparison))
    print(next(path for path in paths if path.suffix == ".html"))
