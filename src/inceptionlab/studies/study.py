"""The whole of a study: `study` trains what is missing and reports, `report` reports what is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from inceptionlab.errors import RunError
from inceptionlab.spec.nodes import Block
from inceptionlab.spec.tree import walk
from inceptionlab.studies.design import Study
from inceptionlab.studies.engines import engine_at
from inceptionlab.studies.loading import load_study, read_study, write_study
from inceptionlab.studies.place import Place
from inceptionlab.studies.report import write_report
from inceptionlab.studies.results import StudyResults, gather
from inceptionlab.studies.running import Engine, run_missing, runs_of
from inceptionlab.zoo.naming import network_of, runs_code

FILE = "study.toml"


def study(
    design: Study | Path | str, out: Path | str, engine: Engine | None = None, say: Callable[[str], None] = print
) -> StudyResults:
    """Train what a study (a value, or a TOML file) still misses in the folder `out`, then write its report there.

    `engine` computes the runs (`engine_at(Place(...))`; default: one after the other in this process). Stopped or
    killed, the next call goes on where it was; the results of a study that was stopped are not `complete`, and there is
    no report of it yet. Raises `ConfigError` for a study that means nothing, and `RunError` where every run failed.
    """
    loaded, folder = design if isinstance(design, Study) else load_study(design), Path(out).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    write_study(loaded, folder / FILE)
    if not run_missing(loaded, folder, engine or engine_at(Place(), say=say), say):
        runs = runs_of(loaded, folder)
        if any(run.score for run in runs):
            return replace(gather(loaded, folder), complete=False)
        return StudyResults(loaded, runs, [], [], complete=False)
    return _reported(loaded, folder)


def report(out: Path | str) -> StudyResults:
    """Write the report of a study's folder from the runs that are finished; no data are read, and no code is run.

    Raises `RunError` where no run is finished, and for a study that names code.
    """
    folder = Path(out)
    loaded = read_study(folder / FILE)
    for text in filter(runs_code, loaded.models):
        raise RunError(f"{folder / FILE} names the code {text}, and a report runs none; study run writes it too")
    if any(isinstance(node, Block) for text in loaded.models for _, node in walk(network_of(text))):
        raise RunError(
            f"the networks of {folder} have Blocks, and a report runs no code; the command that trained it, study run, "
            "writes the report too"
        )
    return _reported(loaded, folder)


def _reported(loaded: Study, folder: Path) -> StudyResults:
    results = gather(loaded, folder)
    write_report(results, folder)
    return results
