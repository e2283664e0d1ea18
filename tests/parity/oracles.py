"""Independent implementations of the family's members, built with random weights and random batch-norm statistics."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Case:
    """Our network, its oracle, the sizes and channels at which both run."""

    name: str
    source: str
    make: Callable[[int], nn.Module]
    sizes: tuple[int, ...]
    channels: tuple[int, ...] = (3, 1)
    options: dict[str, int] = field(default_factory=dict)


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
]  # fmt: skip
