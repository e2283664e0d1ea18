"""8-bit networks: static quantisation per channel, calibrated on images, with sensitive layers kept in fp32."""

from __future__ import annotations

import ast
import copy
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.errors import MissingExtra
from inceptionlab.exporting.about import About, about
from inceptionlab.exporting.engines import Runner, open_engine
from inceptionlab.exporting.writers import placed, quiet, write
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.optimization.exactness import FOR_ENGINES, exact

BATCH = 32
SCOPES = "pkg.torch.onnx.name_scopes"
"""Where torch notes the modules that a node of an ONNX file comes from, outermost first."""
REWRITES = tuple(name for name in FOR_ENGINES if name != "exchanged")
"""The rewrites before quantisation: a bias behind an average would be a sum of its own between 8-bit maps."""
MULTIPLYING = ("Conv", "Gemm", "MatMul")
"""Their results are quantised where the next operator takes them, behind the activation: no bit goes to values that it
cuts off, and no engine goes through fp32 between the two.
"""
QUANTIZED = (*MULTIPLYING, "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "Concat", "Relu", "Add")
"""The operators between which maps stay in 8 bits."""
TRIED = 8
"""Layers that the search tries one by one, the most sensitive of all first."""


@dataclass(frozen=True, slots=True)
class Quantized:
    """An 8-bit ONNX file, how often its prediction is that of the network on the calibration images, and the layers
    that were kept in fp32 for it, by their addresses in the network.
    """

    path: Path
    agreement: float
    kept: tuple[str, ...]


def quantize(
    network: InceptionNetwork,
    classes: tuple[str, ...],
    samples: Float[Tensor, "n c h w"],
    path: Path,
    agreement: float = 0.99,
) -> Quantized:
    """Write a network in 8 bits as ONNX with quantise and dequantise nodes, which OpenVINO and ONNX Runtime run.

    `images`, normalised, calibrate the activations' ranges. Where the predictions agree less often than `agreement`
    with the network's, the layers whose quantisation alone moves the logits most are kept in fp32, one by one.
    """
    return quantized(network, about(network, classes), samples, path, agreement)


def quantized(
    model: nn.Module, says: About | None, samples: Float[Tensor, "n c h w"], path: Path, agreement: float = 0.99
) -> Quantized:
    """`quantize` for any module that takes images and gives logits, with what the file says of itself."""
    path, says = placed(path, "onnx", "int8"), None if says is None else replace(says, precision="int8")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        whole, plain = Path(folder) / "fp32.onnx", exact(_addressed(model), REWRITES)
        wanted = torch.cat([plain(part) for part in torch.split(samples, BATCH)])
        write(plain, samples.shape[1:], "onnx", whole, says)
        kept: list[str] = []
        found = _tried(whole, path, samples, wanted, kept)
        order = _sensitive(whole, samples, wanted) if found < agreement else []
        for layer in order[:TRIED]:
            kept.append(layer)
            found = _tried(whole, path, samples, wanted, kept)
            if found >= agreement:
                break
        addresses = _addresses(whole, plain)
    return Quantized(path, found, tuple(addresses[layer] for layer in kept))


def _addressed(model: nn.Module) -> nn.Module:
    """A copy whose modules know their addresses, which they keep when rewrites put them elsewhere."""
    copied = copy.deepcopy(model)
    for name, module in cast(Any, copied).named_modules():
        module.address = name
    return copied


def _addresses(whole: Path, plain: nn.Module) -> dict[str, str]:
    """The address in the network of each node of its ONNX file that multiplies: that of the module it comes from, or of
    the nearest one around it that rewrites have left.
    """
    library: Any = import_module("onnx")
    named = cast(Any, plain).named_modules()
    modules: dict[str, str] = {name: getattr(module, "address", "") for name, module in named}
    found: dict[str, str] = {}
    for node in library.load(str(whole)).graph.node:
        texts = [entry.value for entry in node.metadata_props if entry.key == SCOPES]
        scopes: list[str] = ast.literal_eval(texts[0]) if texts else []
        known = [modules[scope] for scope in scopes if modules.get(scope)]
        found[node.name] = known[-1].removesuffix(".conv") if known else node.name
    return found


def logits_of_runner(runner: Runner, samples: Tensor) -> Tensor:
    """The logits of many images."""
    return torch.cat([runner(part) for part in torch.split(samples, BATCH)])


def _tried(whole: Path, path: Path, samples: Tensor, wanted: Tensor, kept: Sequence[str]) -> float:
    """Quantise all but some layers into `path`; how often the predictions agree."""
    _write(whole, path, samples, excluded=kept)
    logits = logits_of_runner(open_engine(path, "openvino", "int8").run, samples)
    return (logits.argmax(1) == wanted.argmax(1)).float().mean().item()


def _sensitive(whole: Path, samples: Tensor, wanted: Tensor) -> list[str]:
    """The layers by how far the logits move when each alone is quantised, most first."""
    library: Any = import_module("onnx")
    few, truth = samples[:BATCH], wanted[:BATCH]
    names: list[str] = [node.name for node in library.load(str(whole)).graph.node if node.op_type in MULTIPLYING]
    moved: dict[str, float] = {}
    for name in names:
        alone = whole.with_name("alone.onnx")
        _write(whole, alone, few, only=[name])
        moved[name] = (logits_of_runner(open_engine(alone, "openvino", "int8").run, few) - truth).square().sum().item()
    return sorted(names, key=lambda name: -moved[name])


class Batches:
    """Calibration images as ONNX Runtime asks for them."""

    def __init__(self, samples: Tensor) -> None:
        self.parts: Iterator[Tensor] = iter(torch.split(samples, BATCH))

    def get_next(self) -> dict[str, Any] | None:
        """The next batch, None behind the last."""
        part = next(self.parts, None)
        return None if part is None else {"images": part.contiguous().numpy()}


def _write(
    whole: Path, path: Path, samples: Tensor, excluded: Sequence[str] = (), only: Sequence[str] | None = None
) -> None:
    try:
        library: Any = import_module("onnxruntime.quantization")
    except ImportError:
        raise MissingExtra("ONNX Runtime", "export") from None
    kinds, excluding = library.QuantType, {"OpTypesToExcludeOutputQuantization": list(MULTIPLYING)}
    with quiet(""):  # it tells the logger above all what it is about to do
        library.quantize_static(
            str(whole), str(path), Batches(samples), quant_format=library.QuantFormat.QDQ, per_channel=True,
            activation_type=kinds.QUInt8, weight_type=kinds.QInt8, nodes_to_exclude=list(excluded),
            nodes_to_quantize=None if only is None else list(only), op_types_to_quantize=list(QUANTIZED),
            extra_options=excluding,
        )  # fmt: skip
