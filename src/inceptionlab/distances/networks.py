"""The networks whose features are compared: that of the Frechet distance, others of ours, or any module."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.distances.protocols import SIDE, ImageProtocol
from inceptionlab.embedding.nodes import Pooled
from inceptionlab.errors import ConfigError, DataError
from inceptionlab.exporting.choosing import key_of
from inceptionlab.exporting.pixels import Normalised
from inceptionlab.nn.building import InceptionNetwork, build
from inceptionlab.nn.layers.branches import Chain
from inceptionlab.runs.prediction import load_run
from inceptionlab.spec.network import Input
from inceptionlab.storage import read_about
from inceptionlab.weights.loading import load_weights
from inceptionlab.zoo.inception_v3 import fid

DIMS: dict[int, str] = {64: "pool3a", 192: "pool5a", 768: "mixed6e", 2048: "mixed7c"}
"""The last node of our network for each number of features, as pytorch-fid numbers them."""
PUBLISHED = "inception_v3.fid@pytorch-fid"
"""The weights that are taken when none are given: pytorch-fid's file, and by its checksum torch-fidelity's."""


@dataclass(frozen=True, slots=True)
class FeatureSource:
    """What gives features: a module of images to `b d`, its title for a citation, what its values are known by, and the
    weights `c d` of a classifier on the features where there is one.
    """

    module: nn.Module
    title: str
    identity: str
    dims: int
    classifier: Float[Tensor, "c d"] | None = None


def network_source(weights: Path | str | None, dims: int, protocol: ImageProtocol) -> FeatureSource:
    """The features of what a user names: a file of weights for the network of the Frechet Inception distance (Heusel et
    al. 2017), pytorch-fid's or any that `load_weights` reads, or a run folder or a file of `import-weights`, whose
    network's last map is averaged.

    None is what has been published: it is downloaded once and checked. Raises `ConfigError` where `dims` is none of 64,
    192, 768 and 2048, before anything is downloaded, `DataError` for weights that do not fit.
    """
    place = Path(PUBLISHED if weights is None else weights)
    if place.is_dir() or (place.suffix == ".safetensors" and "spec" in read_about(place)):
        network = load_run(place).network
    else:
        _known(dims)
        network = build(fid(), init=None)
        load_weights(network, place)
    if network.spec.name == fid().name:
        return of_frechet_network(network, dims, place.name.removeprefix(f"{fid().name}@"))
    return of_member(network, protocol, place.name)


def of_member(network: InceptionNetwork, protocol: ImageProtocol, title: str) -> FeatureSource:
    """The mean of the last map of any network of ours, which gets images of 299 pixels on its own scale.

    Raises `ConfigError` for a network of grey images, or without a body.
    """
    taken, body = network.spec.input, network.spec.body.children
    if taken.channels != 3 or not body:
        raise ConfigError(f"{network.spec.title} takes no images of 3 channels, or has no body; give another network")
    last = network.top_level.index(body[-1][0])
    parts = {name: network.get_submodule(name) for name in network.top_level[: last + 1]}
    scale = {"pixels": Pixels(protocol.scale), "normalised": Normalised(taken)}
    module = Chain({**scale, **parts, "features": Pooled()}).eval()
    with torch.no_grad():
        found = module(torch.zeros(1, 3, SIDE, SIDE))
    return FeatureSource(module, f"{network.spec.title}, {title}", f"{key_of(network)}-mean", found.shape[1])


class Pixels(nn.Module):
    """Values on the scale of an input, `b c h w`, back to pixels from 0 to 255."""

    def __init__(self, scale: Input) -> None:
        super().__init__()
        self.normalised = Normalised(scale)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Multiply and add."""
        return self.normalised.pixels(x)


def of_frechet_network(network: InceptionNetwork, dims: int, title: str) -> FeatureSource:
    """The features of a network of the distance that is at hand. Raises `ConfigError` for `dims` that it has not."""
    _known(dims)
    last = network.top_level.index(DIMS[dims])
    body = {name: network.get_submodule(name) for name in network.top_level[: last + 1]}
    module = Chain({**body, "features": Pooled()}).eval()
    classifier = cast(Tensor, network.get_parameter("fc.linear.weight")).detach() if dims == 2048 else None
    return FeatureSource(module, f"{network.spec.name}, {title}", f"{key_of(network)}-{dims}", dims, classifier)


def _known(dims: int) -> None:
    if dims not in DIMS:
        raise ConfigError(f"--dims {dims} is none of {', '.join(map(str, DIMS))}")


def any_network(module: nn.Module, side: int = SIDE) -> FeatureSource:
    """The features of any module that takes images `b 3 h w` as a protocol prepares them and gives `b d`.

    Raises `DataError` for one that gives something else.
    """
    module = copy.deepcopy(module).eval()
    with torch.no_grad():
        found: object = module(torch.zeros(2, 3, side, side))
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != 2:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise DataError(f"{type(module).__name__} gives {shape} for 2 images; it must give features 2 x d")
    content = hashlib.sha256(repr(module).encode())
    for value in module.state_dict().values():
        content.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return FeatureSource(module, type(module).__name__, content.hexdigest()[:24], found.shape[1])
