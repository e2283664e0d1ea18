"""From a run, or a file of weights, and images to what speaks for the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from inceptionlab.data.preprocess import Foreign, Preprocess
from inceptionlab.errors import DataError, RunError
from inceptionlab.evaluation.predictions import device_of
from inceptionlab.explaining.attribution import attribution_maps
from inceptionlab.explaining.explanation import Attribution, Explanation, attributions, class_number, explanations
from inceptionlab.explaining.options import Method, Question, Settings
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.report.explanation_page import explanation_html
from inceptionlab.runs.fitting import make_fabric
from inceptionlab.runs.looking import BranchReport, explain_branches
from inceptionlab.runs.options import Device, Machine
from inceptionlab.runs.prediction import Opened, Source, Trained, is_exported, load_run

Images = Foreign | Sequence[Foreign] | Tensor
"""An image or several: files, Pillow's images or arrays of bytes; or a tensor `b c h w` as the network takes it."""


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """What was asked about the answers of the network `title`, which came from `source`, and what was found for each
    image.
    """

    title: str
    source: str
    question: Question
    images: tuple[Explanation, ...]
    branches: BranchReport | None = None

    def to_html(self) -> str:
        """A page that loads nothing from elsewhere: each image, the likeliest classes, its maps and their tests."""
        looked = self.branches.looked if self.branches else None
        return explanation_html(self.title, self.source, self.question, self.images, looked)

    def as_record(self) -> dict[str, Any]:
        """All but the pixels, for JSON."""
        branches = {"branches": self.branches.as_record()} if self.branches else {}
        return {"images": [one.as_record() for one in self.images], **branches}

    def _repr_html_(self) -> str:
        from html import escape

        return f'<iframe srcdoc="{escape(self.to_html())}" style="width: 100%; height: 42rem; border: 0"></iframe>'


def attribute(
    source: Source | nn.Module,
    images: Images,
    method: Method = "grad-cam",
    target: str | int | None = None,
    node: str | None = None,
    settings: Settings | None = None,
) -> list[Attribution]:
    """What speaks for a class in images: a map for each, in the size of the network's input.

    - "grad-cam": a node's maps, weighed by the mean of their gradients (Selvaraju et al. 2017);
    - "grad-cam++": the same for several objects of a class (Chattopadhay et al. 2018);
    - "layer-cam": each cell by its own gradient (Jiang et al. 2021), for early nodes too;
    - "integrated-gradients": gradients along the way from the mean image (Sundararajan et al. 2017), whose maps sum to
      the difference of the logits;
    - "occlusion": what the logit loses when a window is covered (Zeiler and Fergus 2014).

    `source` is what `load_run` takes, or a module with logits `b classes` (then `images` is a tensor). `target` is a
    class by name or number (None: the answer to each image). `node` is an address as `inceptionlab show` prints it, or
    "" for the input (None: the last map before the head; for the last two methods the input). The network is left as
    it was. Raises `ConfigError` for an unknown method or class, `SpecError` for a node that does not exist or gives no
    map, `DataError` for an image that cannot be read, `RunError` for an exported file, whose engine gives no gradients.
    """
    network, classes = _network(source)
    x, _ = _inputs(network, images)
    known = classes or tuple(map(str, range(_classes(network, x))))
    targets = None if target is None else torch.full((len(x),), class_number(target, known))
    return attributions(attribution_maps(network, x, method, targets, node, settings), known)


def explain_predictions(
    source: Source | InceptionNetwork,
    images: Images,
    question: Question | None = None,
    settings: Settings | None = None,
    device: Device = "cpu",
) -> Explained:
    """The answers of a trained network to images, with what speaks for them: `inceptionlab explain` as a function.
    What is loaded is computed on `device`.

    With `scores` each map is tested: deletion and insertion against random maps, and the map against those of random
    weights; a map that explains nothing is called so. With `branches` the page shows too which branch of each module
    does the work, without images that alone. Raises what `attribute` and `explain_branches` do.
    """
    network, classes = _network(source, device)
    if not isinstance(network, InceptionNetwork):
        raise DataError(
            f"{type(network).__name__} does not say how images become its inputs; attribute() takes tensors"
        )
    known = classes or tuple(map(str, range(network.spec.classes)))
    asked, found = question or Question(), list[Explanation]()
    if not (asked.branches and isinstance(images, Sequence) and not images):
        x, names = _inputs(network, images)
        pixels = seen_pixels(Preprocess(network.spec.input), x)
        found = explanations(network, x, known, list(zip(names, pixels, strict=True)), asked, settings)
    where = source if isinstance(source, str | Path) else ""
    run = Trained(network, known) if isinstance(source, InceptionNetwork) else source
    branches = None
    if asked.branches:
        branches = explain_branches(run, asked.data, asked.limit, asked.node or "", machine=Machine(device))
    return Explained(network.spec.title, str(where), asked, tuple(found), branches)


def _network(source: Source | nn.Module, device: Device = "cpu") -> tuple[nn.Module, tuple[str, ...]]:
    """The network of what predicts, and its classes, () where nothing names them. What is loaded goes to the device."""
    if isinstance(source, nn.Module):
        return source, ()
    if isinstance(source, Opened) or (not isinstance(source, Trained) and is_exported(source)):
        name = "this" if isinstance(source, Opened) else str(source)
        raise RunError(
            f"{name} is an exported file, whose engine gives no gradients; explain the run that it came from"
        )
    trained = load_run(source, make_fabric(device, "fp32")[0].device)
    return trained.network, trained.classes


def _inputs(network: nn.Module, images: Images) -> tuple[Float[Tensor, "b c h w"], list[str]]:
    """Images prepared for a network, where it is, and what they are called."""
    device = device_of(network)
    if isinstance(images, Tensor):
        return images.to(device), [f"image {i}" for i in range(len(images))]
    if not isinstance(network, InceptionNetwork):
        raise DataError(
            f"{type(network).__name__} does not say how images become its inputs; give a tensor b x c x h x w"
        )
    several = list(images) if isinstance(images, Sequence) and not isinstance(images, str) else [images]
    if not several:
        raise DataError("no image was given; name at least one file after the run folder")
    names = [str(one) if isinstance(one, str | Path) else f"image {i}" for i, one in enumerate(several)]
    preprocess = Preprocess(network.spec.input)
    prepared = [preprocess.prepare(one, name) for one, name in zip(several, names, strict=True)]
    return torch.cat(prepared).to(device), names


@torch.no_grad()
def _classes(network: nn.Module, x: Float[Tensor, "b c h w"]) -> int:
    return network.spec.classes if isinstance(network, InceptionNetwork) else network(x[:1]).shape[1]


def seen_pixels(preprocess: Preprocess, x: Float[Tensor, "b c h w"]) -> list[UInt8[np.ndarray, "h w c"]]:
    """Inputs as the pixels that a network sees."""
    mean, std = preprocess.mean_and_std(x.device)
    planes = (x.flip(1) if preprocess.turned else x) * std + mean
    return list(planes.round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy())
