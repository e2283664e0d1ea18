"""Training and evaluation as modes of each module."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from torch import nn


@contextmanager
def in_evaluation(model: nn.Module) -> Generator[None]:
    """Within it the model is in evaluation; afterwards each of its modules is in the mode that it was in, so that a
    batch norm which stood still in a training network still does.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
