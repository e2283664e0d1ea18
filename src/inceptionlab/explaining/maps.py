"""What a network sees on the way: the feature maps of each branch, and the filters of its first layer, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.errors import DataError, SpecError
from inceptionlab.explaining.branches import branches_of
from inceptionlab.explaining.places import outputs_at
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.nn.modes import in_evaluation


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMaps:
    """The feature maps of the node at an address for one image, strongest (largest mean square) first; `channels` are
    their numbers.
    """

    node: str
    maps: Float[np.ndarray, "c h w"]
    channels: tuple[int, ...]


def feature_maps(network: InceptionNetwork, node: str, image: Float[Tensor, "1 c h w"]) -> tuple[FeatureMaps, ...]:
    """The maps of each branch of the node at an address (of the node itself where it has none) for one image, prepared
    as the network's input.

    Raises `SpecError` for an unknown address, `DataError` for another number of images than one.
    """
    if len(image) != 1:
        raise DataError(f"feature maps are those of one image, and {len(image)} were given")
    addresses = branches_of(network.spec, node) or (node,)
    with in_evaluation(network), torch.no_grad():
        _, seen = outputs_at(network, image, addresses)
    return tuple(_strongest_first(address, seen[address][0]) for address in addresses)


def _strongest_first(node: str, maps: Float[Tensor, "c h w"]) -> FeatureMaps:
    found = maps.float().cpu().numpy()
    order = np.argsort(-np.square(found).mean((1, 2)), kind="stable")
    return FeatureMaps(node, found[order], tuple(int(i) for i in order))


def first_filters(network: nn.Module) -> Float[np.ndarray, "out c h w"]:
    """The filters of the first convolution of a network, with the planes of its input.

    Raises `SpecError` where it has none.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach().float().cpu().numpy()
    raise SpecError("the network has no convolution, so it has no filters to show")
