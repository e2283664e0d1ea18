"""What fields of a recipe mean nothing beside the others, so that nobody sets one in vain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inceptionlab.data.batches import Augment

PROBED = {"epochs", "head", "init", "class_weights", "validation", "flip_tta", "shift_tta", "precision"}
"""Fields that are read where nothing but the head is fitted."""
_MOMENTUM, _ADAM, _SGD = ("sgd", "rmsprop_tf", "muon"), ("adam", "adamw", "nadam"), ("sgd", "muon")
_READERS = {
    "momentum": _MOMENTUM, "nesterov": _SGD, "betas": _ADAM, "eps": (*_ADAM, "rmsprop_tf"), "logit_scale": _SGD,
    "rest_lr": ("muon",), "rest_momentum": ("muon",), "unit_filters": ("muon",),
}  # fmt: skip
"""The optimisers that read a field."""


def unread(values: Mapping[str, Any]) -> dict[str, str]:
    """The fields that these values of the others leave without a meaning, and why."""
    if not values["epochs"]:
        why = "epochs = 0 takes no step; the head is fitted at once"
        usual = {"augment"} if values["augment"] == Augment() else set[str]()
        return dict.fromkeys(values.keys() - PROBED - usual, why)
    reasons: dict[str, str] = {}
    for name, having in _READERS.items():
        if values["optimizer"] not in having:
            reasons[name] = f'optimizer = "{values["optimizer"]}" has none; {_quoted(having)}'
    if values["schedule"] not in ("step", "exponential"):
        why = f'schedule = "{values["schedule"]}" does not go down by a factor; "step" and "exponential" do'
        reasons.update(gamma=why, every=why)
    if values["schedule"] not in ("one_cycle", "cosine"):
        reasons["lr_end"] = f'schedule = "{values["schedule"]}" ends where it does; "one_cycle" and "cosine" have it'
    if not values["warmup"]:
        reasons["lr_start"] = "it is where the warm-up begins, and warmup is 0"
    if values["ema"]:
        reasons["lookahead"] = "ema averages the weights already; one of the two"
    if not values["lookahead"]:
        reasons["lookahead_decay"] = "it is that of lookahead, which is 0"
    if not values["whiten"]:
        reasons["whiten_epochs"] = "it is for the bias of a whitened convolution, and whiten is false"
    if not values["low_size"]:
        reasons["low_share"] = "it is the part of the steps on images of low_size, which is 0"
    if values["freeze_bn"] == "frozen" and not values["freeze"]:
        reasons["freeze_bn"] = "it keeps those of frozen nodes, and freeze names none"
    return reasons


def _quoted(names: tuple[str, ...]) -> str:
    """Names in a sentence, with what they do: have."""
    *start, last = (f'"{name}"' for name in names)
    return f"{', '.join(start)} and {last} have" if start else f"{last} has"
