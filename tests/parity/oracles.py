"""Independent implementations of the family's members, built with random weights and random batch-norm statistics."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn


def allow_torchvision() -> None:
    """torchvision registers two operators of its own when it is imported; without its binary they must exist."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    sys.modules[__name__].library = library  # kept alive as long as the process


def timm(name: str) -> Callable[[int], nn.Module]:
    """A constructor of timm's model for a number of channels."""

    def make(channels: int) -> nn.Module:
        import timm as package

        return package.create_model(name, in_chans=channels)

    return make


def torchvision(name: str) -> Callable[[int], nn.Module]:
    """A constructor of torchvision's model; it takes three channels only."""

    def make(_: int) -> nn.Module:
        from torchvision import models

        return getattr(models, name)(aux_logits=False, init_weights=False)

    return make


def pytorchcv(name: str, size: int) -> Callable[[int], nn.Module]:
    """A constructor of pytorchcv's model."""

    def make(channels: int) -> nn.Module:
        from pytorchcv.model_provider import get_model

        return get_model(name, in_channels=channels, in_size=(size, size))

    return make


def pretrainedmodels(name: str) -> Callable[[int], nn.Module]:
    """A constructor of Cadene's model; it takes three channels only."""

    def make(_: int) -> nn.Module:
        from pretrainedmodels import models

        model = getattr(models, name)(num_classes=1000, pretrained=None)
        if name != "xception":  # the others pool a fixed grid, for one size only
            pool = nn.AdaptiveAvgPool2d(1)
            model.logits = lambda x: model.last_linear(pool(x).flatten(1))
        return model

    return make


def facenet(_: int) -> nn.Module:
    """facenet-pytorch's network with a classifier; it takes three channels only."""
    from facenet_pytorch import InceptionResnetV1

    return InceptionResnetV1(classify=True, num_classes=1000)


class Keras(nn.Module):
    """A network of keras.applications on the torch backend, for images of torch's layout."""

    def __init__(self, name: str, channels: int = 3, size: int = 299) -> None:
        super().__init__()
        os.environ["KERAS_BACKEND"] = "torch"
        import keras

        make = getattr(keras.applications, name)
        self.again = lambda other: Keras(name, channels, other)
        self.model = make(weights=None, input_shape=(size, size, channels), classifier_activation=None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x.permute(0, 2, 3, 1))

    def randomise(self) -> None:
        """Random statistics for every batch norm."""
        for layer in self.model.layers:
            if type(layer).__name__ == "BatchNormalization":
                gamma = [torch.rand(layer.gamma.shape) + 0.5] if layer.scale else []
                spread = [0.1 * torch.randn(layer.beta.shape), 0.1 * torch.randn(layer.beta.shape)]
                layer.set_weights([v.numpy() for v in (*gamma, *spread, torch.rand(layer.beta.shape) + 0.5)])

    def at(self, size: int) -> Keras:
        """The same network for another size."""
        other = self.again(size)
        other.model.set_weights(self.model.get_weights())
        return other


@dataclass(frozen=True)
class Case:
    """Our network, its oracle, the sizes and channels at which both run."""

    name: str
    source: str
    make: Callable[[int], nn.Module]
    sizes: tuple[int, ...]
    channels: tuple[int, ...] = (3, 1)
    options: dict[str, int] = field(default_factory=dict)
    by_file: bool = False  # weights go through a file of theirs where layers run in another order


CASES = [
    Case("googlenet.torchvision", "torchvision", torchvision("googlenet"), (224, 128, 256), (3,)),
    Case("inception_v3.torchvision", "torchvision", torchvision("inception_v3"), (299, 128, 256), (3,)),
    Case("inception_v3.torchvision", "timm", timm("inception_v3"), (299, 128, 256)),
    Case("inception_v4", "timm", timm("inception_v4"), (299, 128, 256)),
    Case("inception_resnet_v2.released", "timm", timm("inception_resnet_v2"), (299, 128, 256)),
    Case("xception.timm", "timm", timm("legacy_xception"), (299, 128, 256)),
    Case("xception41", "timm", timm("xception41"), (299, 128, 160)),
    Case("xception65", "timm", timm("xception65"), (299, 128, 160)),
    Case("xception71", "timm", timm("xception71"), (299, 128, 160)),
    Case("xception41p", "timm", timm("xception41p"), (299, 128, 160)),
    Case("xception65p", "timm", timm("xception65p"), (299, 128, 160)),
    Case("inception_next_atto", "timm", timm("inception_next_atto"), (224, 128, 256)),
    Case("inception_next_tiny", "timm", timm("inception_next_tiny"), (224, 128, 256)),
    Case("inception_next_small", "timm", timm("inception_next_small"), (224, 128, 256)),
    Case("inception_next_base", "timm", timm("inception_next_base"), (224, 128, 256)),
    Case("bn_inception.caffe", "pytorchcv", pytorchcv("bninception", 224), (224,)),
    Case("inception_v4", "pytorchcv", pytorchcv("inceptionv4", 299), (299,)),
    Case("inception_resnet_v2.released", "pytorchcv", pytorchcv("inceptionresnetv2", 299), (299,)),
    Case(
        "inception_resnet_v1.facenet", "pytorchcv", pytorchcv("inceptionresnetv1", 299), (299,), (3, 1),
        {"num_classes": 1000, "input_size": 299},
    ),
    Case("xception.timm", "pytorchcv", pytorchcv("xception", 299), (299,), by_file=True),
    Case("inception_v3.torchvision", "pytorchcv", pytorchcv("inceptionv3", 299), (299,)),
    Case("bn_inception.caffe", "Cadene", pretrainedmodels("bninception"), (224, 128, 256), (3,)),
    Case("inception_v4", "Cadene", pretrainedmodels("inceptionv4"), (299, 128, 256), (3,)),
    Case("inception_resnet_v2.released", "Cadene", pretrainedmodels("inceptionresnetv2"), (299, 128, 256), (3,)),
    Case("xception.timm", "Cadene", pretrainedmodels("xception"), (299, 128, 256), (3,)),
    Case(
        "inception_resnet_v1.facenet", "facenet-pytorch", facenet, (160, 128, 256), (3,),
        {"num_classes": 1000, "input_size": 160},
    ),
]  # fmt: skip

KERAS = [
    ("inception_v3.tf_slim", "InceptionV3", (299, 128, 256), (3, 1)),
    ("inception_resnet_v2.released", "InceptionResNetV2", (299, 128, 256), (3,)),
    ("xception.keras", "Xception", (299, 128, 256), (3, 1)),
]
"""Ours, theirs, sizes and channels; their files are imported, since the order of creation is what is to be shown."""
