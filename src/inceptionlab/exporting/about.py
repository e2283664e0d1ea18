"""What an exported file says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from inceptionlab.decoding import decode, fit
from inceptionlab.errors import ExportError
from inceptionlab.spec.network import Input

if TYPE_CHECKING:  # so that the options of commands are read without torch
    from inceptionlab.nn.building import InceptionNetwork

Precision = Literal["fp32", "bf16", "fp16", "int8"]
EngineName = Literal["auto", "torch", "onnxruntime", "openvino"]
Takes = Literal["normalised", "pixels"]
"""Images as the input normalises them, or pixels from 0 to 255 in the order R, G, B."""
FIELDS = ("network", "input", "classes", "takes", "precision")


@dataclass(frozen=True, slots=True)
class About:
    """The network of a file by its title, the input and the classes of that network, and what the file takes."""

    network: str
    input: Input
    classes: tuple[str, ...] = ()
    takes: Takes = "normalised"
    precision: Precision = "fp32"

    def texts(self) -> dict[str, str]:
        """A text for each field, as the metadata of ONNX, OpenVINO and torch.export hold them."""
        return {
            "network": self.network, "input": json.dumps(asdict(self.input)),
            "classes": json.dumps(self.classes, ensure_ascii=False), "takes": self.takes, "precision": self.precision,
        }  # fmt: skip


def about(network: InceptionNetwork, classes: tuple[str, ...] = (), takes: Takes = "normalised") -> About:
    """What a file of a network says, in fp32."""
    return About(network.spec.title, network.spec.input, classes, takes)


def read_about(texts: Mapping[str, str], where: str) -> About | None:
    """What a file of ours says of itself; None for another's. Raises `ExportError` for values that mean nothing."""
    if not texts.keys() >= set(FIELDS):
        return None
    try:
        input: object = json.loads(texts["input"])
        classes: object = json.loads(texts["classes"])
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{where} says of itself what is no JSON: {error}") from None
    try:
        return About(
            texts["network"], decode(Input, input, "input", ExportError),
            fit(classes, tuple[str, ...], "classes", ExportError), fit(texts["takes"], Takes, "takes", ExportError),
            fit(texts["precision"], Precision, "precision", ExportError),
        )  # fmt: skip
    except ExportError as error:
        raise ExportError(f"{where} says of itself what means nothing: {error}") from None
