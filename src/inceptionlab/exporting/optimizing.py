"""`optimize`: a trained module as a faster one with the same outputs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.errors import RunError
from inceptionlab.exporting.engines import DTYPES, Runner, run_openvino
from inceptionlab.exporting.quantizing import quantized
from inceptionlab.optimization.exactness import check, exact
from inceptionlab.optimization.packing import available, laid_out, packed, packed_residual
from inceptionlab.optimization.rewrites import rewritten
from inceptionlab.optimization.slicing import sliced

Precision = Literal["fp32", "bf16", "fp16", "int8"]


class Optimized(nn.Module):
    """A rewritten module that takes and gives fp32, whatever it computes in: pictures `b c h w` to logits."""

    def __init__(self, body: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.body = body
        self.dtype = dtype

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "*out"]:
        """Run the module in its precision and memory layout."""
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        return self.body(x).float()


class RunByEngine(nn.Module):
    """A network that an engine runs on the CPU: pictures `b c h w` to logits."""

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.runner = runner

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "*out"]:
        """Run the engine."""
        return self.runner(x)


@torch.inference_mode()
def optimize(model: nn.Module, example: Float[Tensor, "b c h w"], precision: Precision = "fp32") -> nn.Module:
    """A faster module with the outputs of `model` in evaluation, on the device of `example`, for inference alone.

    In fp32 the rewrites are exact: the relative error on `example` is at most 1e-5, or `RunError` is raised. "bf16" and
    "fp16" compute the rewritten network in that precision. "int8" is for CPUs and run by OpenVINO; `example` calibrates
    it and should be some hundred real pictures (`quantize`). Else an example of one picture makes lone pictures faster
    on a CPU, for the memory of a second copy of the filters; any batch may follow. State dicts do not fit: save the
    original.
    """
    if precision == "int8":
        return _in_8_bits(model, example)
    if precision not in DTYPES:
        raise RunError(f"precision {precision!r} is not known here; give fp32, bf16, fp16 or int8")
    device = example.device
    plain = exact(model).to(device)
    if precision == "fp32":
        check(model, Optimized(plain, torch.float32), example)
    cast(Any, plain).to(DTYPES[precision], memory_format=torch.channels_last)
    if available(device) and precision != "fp16":
        plain = rewritten(rewritten(plain, packed), packed_residual)
        x = example.to(DTYPES[precision]).contiguous(memory_format=torch.channels_last)
        plain = sliced(laid_out(plain, x) if len(x) == 1 else plain, x)
    return Optimized(plain, DTYPES[precision]).eval()


def _in_8_bits(model: nn.Module, pictures: Tensor) -> nn.Module:
    if pictures.device.type != "cpu":
        raise RunError(f"8 bits are computed on the CPU, and the example is on {pictures.device}; give bf16 or fp16")
    with tempfile.TemporaryDirectory() as folder:
        return RunByEngine(run_openvino(quantized(model, {}, pictures, Path(folder) / "int8").path)).eval()
