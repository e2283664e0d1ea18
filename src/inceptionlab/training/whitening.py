"""A first layer made from data: its filters are the directions in which small patches of images vary."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab import rng
from inceptionlab.data.batches import ordered_batches
from inceptionlab.data.dataset import Samples
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.errors import ConfigError
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.spec.leaves import Conv
from inceptionlab.spec.nodes import Container
from inceptionlab.spec.tree import walk

IMAGES = 5000
"""Training images whose patches are looked at, drawn by the seed."""
PIXELS = 1 << 18
"""Pixels of the images whose patches are held at once."""
EPS = 5e-4
"""Added to each eigenvalue, so that directions of noise are not blown up."""


def whitened_conv(network: InceptionNetwork) -> nn.Conv2d:
    """The convolution that can be whitened: the one that reads the images, in one group and without a norm.

    Raises `ConfigError` where the network begins with anything else.
    """
    spec = network.spec
    nodes = (one for section in (spec.stem, spec.body) for one in walk(section) if not isinstance(one[1], Container))
    _, first = next(nodes, ("", None))
    layer = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    if layer is None or not isinstance(first, Conv) or first.groups > 1 or first.norm is not None:
        raise ConfigError(
            f"whiten = true: {spec.title} does not begin with a convolution in one group and without a norm, but with "
            f"{first}; the rule `whitened` puts one before any network (small_v1 | whitened)"
        )
    return layer


@torch.no_grad()
def whiten(network: InceptionNetwork, training: Samples, seed: int) -> None:
    """Fix, in place, the filters of the first convolution to those of `whitening_filters` for patches of the training
    images as the network takes them; its bias begins at 0. The same seed and images give the same filters.

    Raises `ConfigError` where it cannot be whitened.
    """
    layer, count = whitened_conv(network), len(training)
    some = training.subset(torch.randperm(count, generator=rng.stream(seed, "whiten"))[:IMAGES].sort().values)
    covariance = _patch_covariance(some, Preprocess(network.spec.input), (layer.weight.shape[2], layer.weight.shape[3]))
    layer.weight.copy_(whitening_filters(covariance, len(layer.weight)).view(layer.weight.shape))
    if layer.bias is not None:
        layer.bias.zero_()


def _patch_covariance(samples: Samples, preprocess: Preprocess, kernel: tuple[int, int]) -> Float[Tensor, "v v"]:
    """The covariance of all patches of the images, in fp64, a few images at a time."""
    total, products, count = torch.tensor(0.0), torch.tensor(0.0), 0
    for images, _ in ordered_batches(samples, max(1, PIXELS // (preprocess.size[0] * preprocess.size[1]))):
        patches = F.unfold(preprocess.batch(images.cpu()), kernel).movedim(1, 2).flatten(0, 1).double()
        total, products, count = total + patches.sum(0), products + patches.T @ patches, count + len(patches)
    mean = total / count
    return products / count - torch.outer(mean, mean)


def whitening_filters(covariance: Float[Tensor, "v v"], count: int) -> Float[Tensor, "count v"]:
    """The eigenvectors of the covariance of patches, those of the largest eigenvalues first, each divided by the root
    of its eigenvalue plus 5e-4, and then their negatives (Jordan 2024, arXiv 2404.00498, section 3.2).

    Of each pair of directions the first is the one whose largest component is positive. What is asked for beyond twice
    the values of a patch repeats them. Computed in fp64.
    """
    values, vectors = cast(tuple[Tensor, Tensor], torch.linalg.eigh(covariance.double()))
    scaled = (vectors / (values.clamp_min(0) + EPS).sqrt()).flip(1).T
    largest = scaled.gather(1, scaled.abs().argmax(1, keepdim=True))
    scaled = scaled * largest.sign()
    half = min(-(-count // 2), len(scaled))
    both = torch.cat([scaled[:half], -scaled[: min(count, 2 * half) - half]])
    return both.repeat(-(-count // len(both)), 1)[:count].float()
