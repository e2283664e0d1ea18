"""The exact rewrites together: a trained module as plain modules that compute the same with less."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from inceptionlab.errors import RunError
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.nn.layers.branches import Chain
from inceptionlab.optimization.merging import exchanged, merged
from inceptionlab.optimization.rewrites import (
    Rewrite,
    flat_concat,
    folded_chain,
    folded_norm,
    folded_residual,
    rewritten,
    without_idle,
)

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
