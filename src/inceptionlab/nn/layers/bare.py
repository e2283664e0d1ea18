"""Layers whose weights are not drawn when they are made, because `initialise` draws them."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from torch import nn
from torch.nn import utils

Layer = TypeVar("Layer", bound=nn.Module)


def bare(kind: type[Layer], *sizes: Any, **options: Any) -> Layer:
    """`kind(*sizes, **options)` with uninitialised weights."""
    return cast(Layer, cast(Any, utils).skip_init(kind, *sizes, **options))
