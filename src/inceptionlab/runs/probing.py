"""The head of a network fitted to the features of its trunk, which stays as it is; features are kept on disk."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int64
from lightning_fabric import Fabric
from torch import Tensor, nn

from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.data.image_sets import image_set
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.embedding.extraction import Extract, Extraction
from inceptionlab.errors import SpecError
from inceptionlab.exporting.choosing import key_of
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.nn.layers.head import Dense
from inceptionlab.runs.setup import Setup, split
from inceptionlab.spec.nodes import Linear
from inceptionlab.training.balance import class_weights
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.training.probing import FittedHead, Labelled, check_classes, fit_head
from inceptionlab.training.records import Probe

BATCH = 32
"""Images whose features are computed, and kept, together."""


class Stopped(Exception):  # noqa: N818  (nothing went wrong)
    """Somebody asked to stop while features were computed; those that are there are kept."""


def probe(network: InceptionNetwork, data: DataSet, setup: Setup, fabric: Fabric, calls: Callbacks) -> Probe:
    """Fit the head of a network, in place, to its features of the training images; gives how, without a validation.

    Images are prepared as for a test. Features are kept of all training images, those that validate included, so that
    another seed computes none; but the head is fitted, and its penalty chosen, without those. Of several processes each
    computes a part of the features, the first one fits the head, and all are given it. Raises `SpecError` for a head
    that is not linear, `DataError` for images that it cannot be fitted to, `Stopped` where a callback asks to stop.
    """
    began, head = time.monotonic(), linear_head(network)
    images = data.train.limited(setup.limit_train)
    kept = torch.arange(len(images)) if data.validation is not None else split(images, setup)[0]
    labels = images.labels[kept].cpu()
    check_classes(labels.numpy(), images.classes)
    if fabric.is_global_zero and not setup.weights and not setup.continued:
        calls.say("no weights are given, so the head is fitted to the features of a random trunk; --weights gives some")
    features = _features(network.to(fabric.device), images, setup.recipe.flip_tta, fabric, calls)[kept]
    found = fabric.broadcast(_fitted(features, labels, images.classes, setup) if fabric.is_global_zero else None)
    fitted, loss, top1 = cast(tuple[FittedHead, float, float], found)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(fitted.weight))
        head.bias.copy_(torch.from_numpy(fitted.bias))
    seconds = round(time.monotonic() - began, 3)
    return Probe(
        len(kept), features.shape[1], fitted.strength, fitted.tried, fitted.losses, loss, top1, seconds
    )  # fmt: skip


def linear_head(network: InceptionNetwork) -> nn.Linear:
    """The linear layer with which a network ends. Raises `SpecError` where it ends otherwise, or without a bias."""
    spec = network.spec
    name, node = spec.children[-1]
    module = network.get_submodule(name) if name in network.top_level else None
    if not isinstance(node, Linear) or node.act is not None or not node.bias or not isinstance(module, Dense):
        raise SpecError(
            f"{spec.title} ends with {name} = {node!r}; a probe fits a Linear() with a bias and without an activation, "
            "and --set head=given trains any head"
        )
    return cast(nn.Linear, module.linear)


def trunk_of(network: InceptionNetwork) -> InceptionNetwork:
    """All of a network but the linear layer that it ends with, on the same weights: images to features `b d`."""
    kept = {name: network.get_submodule(name) for name in network.top_level[:-1]}
    return InceptionNetwork(replace(network.spec, classes=0, aux=()), kept, {}).eval()


def _fitted(
    features: Float[Tensor, "n d"], labels: Int64[Tensor, " n"], classes: tuple[str, ...], setup: Setup
) -> tuple[FittedHead, float, float]:
    """(the head, its loss and its accuracy on the images)."""
    counts = torch.ones(len(classes))
    if setup.recipe.class_weights == "balanced":
        counts = class_weights(labels, len(classes))
    data = Labelled(features.numpy().astype(np.float64), labels.numpy(), counts.numpy().astype(np.float64)[labels])
    head = fit_head(data, classes, setup.seed)
    return head, *head.loss_and_accuracy(data)


def _features(
    network: InceptionNetwork, samples: Samples, mirrored: bool, fabric: Fabric, calls: Callbacks
) -> Float[Tensor, "n d"]:
    """The features of images in fp32; those of an image and of its mirror image averaged where a test
    averages their logits.
    """
    trunk, preprocess = trunk_of(network), Preprocess(network.spec.input)

    def prepare(_: object, number: int) -> Float[Tensor, "c h w"]:
        return preprocess.batch(samples.images[number].cpu()[None])[0]

    def engine() -> Extract:
        return _stoppable(_computed(trunk, mirrored), fabric, calls)

    known_by = f"{key_of(trunk)}-{'mirrored' if mirrored else 'head'}-{preprocess.input!r}"
    dims = linear_head(network).in_features
    return Extraction(prepare, engine, dims, known_by, BATCH, 0).features(image_set(samples))


def _computed(trunk: InceptionNetwork, mirrored: bool) -> Extract:
    device = next(trunk.parameters()).device

    @torch.inference_mode()
    def compute(images: Tensor) -> Tensor:
        x = images.to(device, memory_format=torch.channels_last)
        return ((trunk(x) + trunk(x.flip(3))) / 2 if mirrored else trunk(x)).float().cpu()

    return compute


def _stoppable(compute: Extract, fabric: Fabric, calls: Callbacks) -> Extract:
    """The same, which raises `Stopped` once a callback asks to; of several processes none can leave the others."""

    def or_stop(images: Tensor) -> Tensor:
        if fabric.world_size == 1 and calls.stop():
            raise Stopped
        return compute(images)

    return or_stop
