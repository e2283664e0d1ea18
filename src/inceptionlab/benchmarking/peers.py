"""Networks of other libraries, to be measured beside ours with the same weights."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

import torch
from torch import nn

from inceptionlab.errors import ConfigError, MeasurementError
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.weights.exporting import export_weights

TIMM = {
    "inception_v3.torchvision": "inception_v3", "inception_v4": "inception_v4", "xception.timm": "legacy_xception",
    "inception_resnet_v2.released": "inception_resnet_v2", "xception41": "xception41", "xception41p": "xception41p",
    "xception65": "xception65", "xception65p": "xception65p", "xception71": "xception71",
    "inception_next_atto": "inception_next_atto", "inception_next_tiny": "inception_next_tiny",
    "inception_next_small": "inception_next_small", "inception_next_base": "inception_next_base",
}  # fmt: skip
"""Our names of timm's networks."""
TORCHVISION = {"googlenet.torchvision": "googlenet", "inception_v3.torchvision": "inception_v3"}
"""Our names of torchvision's networks."""


def peer(library: str, network: InceptionNetwork) -> nn.Module | None:
    """The same network of "timm" or "torchvision" with the same weights, in evaluation; None where it has none.

    Raises `ConfigError` for another library, `MeasurementError` where it cannot be imported or refuses our weights.
    """
    names = {"timm": TIMM, "torchvision": TORCHVISION}.get(library)
    if names is None:
        raise ConfigError(f"there is nothing to compare with in {library!r}; known are timm and torchvision")
    name = names.get(network.spec.name)
    if name is None:
        return None
    try:
        module: Any = import_module("timm" if library == "timm" else "torchvision.models")
    except (ImportError, RuntimeError) as error:  # torchvision without its compiled part raises the latter
        raise MeasurementError(f"{library} cannot be imported here: {error}; leave --against out") from None
    classes = network.spec.classes
    if library == "timm":
        made = module.create_model(name, pretrained=False, num_classes=classes)
    else:
        made = getattr(module, name)(weights=None, num_classes=classes, init_weights=False, aux_logits=False)
    state = export_weights(network, cast(Any, library))
    missing, unknown = made.load_state_dict(state, strict=False)
    lost = [key for key in missing if "aux" not in key.lower()]
    if lost or unknown:
        raise MeasurementError(f"{library}'s {name} does not take our weights: {[*lost, *unknown][:3]}")
    return made.eval()


def allow_torchvision() -> None:
    """Let torchvision be imported where its compiled part is missing: its Python code asks torch for two operators.

    They stay registered in this process, so a command or a process of its own calls this, never a function of the
    library.
    """
    if find_spec("torchvision") and not find_spec("torchvision._C") and not hasattr(torch.ops.torchvision, "nms"):
        library: Any = torch.library
        for name in ("nms", "qnms"):
            library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
