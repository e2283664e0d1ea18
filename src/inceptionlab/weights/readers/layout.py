"""TensorFlow's and Keras' names and layouts of an array as torch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

_LEAVES = {
    "weights": "weight", "kernel": "weight", "gamma": "weight", "biases": "bias", "beta": "bias", "bias": "bias",
    "moving_mean": "running_mean", "moving_variance": "running_var",
    "depthwise_weights": "depthwise.weight", "pointwise_weights": "pointwise.weight",
    "depthwise_kernel": "depthwise.weight", "pointwise_kernel": "pointwise.weight",
}  # fmt: skip


def known(leaf: str) -> bool:
    """Whether a variable of this name holds weights, and is no counter, slot of an optimiser or average."""
    return leaf in _LEAVES


def as_torch(leaf: str, array: np.ndarray[Any, Any]) -> tuple[str, Tensor]:
    """Torch's name and layout: convolutions HWIO to OIHW, depthwise HWCM to (CM)1HW, matrices transposed."""
    if leaf.startswith("depthwise") and array.ndim == 4:
        array = array.transpose(2, 3, 0, 1).reshape(-1, 1, *array.shape[:2])
    elif array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)
    elif array.ndim == 2:
        array = array.T
    return _LEAVES[leaf], torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
