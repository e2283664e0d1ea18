"""Gradient checkpointing of any module: less memory for one more forward pass, with the same numbers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.nn.modules.batchnorm import _BatchNorm

from inceptionlab.errors import SpecError, nearest
from inceptionlab.tree import matches


def checkpointed(module: nn.Module) -> nn.Module:
    """The module with its activations recomputed in the backward pass; state-dict keys stay as they are.

    Batch norm would count a recomputed batch twice; its running statistics are left alone the second time.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _frozen_statistics(module)

    return checkpoint_wrapper(module, context_fn=contexts)


def checkpoint_modules(model: nn.Module, pattern: str) -> nn.Module:
    """Checkpoint, in place, every module whose name matches (`"inception*"`). Raises `SpecError` where none does."""
    names = [name for name, _ in model.named_modules() if name and matches(pattern, name)]
    if not names:
        known = [name for name, _ in model.named_children()]
        raise SpecError(f"no module matches {pattern!r}; {nearest(pattern, known)}")
    outermost = [name for name in names if not any(name.startswith(f"{other}.") for other in names)]
    for name in outermost:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, checkpointed(model.get_submodule(name)))
    return model


@contextmanager
def _frozen_statistics(module: nn.Module) -> Generator[None]:
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
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
