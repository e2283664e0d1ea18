"""Networks of other libraries, to be measured beside ours with the same weights."""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

import torch
from torch import nn

from inceptionlab.errors import RunError, SpecError
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

    Raises `RunError` where the library is not installed.
    """
    names = {"timm": TIMM, "torchvision": TORCHVISION}.get(library)
    if names is None:
        raise SpecError(f"there is nothing to compare with in {library!r}; known are timm and torchvision")
    name = names.get(network.spec.name)
    if name is None:
        return None
    _operators()
    try:
        module: Any = import_module("timm" if library == "timm" else "torchvision.models")
    except ImportError as error:
        raise RunError(f"{library} is not installed here: {error}") from None
    classes = network.spec.classes
    if library == "timm":
        made = module.create_model(name, pretrained=False, num_classes=classes)
    else:
        made = getattr(module, name)(weights=None, num_classes=classes, init_weights=False, aux_logits=False)
    state = export_weights(network, cast(Any, library))
    missing, unknown = made.load_state_dict(state, strict=False)
    lost = [key for key in missing if "aux" not in key.lower()]
    if lost or unknown:
        raise RunError(f"{library}'s {name} does not take our weights: {[*lost, *unknown][:3]}")
    return made.eval()


def _operators() -> None:
    """Torchvision's Python code asks at import for two operators of its compiled part, which need not be there."""
    if not hasattr(torch.ops.torchvision, "nms"):
        library: Any = torch.library
        for name in ("nms", "qnms"):
            library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
