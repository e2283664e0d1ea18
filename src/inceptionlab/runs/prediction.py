"""What predicts: the network of a run or of a file of weights, or an exported file by its engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch

from inceptionlab import storage
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.errors import ConfigError, RunError, counted
from inceptionlab.exporting.about import About, EngineName
from inceptionlab.exporting.choosing import engine_of
from inceptionlab.exporting.engines import RUNNING, Engine, Runner, load_engine
from inceptionlab.exporting.pixels import normalised
from inceptionlab.nn.building import InceptionNetwork, build
from inceptionlab.runs.folder import PUSHED, Blocks, RunFolder, run_folder
from inceptionlab.runs.setup import Setup
from inceptionlab.spec.codec import from_json
from inceptionlab.spec.network import Input, Network
from inceptionlab.weights.creating import create_model
from inceptionlab.weights.fetching import hub_folder, is_remote
from inceptionlab.zoo.published import find_published, is_published


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network with its classes and what it was trained by (None: its weights were imported).

    `run` computes logits: the network itself, or an `engine` (`with_engine`).
    """

    network: InceptionNetwork
    classes: tuple[str, ...]
    setup: Setup | None = None
    engine: Engine | None = None

    @property
    def run(self) -> Runner:
        """Images `b c h w`, normalised, to logits `b classes`."""
        return self.engine.run if self.engine else self.network

    @property
    def preprocess(self) -> Preprocess:
        """How its images are prepared."""
        return Preprocess(self.network.spec.input)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device


@dataclass(frozen=True, slots=True)
class Opened:
    """An exported file as something that predicts: the engine that runs it, and the input and the classes that it says
    its network has.
    """

    engine: Engine
    input: Input
    classes: tuple[str, ...]
    setup: None = None

    @property
    def run(self) -> Runner:
        """Images `b c h w`, normalised, to logits `b classes`."""
        return normalised(self.engine)

    @property
    def preprocess(self) -> Preprocess:
        """How its images are prepared."""
        return Preprocess(self.input)

    @property
    def device(self) -> torch.device:
        """Engines take images on the CPU."""
        return torch.device("cpu")


Source = Trained | Opened | RunFolder | Path | str
"""What predicts: a trained network, a run folder, a file that `import-weights` wrote, one that `export` wrote,
published weights by name (NAME@WEIGHTS), or a run on the hub (hf:OWNER/NAME).
"""


def with_engine(trained: Trained, engine: EngineName, batch: int = 1) -> tuple[Trained, str]:
    """(the trained network run by an engine, its name): "torch" rewritten for speed, "onnxruntime", "openvino", or
    ("auto") the one that is fastest on this machine in batches of `batch`.
    """
    chosen = engine_of(trained.network, engine, batch)
    return replace(trained, engine=chosen), chosen.name


def load(
    source: Source, device: str | torch.device = "cpu", engine: EngineName | None = None, batch: int = 1
) -> Trained | Opened:
    """What predicts, from a run folder or a file, run by an engine in batches of `batch` (None: a network as it is, an
    exported file by its usual engine). Raises what `load_run` and `load_engine` do.
    """
    if isinstance(source, Opened):
        return source
    if not isinstance(source, Trained) and is_exported(source):
        if torch.device(device).type != "cpu":
            raise ConfigError(f"{source} is an exported file, which runs on the CPU here; give --device cpu")
        return _opened(run_folder(source).path, engine or "auto")
    trained = load_run(source, device)
    return with_engine(trained, engine, batch)[0] if engine else trained


def is_exported(source: RunFolder | Path | str) -> bool:
    """Whether this is the name of a file that an engine runs, and no run folder."""
    path = run_folder(source).path
    return path.suffix.lower() in RUNNING and not path.is_dir()


def _opened(path: Path, engine: EngineName) -> Opened:
    opened = load_engine(path, engine)
    about = cast(About, opened.about)  # load_engine refuses a file without
    empty = torch.zeros(1, *about.input.shape)
    names = about.classes or tuple(str(i) for i in range(normalised(opened)(empty).shape[1]))
    return Opened(opened, about.input, names)


def load_run(source: Source, device: str | torch.device = "cpu", blocks: Blocks | None = None) -> Trained:
    """The network of a run folder, of a file that `import-weights` wrote, or of published weights
    ("inception_v3@timm"), or of a run that `push` put on the hub ("hf:OWNER/NAME"), in evaluation mode.

    `blocks` are the factories of its `Block` nodes. Raises `RunError` where there are no weights or they do not fit,
    `DataError` where published ones cannot be had.
    """
    if isinstance(source, Trained):
        return source
    if isinstance(source, Opened):
        raise RunError("an exported file holds no network of ours; predict and evaluate take it, load_run does not")
    if is_published(source):
        row = find_published(source)
        return Trained(_placed(create_model(row.full), device), row.class_names())
    if is_remote(source):
        source = hub_folder(str(source), PUSHED)
    run = run_folder(source)
    if is_exported(run):
        raise RunError(f"{run.path} is an exported file, which predict and evaluate take; load_run takes run folders")
    if run.path.is_file():
        return _imported(run.path, device, blocks)
    return load_trained(run, run.setup(blocks), device)


def load_trained(run: RunFolder, setup: Setup, device: str | torch.device = "cpu") -> Trained:
    """The network of a run whose setup is known."""
    if not run.has_weights:
        raise RunError(f"{run.path} has no trained weights yet; train goes on with --resume {run.path}")
    return Trained(_with_weights(setup.spec, run.weights, device), run.classes(), setup)


def _imported(path: Path, device: str | torch.device, blocks: Blocks | None) -> Trained:
    """A file of weights that says in its metadata what network it is for."""
    about = storage.read_about(path, RunError)
    if "spec" not in about:
        raise RunError(f"{path} does not say what network it is for; make it with inceptionlab import-weights")
    network = _with_weights(from_json(about["spec"], blocks), path, device)
    classes = about.get("classes") or [str(i) for i in range(network.spec.classes)]
    if len(classes) != network.spec.classes or not classes:
        raise RunError(
            f"{path} names {counted(len(classes), 'class', 'classes')} and its network has {network.spec.classes}"
        )
    return Trained(network, tuple(classes))


def _with_weights(spec: Network, weights: Path, device: str | torch.device) -> InceptionNetwork:
    network = build(spec, init=None)
    try:
        network.load_state_dict(storage.read_tensors(weights, RunError))
    except RuntimeError as error:
        raise RunError(
            f"{weights} does not fit its network {spec.title}: {str(error).splitlines()[-1].strip()}"
        ) from None
    return _placed(network, device)


def _placed(network: InceptionNetwork, device: str | torch.device) -> InceptionNetwork:
    return network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
