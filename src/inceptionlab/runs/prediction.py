"""From a run folder, or a file of weights, and pictures to classes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inceptionlab import storage
from inceptionlab.data.batches import to_input
from inceptionlab.data.decode import decode, fitted
from inceptionlab.errors import RunError
from inceptionlab.exporting.choosing import runner
from inceptionlab.exporting.engines import EngineName, Runner
from inceptionlab.nn.building import InceptionNetwork, build
from inceptionlab.runs.run import Setup, read_setup
from inceptionlab.spec.codec import from_json
from inceptionlab.spec.network import Input, Network


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network with its classes and what it was trained by (None: its weights were imported).

    `run` computes logits: the network itself, or an engine (`with_engine`).
    """

    network: InceptionNetwork
    classes: tuple[str, ...]
    setup: Setup | None = None
    runner: Runner | None = None

    @property
    def run(self) -> Runner:
        """Pictures `b c h w`, normalised, to logits `b classes`."""
        return self.runner or self.network


def with_engine(trained: Trained, engine: EngineName, batch: int = 1) -> tuple[Trained, str]:
    """(the trained network run by an engine, its name): "torch" rewritten for speed, "onnxruntime", "openvino", or
    ("auto") the one that is fastest on this machine in batches of `batch`.
    """
    run, name = runner(trained.network, engine, batch)
    return replace(trained, runner=run), name


def load_run(folder: Path, device: str = "cpu") -> Trained:
    """The network of a run folder, or of a file that `import-weights` wrote, in evaluation mode.

    Raises `RunError` where there are no weights or they do not fit.
    """
    if folder.is_file():
        return _imported(folder, device)
    setup = read_setup(folder)
    weights, classes = folder / "model.safetensors", folder / "classes.json"
    if not weights.is_file() or not classes.is_file():
        raise RunError(f"{folder} has no trained weights yet; train goes on with --resume {folder}")
    network = _with_weights(setup.spec, weights, device)
    return Trained(network, tuple(json.loads(classes.read_text(encoding="utf-8"))), setup)


def _imported(path: Path, device: str) -> Trained:
    """A file of weights that says in its metadata what network it is for."""
    about = storage.read_about(path, RunError)
    if "spec" not in about:
        raise RunError(f"{path} does not say what network it is for; make it with inceptionlab import-weights")
    network = _with_weights(from_json(about["spec"]), path, device)
    classes = about.get("classes") or [str(i) for i in range(network.spec.classes)]
    if len(classes) != network.spec.classes or not classes:
        raise RunError(f"{path} names {len(classes)} classes and its network has {network.spec.classes}")
    return Trained(network, tuple(classes))


def _with_weights(spec: Network, weights: Path, device: str) -> InceptionNetwork:
    network = build(spec)
    try:
        network.load_state_dict(storage.read_tensors(weights, RunError))
    except RuntimeError as error:
        raise RunError(
            f"{weights} does not fit its network {spec.title}: {str(error).splitlines()[-1].strip()}"
        ) from None
    return network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def prepared(file: str | Path | IO[bytes], where: str, picture: Input) -> Float[Tensor, "1 c h w"]:
    """A picture file prepared as the network's spec says.

    Raises `DataError`, naming `where`, for what cannot be read.
    """
    whole = decode(file, where, picture.channels)
    pixels = np.array(fitted(whole, (picture.height, picture.width), picture.crop, picture.interpolation))
    grid = pixels if pixels.ndim == 3 else pixels[..., None]
    return to_input(torch.from_numpy(grid)[None], picture)


def likeliest(logits: Float[Tensor, " classes"], classes: tuple[str, ...], top: int) -> list[dict[str, Any]]:
    """The `top` likeliest classes, likeliest first: `[{label, index, probability}]`."""
    probability = logits.float().softmax(0).cpu()
    best = [int(i) for i in probability.topk(min(top, len(probability))).indices]
    return [{"label": classes[i], "index": i, "probability": float(probability[i])} for i in best]


@torch.inference_mode()
def predict(trained: Trained, paths: list[Path], top: int = 5) -> list[dict[str, Any]]:
    """For each picture `{path, top: [{label, index, probability}]}`, the likeliest classes first."""
    device = next(trained.network.parameters()).device
    results: list[dict[str, Any]] = []
    for path in paths:
        x = prepared(path, str(path), trained.network.spec.input).to(device)
        results.append({"path": str(path), "top": likeliest(trained.run(x)[0], trained.classes, top)})
    return results
