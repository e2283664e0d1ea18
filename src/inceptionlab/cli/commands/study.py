"""`inceptionlab study plan`, `study run` and `study report`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.studies.place import Place

File = Annotated[Path, Parameter(help="A study in TOML.")]
Out = Annotated[Path, Parameter(alias="-o", help="The folder of the study's runs and its report.")]
DataDir = Annotated[Path | None, Parameter(help="Folder in which named data sets are looked for.")]
Json = Annotated[bool, Parameter(name="--json", help="Print an array of objects, one per cell.")]


def plan(study: File, *, data_dir: DataDir = None, json_: Json = False) -> None:
    """Show the runs of a study, how their networks differ, and about how long they take."""
    from inceptionlab.cli.study_words import planned
    from inceptionlab.studies.loading import load_study
    from inceptionlab.studies.planning import plan

    loaded = load_study(study, data_dir)
    cells = plan(loaded, data_dir)
    records = [asdict(cell) for cell in cells]
    print(json.dumps(records, indent=1, ensure_ascii=False) if json_ else planned(loaded, cells))


def run(study: File, *, out: Out, place: Annotated[Place | None, Parameter(name="*")] = None) -> None:
    """Train what a study still misses, then write its report. Stopped or killed, it goes on where it was."""
    from inceptionlab.cli.stopping import StopSignal
    from inceptionlab.cli.study_words import live, show
    from inceptionlab.studies.engines import engine_at
    from inceptionlab.studies.loading import load_study
    from inceptionlab.studies.study import study as run_study
    from inceptionlab.training.allocation import launched

    where = place or Place()
    loaded = load_study(study, where.data_dir)
    with launched(checkpointing=False), StopSignal() as stop, live(loaded, out) as say:
        results = run_study(loaded, out, engine_at(where, stop, say), say)
    if not results.complete:
        raise KeyboardInterrupt
    show(results, out)


def report(out: Out) -> None:
    """Write the report of a study from the runs that are finished."""
    from inceptionlab.cli.study_words import show
    from inceptionlab.studies.study import report

    show(report(out), out)
