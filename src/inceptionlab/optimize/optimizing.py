"""`optimize`: a trained module as a faster one with the same outputs."""

from __future__ import annotations

import copy
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.building import InceptionNetwork
from inceptionlab.errors import RunError
from inceptionlab.layers.branches import Chain
from inceptionlab.optimize.engines import DTYPES
from inceptionlab.optimize.merging import exchanged, merged
from inceptionlab.optimize.packing import available, packed, packed_residual
from inceptionlab.optimize.rewrites import (
    Rewrite,
    flat_concat,
    folded_chain,
    folded_norm,
    folded_residual,
    rewritten,
    without_idle,
)

Precision = Literal["fp32", "bf16", "fp16"]
TOLERANCE = 1e-5
"""Largest relative error of the exact rewrites in fp32."""

EXACT: dict[str, Rewrite] = {
    "without_idle": without_idle,
    "folded_norm": folded_norm,
    "folded_chain": folded_chain,
    "folded_residual": folded_residual,
    "exchanged": exchanged,
    "flat_concat": flat_concat,
    "merged": merged,
}
"""The rewrites in their order, by name."""
FOR_ENGINES = ("without_idle", "folded_norm", "folded_chain", "folded_residual", "exchanged")
"""The rewrites before an export: engines run branches that stand apart faster than slices of one map."""


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


def exact(model: nn.Module, only: tuple[str, ...] = tuple(EXACT)) -> nn.Module:
    """A rewritten copy of a model in evaluation, of plain modules that can be exported; the model stays as it is.

    A network of ours loses its auxiliary heads. `only` names the rewrites, all of `EXACT` by default.
    """
    model = copy.deepcopy(model).eval()
    if isinstance(model, InceptionNetwork):
        model = Chain({**{name: model.get_submodule(name) for name in model.trunk}, "flat": nn.Flatten()})
    for name in only:
        model = rewritten(model, EXACT[name])
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return cast(nn.Module, model)


@torch.inference_mode()
def optimize(model: nn.Module, example: Float[Tensor, "b c h w"], precision: Precision = "fp32") -> nn.Module:
    """A faster module with the outputs of `model` in evaluation, on the device of `example`, for inference alone.

    In fp32 the rewrites are exact: the relative error on `example` is at most 1e-5, or `RunError` is raised. "bf16" and
    "fp16" compute the rewritten network in that precision. State dicts do not fit: save the original.
    """
    if precision not in DTYPES:
        raise RunError(f"precision {precision!r} is not known here; give fp32, bf16 or fp16")
    device = example.device
    plain = exact(model).to(device)
    if precision == "fp32":
        check(model, Optimized(plain, torch.float32), example)
    cast(Any, plain).to(DTYPES[precision], memory_format=torch.channels_last)
    if available(device) and precision != "fp16":
        plain = rewritten(rewritten(plain, packed), packed_residual)
    return Optimized(plain, DTYPES[precision]).eval()


@torch.no_grad()
def check(model: nn.Module, other: nn.Module, example: Tensor, limit: float = TOLERANCE) -> float:
    """The largest error of `other` on an example, relative to the largest output. Raises `RunError` above `limit`."""
    before = model.training
    wanted = model.eval()(example)
    model.train(before)
    error = float((other(example) - wanted).abs().max() / wanted.abs().max().clamp_min(1e-30))
    if not error <= limit:
        raise RunError(
            f"the rewritten network differs by {error:.1e} of its largest output, more than {limit:g}; this is a bug"
        )
    return error
