"""A run: one folder from configuration to report. Validation selects; the test set is read once, at the end."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import MethodType
from typing import Any, Literal, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from inceptionlab import storage
from inceptionlab.data.dataset import DataSet, Pictures
from inceptionlab.data.registry import load_data
from inceptionlab.data.split import stratified
from inceptionlab.errors import RunError
from inceptionlab.evaluation.metrics import Score, score
from inceptionlab.evaluation.predictions import logits_of
from inceptionlab.nn.building import InceptionNetwork, build
from inceptionlab.nn.initialise import initialise
from inceptionlab.report.run_page import Results, curves_svg, report_html
from inceptionlab.runs.environment import environment
from inceptionlab.runs.log import MetricsLog, read_metrics
from inceptionlab.spec.codec import digest, dumps, loads
from inceptionlab.spec.network import Network
from inceptionlab.training import state as state_files
from inceptionlab.training.allocation import freed_at_once, pages_kept
from inceptionlab.training.loop import Listeners, Trainer
from inceptionlab.training.placement import strategy
from inceptionlab.training.precision import fastest_precision
from inceptionlab.training.recipe import Recipe, as_table, recipe_from
from inceptionlab.weights.loading import load_weights

Compile = Literal["none", "default", "reduce-overhead", "max-autotune"]
FABRIC = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that defines a run, apart from the machine it runs on."""

    spec: Network
    recipe: Recipe
    data: str
    seed: int = 0
    limit_train: int | None = None
    limit_test: int | None = None
    weights: str = ""
    """A file of weights to begin with, of any source that `load_weights` knows."""

    @property
    def key(self) -> str:
        """A name for the run's folder: network, data, and a hash of what defines it."""
        plain = [digest(self.spec), as_table(self.recipe), self.data, self.seed, self.limit_train, self.limit_test]
        plain += [self.weights] if self.weights else []
        ending = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.spec.name}-{Path(self.data).name}-{ending}"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and how a run runs, which changes its speed and memory but not what is computed (to rounding).

    `device` is "auto", "cpu", "cuda" or "mps"; `data_dir` the folder of named data sets; `checkpoint` a pattern of
    nodes whose activations are recomputed; `siblings` runs 1x1 convolutions of one input together; `compile` is the
    mode of torch.compile ("reduce-overhead" records CUDA graphs); `shard` divides the weights among the processes.
    """

    device: str = "auto"
    data_dir: Path | None = None
    tensorboard: bool = False
    checkpoint: str = ""
    siblings: bool = False
    compile: Compile = "none"
    shard: bool = False


def default_recipe(data: str) -> str:
    """The name of the recipe that suits a data set."""
    known = {"digits": "digits", "mnist": "digits", "fashion_mnist": "clothes", "cifar10": "small", "cifar100": "small"}
    return known.get(data, "folder")


def train(setup: Setup, folder: Path, machine: Machine, listeners: Listeners, data: DataSet | None = None) -> Score:
    """Train, or go on training, in `folder`; then test once and write the report.

    `data` may be handed over if it is loaded already. Raises `RunError` for a folder that holds another or a
    finished run.
    """
    fabric, precision = make_fabric(machine.device, _precision(folder, setup.recipe), machine.shard)
    if setup.recipe.sync_norm and fabric.device.type == "cpu":
        raise RunError("sync_norm = true works on GPUs only; without it each process normalises its own pictures")
    if fabric.is_global_zero:
        claim(folder, setup)
    fabric.barrier()
    data = data or load_data(setup.data, setup.spec.input, machine.data_dir)
    training, validation = (part.to(fabric.device) for part in divided(data, setup))
    torch.manual_seed(setup.seed)
    network = build(setup.spec, checkpoint=machine.checkpoint or None, siblings=machine.siblings)
    initialise(network, seed=setup.seed)
    if machine.compile != "none":
        _compile(network, machine.compile)
    if setup.weights and not state_files.states(folder / "state"):
        listeners.say(str(load_weights(network, setup.weights)))
    digests = f"{data.name}: {data.train.digest()}, {data.test.digest()}"
    _same_data(folder, digests)
    log = MetricsLog(folder, machine.tensorboard) if fabric.is_global_zero else None
    if log is not None:
        facts = {**environment(fabric.device, digests), "precision": precision, "processes": fabric.world_size}
        storage.write_json(folder / "environment.json", facts)
        storage.write_json(folder / "classes.json", data.train.classes)
        listeners = replace(listeners, epoch=_both(log.add, listeners.epoch))
    trainer = Trainer(network, setup.recipe, fabric, folder, setup.seed, listeners)
    trainer.prepare()
    if log is not None:
        log.keep(trainer.progress.epoch)
    with freed_at_once() if machine.checkpoint else pages_kept():
        done = trainer.fit(training, validation)
    result: Score | None = None
    if log is not None:  # one process writes and tests, the others wait for what it found
        network = cast(InceptionNetwork, trainer.plain)
        network.load_state_dict(storage.read_tensors(folder / "model.safetensors"))
        best = f"best val_top1 ({done.best_top1:.4f}, epoch {done.best_epoch + 1} of {done.epoch})"
        selected = f"last epoch ({done.epoch})" if setup.recipe.select == "last" else best
        result = test(network, data, setup, folder, fabric, selected)
    return cast(Score, fabric.broadcast(result))


def test(
    network: InceptionNetwork, data: DataSet, setup: Setup, folder: Path, fabric: Fabric, selected_by: str
) -> Score:
    """Read the test set, write `test.json` and the report, and give the score."""
    pictures = data.test.limited(setup.limit_test)
    network.eval()
    with fabric.autocast():
        logits = logits_of(network, pictures.to(fabric.device), setup.spec.input, mirror=setup.recipe.mirror)
    result = score(logits, pictures.labels)
    views = 2 if setup.recipe.mirror else 1
    record = {**result.as_record(), "selected_by": selected_by, "seed": setup.seed, "views": views}
    storage.write_json(folder / "guesses.json", logits.argmax(1).tolist())
    storage.write_json(folder / "test.json", record)
    results = Results(result, logits, pictures, read_metrics(folder), setup.spec, _facts(folder, data, selected_by))
    storage.write(folder / "curves.svg", curves_svg(results.metrics))
    storage.write(folder / "report.html", report_html(results))
    return result


def make_fabric(device: str, precision: str, shard: bool = False) -> tuple[Fabric, str]:
    """Fabric for one device, or for those of the processes that torchrun started, and the precision it computes in
    ("auto": bf16 where the device is faster in it).

    Raises `RunError` for a device that is not there, or one that cannot train in the precision.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda", "mps"):
        raise RunError(f"there is no device {device!r}; known are auto, cpu, cuda and mps")
    if device == "cuda" and not torch.cuda.is_available():
        raise RunError("the device cuda was asked for, but torch finds none; --device cpu works everywhere")
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if precision == "auto":  # processes that measure side by side could come to different ends
        precision = fastest_precision(device) if processes == 1 or device == "cuda" else "fp32"
    if precision == "fp16" and device == "cpu":
        raise RunError("fp16 trains on GPUs only; --precision bf16 or fp32 works on a CPU")
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator=device, devices=here, num_nodes=max(1, processes // here),
        strategy=strategy(processes) if shard else "ddp" if processes > 1 else "auto", precision=FABRIC[precision],  # type: ignore[arg-type]
    )  # fmt: skip
    fabric.launch()
    return fabric, precision


def _compile(network: InceptionNetwork, mode: str) -> None:
    """Compile, in place, what training calls; Fabric asks that it stays a method."""
    compiled: Any = torch.compile(network.forward_with_aux, mode=mode)

    def forward_with_aux(_: InceptionNetwork, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return compiled(x)

    network.forward_with_aux = MethodType(forward_with_aux, network)


def _precision(folder: Path, recipe: Recipe) -> str:
    """The recipe's precision; for a run that goes on, the one that "auto" came to when it began."""
    path = folder / "environment.json"
    if recipe.precision != "auto" or not path.exists():
        return recipe.precision
    return str(json.loads(path.read_text()).get("precision", "auto"))


def _same_data(folder: Path, digests: str) -> None:
    """Refuse to go on with other pictures than the run began with."""
    path = folder / "environment.json"
    began = json.loads(path.read_text()).get("data", digests) if path.exists() else digests
    if began != digests:
        raise RunError(f"{folder} began with the data {began} and finds {digests} now; put the same data back")


def divided(data: DataSet, setup: Setup) -> tuple[Pictures, Pictures]:
    """(training, validation): the set's own, or a stratified part of the training pictures by the seed."""
    pictures = data.train.limited(setup.limit_train)
    if data.validation is not None:
        return pictures, data.validation
    lone = "refuse" if setup.limit_train is None else "keep"  # a trial of few pictures may leave a class with one
    rest, part = stratified(pictures.labels, setup.recipe.validation, setup.seed, lone=lone)
    return pictures.subset(rest), pictures.subset(part)


def claim(folder: Path, setup: Setup) -> None:
    """Make `folder` the folder of this run. Raises `RunError` where it holds another or a finished one."""
    config = folder / "config.json"
    wanted = as_config(setup)
    if (folder / "test.json").exists():
        raise RunError(f"{folder} holds a finished run; give another --seed or --out, or look at it with evaluate")
    if config.exists() and json.loads(config.read_text()) != json.loads(json.dumps(wanted)):
        raise RunError(f"{folder} holds a run of another configuration; give another --out, or --resume {folder}")
    if folder.exists() and not config.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no run; give another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be made: {error}") from None
    storage.write(folder / "spec.json", dumps(setup.spec) + "\n")
    storage.write(folder / "config.toml", to_toml(wanted))
    storage.write_json(config, wanted)


def as_config(setup: Setup) -> dict[str, Any]:
    """The resolved configuration as plain values."""
    return {
        "model": setup.spec.title, "data": setup.data, "seed": setup.seed, "limit_train": setup.limit_train or 0,
        "limit_test": setup.limit_test or 0, "weights": setup.weights, "recipe": as_table(setup.recipe),
    }  # fmt: skip


def read_setup(folder: Path) -> Setup:
    """The setup of a run folder. Raises `RunError` where it is none."""
    config, spec = folder / "config.json", folder / "spec.json"
    if not config.is_file() or not spec.is_file():
        raise RunError(f"{folder} is not a run folder (it has no config.json and spec.json); train prints the folder")
    try:
        values = json.loads(config.read_text(encoding="utf-8"))
        return Setup(
            loads(spec.read_text(encoding="utf-8")), recipe_from(values["recipe"]), values["data"], values["seed"],
            values["limit_train"] or None, values["limit_test"] or None, values.get("weights", ""),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise RunError(f"{folder} holds a configuration that cannot be read: {error}") from None


def _both(
    first: Callable[[dict[str, Any]], None], second: Callable[[dict[str, Any]], None]
) -> Callable[[dict[str, Any]], None]:
    def call(record: dict[str, Any]) -> None:
        first(record)
        second(record)

    return call


def _facts(folder: Path, data: DataSet, selected_by: str) -> dict[str, Any]:
    config = json.loads((folder / "config.json").read_text())
    return {
        "run": folder.name, "data": f"{data.name} ({data.note})", "selected by": selected_by, "config": config,
        "environment": json.loads((folder / "environment.json").read_text()),
    }  # fmt: skip


def to_toml(values: dict[str, Any], prefix: str = "") -> str:
    """Plain values as TOML: numbers, strings, booleans and tables."""
    lines = [
        f"{name} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in values.items()
        if not isinstance(value, dict)
    ]
    tables = [
        f"\n[{prefix}{name}]\n{to_toml(cast(dict[str, Any], value), f'{prefix}{name}.')}"
        for name, value in values.items()
        if isinstance(value, dict)
    ]
    return "\n".join(lines) + "\n" + "".join(tables)
