"""The exact rewrites together: a trained module as plain modules that compute the same with less."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from inceptionlab.errors import ExportError
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.nn.layers.branches import Chain
from inceptionlab.nn.modes import in_evaluation
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
    plain: nn.Module = copy.deepcopy(model).eval()
    if isinstance(model, InceptionNetwork):
        plain = Chain({**{name: plain.get_submodule(name) for name in model.top_level}, "flat": nn.Flatten()})
    for name in only:
        plain = rewritten(plain, EXACT[name])
    return plain.requires_grad_(False)


@torch.no_grad()
def check(
    model: nn.Module, other: Callable[[Tensor], Tensor], example: Tensor, limit: float = TOLERANCE,
    advice: str = "this is a bug",
) -> float:  # fmt: skip
    """The largest error of `other` on an example, relative to the largest output of `model` in evaluation.

    Raises `ExportError`, which ends in `advice`, above `limit` and for what is not a number.
    """
    with in_evaluation(model):
        wanted = model(example)
    return compare(wanted, other(example), limit, advice)


def compare(wanted: Tensor, found: Tensor, limit: float = TOLERANCE, advice: str = "this is a bug") -> float:
    """The largest error of what was found, relative to the largest that was wanted. Raises `ExportError` as `check`."""
    error = ((found - wanted).abs().max() / wanted.abs().max().clamp_min(1e-30)).item()
    if not error <= limit:
        raise ExportError(
            f"the rewritten network differs by {error:.1e} of its largest output, more than {limit:g}; {advice}"
        )
    return error
