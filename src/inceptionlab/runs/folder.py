"""The folder of a run: each of its files is written and read here, by name and type."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import tomli_w
from jaxtyping import Float, Int64
from torch import Tensor

from inceptionlab import storage
from inceptionlab.decoding import decode, loads_toml
from inceptionlab.errors import InceptionLabError, RunError
from inceptionlab.evaluation.answers import Answer, answers_csv
from inceptionlab.evaluation.metrics import Score
from inceptionlab.runs.environment import Environment
from inceptionlab.runs.setup import Config, Setup
from inceptionlab.spec.codec import Blocks, dumps, loads
from inceptionlab.training.records import Epoch, Fitted, Probe

PUSHED = ("config.toml", "spec.json", "classes.json", "model.safetensors")
"""The files that a run is loaded from."""


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test found and how: the score, what selected the weights, the precision and the views of each image; and
    the runs that had read the test set before, from whose weights this one came.
    """

    score: Score
    selected_by: str
    seed: int
    precision: str
    views: int = 1
    read_before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a run answered on its test images."""

    logits: Float[Tensor, "n classes"]
    labels: Int64[Tensor, " n"]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run on disk. Every reading raises `RunError` where the file is not there or is not what it should be."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def state(self) -> Path:
        """The folder of the states that training goes on from."""
        return self.path / "state"

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.path / "report.html"

    @property
    def weights(self) -> Path:
        """The selected weights, as safetensors."""
        return self.path / "model.safetensors"

    @property
    def is_tested(self) -> bool:
        """Whether the run is finished."""
        return self._has("test.json")

    @property
    def is_run(self) -> bool:
        """Whether a run began here."""
        return self._has("config.toml") and self._has("spec.json")

    @property
    def has_weights(self) -> bool:
        """Whether an epoch has ended, so that there are weights."""
        return self.weights.is_file() and self._has("classes.json")

    def claim(self, setup: Setup) -> None:
        """Make this the folder of a run. Raises `RunError` where it holds another or a finished one."""
        if self.is_tested:
            raise RunError(
                f"{self.path} holds a finished run; train on from its weights with --continue {self.path} --epochs N, "
                "give another --seed or --out, or look at it with evaluate"
            )
        if self._has("config.toml"):
            if self.config() != Config.of(setup) or self._text("spec.json") != _spec_text(setup):
                raise RunError(
                    f"{self.path} holds a run of another configuration; give another --out, or --resume {self.path}"
                )
        elif self.path.exists() and any(self.path.iterdir()):
            raise RunError(f"{self.path} is not empty and holds no run; give another --out")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{self.path} cannot be made: {error.strerror}") from None
        storage.write(self.path / "spec.json", _spec_text(setup))
        storage.write(self.path / "config.toml", to_toml(asdict(Config.of(setup))))

    def setup(self, blocks: Blocks | None = None) -> Setup:
        """What defines the run. `blocks` are the factories of its network's `Block` nodes."""
        if not self.is_run:
            raise RunError(f"{self.path} is not a run folder ({_lacks(self.path)}); train prints the folder")
        spec = loads(self._text("spec.json"), blocks)
        return self.config().setup(spec)

    def config(self) -> Config:
        """What stands in config.toml."""
        where = f"{self.path / 'config.toml'} cannot be read"
        try:
            return decode(Config, loads_toml(self._text("config.toml"), where), where, RunError)
        except InceptionLabError as error:
            raise RunError(str(error)) from None

    def write_environment(self, environment: Environment) -> None:
        """Note what the run is computed with."""
        storage.write_json(self.path / "environment.json", asdict(environment))

    def environment(self) -> Environment | None:
        """What the run was computed with last, None before it began."""
        return self._record("environment.json", Environment) if self._has("environment.json") else None

    def write_classes(self, classes: tuple[str, ...]) -> None:
        """Note the names of the classes."""
        storage.write_json(self.path / "classes.json", classes)

    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the logits."""
        found = self._json("classes.json")
        if not isinstance(found, list) or not all(isinstance(name, str) for name in cast(list[object], found)):
            raise RunError(f"{self.path / 'classes.json'} is not a list of names")
        return tuple(cast(list[str], found))

    def epochs(self) -> list[Epoch]:
        """The epochs of metrics.jsonl; a last line that was cut off is left out."""
        found: list[Epoch] = []
        for line in self._text("metrics.jsonl").splitlines() if self._has("metrics.jsonl") else []:
            try:
                found.append(decode(Epoch, json.loads(line), "metrics.jsonl", RunError))
            except ValueError:
                break
        return found

    def write_epochs(self, epochs: list[Epoch]) -> None:
        """Write metrics.jsonl, and metrics.csv for spreadsheets, anew."""
        storage.write(self.path / "metrics.jsonl", "".join(f"{json.dumps(asdict(epoch))}\n" for epoch in epochs))
        header = [entry.name for entry in fields(Epoch)]
        storage.write(self.path / "metrics.csv", "".join(f"{_csv(row)}\n" for row in (header, *map(_row, epochs))))

    def add_epoch(self, epoch: Epoch) -> None:
        """Add an epoch to metrics.jsonl and metrics.csv, after `write_epochs`."""
        storage.append(self.path / "metrics.jsonl", json.dumps(asdict(epoch)))
        storage.append(self.path / "metrics.csv", _csv(_row(epoch)))

    def write_fitted(self, fitted: Fitted) -> None:
        """Note how training ended."""
        storage.write_json(self.path / "fit.json", asdict(fitted))

    def fitted(self) -> Fitted | None:
        """How training ended, None while it has not."""
        return self._record("fit.json", Fitted) if self._has("fit.json") else None

    def write_probe(self, probe: Probe) -> None:
        """Note how the head was fitted before the first step."""
        storage.write_json(self.path / "probe.json", asdict(probe))

    def probe(self) -> Probe | None:
        """How the head was fitted before the first step, None where training began otherwise."""
        return self._record("probe.json", Probe) if self._has("probe.json") else None

    def write_test(self, tested: Tested, predictions: Predictions) -> None:
        """Write what the test found, last, because it says that the run is finished."""
        found = {"logits": predictions.logits, "labels": predictions.labels}
        storage.write_tensors(self.path / "predictions.safetensors", found)
        record = asdict(tested)
        storage.write_json(self.path / "test.json", {**record.pop("score"), **record})

    def write_answers(self, answers: Sequence[Answer]) -> None:
        """Write predictions.csv: what was answered on each test image, by its name."""
        storage.write(self.path / "predictions.csv", answers_csv(answers))

    def tested(self) -> Tested:
        """What the test found."""
        values: Any = self._json("test.json")
        names = Score.__dataclass_fields__
        if not isinstance(values, dict):
            raise RunError(f"{self.path / 'test.json'} is no table")
        table = cast(dict[str, Any], values)
        rest = {name: value for name, value in table.items() if name not in names}
        score = {name: value for name, value in table.items() if name in names}
        return decode(Tested, {**rest, "score": score}, str(self.path / "test.json"), RunError)

    def predictions(self) -> Predictions:
        """What the run answered on its test images."""
        found = storage.read_tensors(self.path / "predictions.safetensors", RunError)
        return Predictions(found["logits"], found["labels"])

    def write_failure(self, reason: str) -> None:
        """Note why a run of a study ended early."""
        self.path.mkdir(parents=True, exist_ok=True)
        storage.write_json(self.path / "error.json", {"error": reason})

    def forget_failure(self) -> None:
        """The run is tried again."""
        (self.path / "error.json").unlink(missing_ok=True)

    def failure(self) -> str:
        """Why a run of a study ended early, "" where it did not."""
        return str(self._json("error.json")["error"]) if self._has("error.json") else ""

    def write_page(self, curves: str, page: str) -> None:
        """Write the curves (SVG) and the report (HTML)."""
        storage.write(self.path / "curves.svg", curves)
        storage.write(self.report, page)

    def _has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def _text(self, name: str) -> str:
        try:
            return storage.read_text(self.path / name)
        except InceptionLabError as error:
            raise RunError(str(error)) from None

    def _json(self, name: str) -> Any:
        try:
            return storage.read_json(self.path / name)
        except InceptionLabError as error:
            raise RunError(str(error)) from None

    def _record(self, name: str, kind: type[Any]) -> Any:
        return decode(kind, self._json(name), str(self.path / name), RunError)


def _lacks(path: Path) -> str:
    return "it has no config.toml and spec.json" if path.exists() else "it does not exist"


def _spec_text(setup: Setup) -> str:
    return dumps(setup.spec) + "\n"


def _row(epoch: Epoch) -> list[Any]:
    return list(asdict(epoch).values())


def _csv(row: list[Any]) -> str:
    """A line of CSV; None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue()


def run_folder(run: RunFolder | Path | str) -> RunFolder:
    """The folder of a run, however it is given. Raises `RunError` for what names no folder."""
    if not isinstance(cast(object, run), RunFolder | Path | str):
        raise RunError(f"a run is a folder, and {type(run).__name__} names none; write data=DATA where data are meant")
    return run if isinstance(run, RunFolder) else RunFolder(Path(run))


def to_toml(values: Mapping[str, Any]) -> str:
    """Plain values as TOML, which has no word for None: such fields are left out."""
    return tomli_w.dumps(_without_none(values))


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in values.items() if value is not None}
    return {name: _without_none(value) if isinstance(value, Mapping) else value for name, value in kept.items()}  # type: ignore[reportUnknownArgumentType]
