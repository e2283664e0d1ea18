"""`optimize`: a trained module as a faster one with the same outputs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.errors import ConfigError
from inceptionlab.exporting.engines import DTYPES, Engine, Precision, open_engine
from inceptionlab.exporting.quantizing import quantized
from inceptionlab.nn.modes import in_evaluation
from inceptionlab.optimization.exactness import TOLERANCE, compare, exact
from inceptionlab.optimization.packing import available, packed, packed_residual, prepack_weights
from inceptionlab.optimization.rewrites import rewritten
from inceptionlab.optimization.slicing import Sliced, sliced

LIMITS: dict[Precision, float] = {"fp32": TOLERANCE, "bf16": 0.1, "fp16": 0.02, "int8": 0.5}
"""Largest error of what `optimize` returns, relative to the largest output. In fp32 it is that of rounding; the others
are about ten times what the family's networks show, far below what a network that computes something else shows.
"""


class Optimized(nn.Module):
    """A rewritten module that takes and gives fp32, whatever it computes in: images `b c h w` to logits."""

    def __init__(self, body: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.body = body
        self.dtype = dtype

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "*out"]:
        """Run the module in its precision and memory layout."""
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        return self.body(x).float()


class InFp32(nn.Module):
    """A module that torch has in fp32 alone, between others of a lower precision."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Run the module in fp32."""
        return self.body(x.float()).to(x.dtype)


class RunByEngine(nn.Module):
    """A network that an engine runs on the CPU: images `b c h w` to logits."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "*out"]:
        """Run the engine."""
        return self.engine.run(x)


@torch.inference_mode()
def optimize(model: nn.Module, example: Float[Tensor, "b c h w"], precision: Precision = "fp32") -> nn.Module:
    """A faster module with the outputs of `model` in evaluation, on the device of `example`, for inference alone.

    What is returned is compared with the model on `example`, on its first image alone, and on a batch that goes in
    slices; `LIMITS` says how far it may be away: 1e-5 of the largest output in fp32, where every rewrite is exact.
    "bf16" and "fp16" compute the rewritten network in that precision. "int8" is for CPUs and run by OpenVINO;
    `example` calibrates it and should be some hundred real images (`quantize`). Otherwise an example of one image makes
    lone images faster on a CPU, for the memory of a second copy of the filters; any batch may follow. State dicts do
    not fit: save the original.

    Raises `ConfigError` for an unknown precision, `ExportError` where the outputs are too far away.
    """
    if precision not in LIMITS:
        known = "fp32, bf16, fp16 or int8"
        raise ConfigError(f"precision {precision!r} is not known here; give {known}")
    fast = _in_8_bits(model, example) if precision == "int8" else _rewritten(model, example, DTYPES[precision])
    advice = "this is a bug" if precision == "fp32" else f"its values do not suit {precision}: give another precision"
    with in_evaluation(model):
        wanted = model(example)
    for images in _batches(fast, len(example)):  # the model need not run again on images that it has seen
        compare(wanted[images], fast(example[images]), LIMITS[precision], advice)
    return fast


def _rewritten(model: nn.Module, example: Tensor, dtype: torch.dtype) -> nn.Module:
    plain = exact(model).to(example.device)
    cast(Any, plain).to(dtype, memory_format=torch.channels_last)  # torch's annotation lacks the two together
    if dtype != torch.float32:
        plain = rewritten(plain, _possible)
    if available(example.device) and dtype != torch.float16:
        plain = rewritten(rewritten(plain, packed), packed_residual)
        x = example.to(dtype).contiguous(memory_format=torch.channels_last)
        plain = sliced(prepack_weights(plain, x) if len(x) == 1 else plain, x)
    return Optimized(plain, dtype).eval()


def _possible(module: nn.Module) -> nn.Module:
    """Local response normalisation has no kernel of lower precision on CPUs, and squares what it gets."""
    return InFp32(module) if isinstance(module, nn.LocalResponseNorm) else module


def _in_8_bits(model: nn.Module, images: Tensor) -> nn.Module:
    if images.device.type != "cpu":
        raise ConfigError(f"8 bits are computed on the CPU, and the example is on {images.device}; give bf16 or fp16")
    with tempfile.TemporaryDirectory() as folder:
        path = quantized(model, None, images, Path(folder) / "int8").path
        return RunByEngine(open_engine(path, "openvino", "int8")).eval()


def _batches(fast: nn.Module, count: int) -> list[Tensor]:
    """Which of `count` images to run, for every way through `fast`: all, a lone one, one more than a slice takes."""
    most = max((part.count + 1 for part in fast.modules() if isinstance(part, Sliced)), default=2)
    return [torch.arange(size) % count for size in sorted({1, count, max(count, most)})]
