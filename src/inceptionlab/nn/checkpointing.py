"""Gradient checkpointing of any module: less memory for one more forward pass, with the same numbers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

from torch import nn
from torch.distributed.algorithms._checkpoint import checkpoint_wrapper

from inceptionlab.errors import SpecError, nearest
from inceptionlab.spec.tree import matches

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def checkpointed(module: nn.Module) -> nn.Module:
    """The module with its activations recomputed in the backward pass; state-dict keys stay as they are.

    Batch norm would count a recomputed batch twice; its running statistics are left alone the second time.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _frozen_statistics(module)

    return cast(Any, checkpoint_wrapper).checkpoint_wrapper(module, context_fn=contexts)


def checkpoint_modules(model: nn.Module, pattern: str) -> nn.Module:
    """Checkpoint, in place, every module whose name matches (`"inception*"`). Raises `SpecError` where none does."""
    everything: dict[str, nn.Module] = dict(cast(Any, model).named_modules())
    names = [name for name in everything if name and matches(pattern, name)]
    if not names:
        known = [name for name, _ in model.named_children()]
        raise SpecError(f"no module matches {pattern!r}; {nearest(pattern, known)}")
    outermost = [name for name in names if not any(name.startswith(f"{other}.") for other in names)]
    for name in outermost:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, checkpointed(model.get_submodule(name)))
    return model


def plain_name(name: str) -> str:
    """The name of a parameter or a buffer as `state_dict` has it, without what checkpointing puts between."""
    return name.replace("_checkpoint_wrapped_module.", "")


@contextmanager
def _frozen_statistics(module: nn.Module) -> Generator[None]:
    norms = [m for m in module.modules() if isinstance(m, BATCH_NORMS) and m.track_running_stats]
    before = [
        (norm.momentum, norm.num_batches_tracked.clone()) for norm in norms if norm.num_batches_tracked is not None
    ]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(count)  # type: ignore[union-attr]
