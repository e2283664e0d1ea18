"""A module that gives features of images as something that computes them quickly."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.embedding.extraction import Extract
from inceptionlab.errors import ConfigError
from inceptionlab.exporting.engines import Precision, open_engine
from inceptionlab.exporting.optimizing import optimize
from inceptionlab.exporting.quantizing import quantized
from inceptionlab.nn.layers.branches import Chain

CALIBRATING = 64
"""Images that calibrate 8 bits."""


def extractor(module: nn.Module, samples: Float[Tensor, "b c h w"], precision: Precision, device: str) -> Extract:
    """What computes features quickly: rewritten exactly in fp32 (a module that is not ours as it is), in bf16, fp16 or,
    by OpenVINO, in int8, which `samples` calibrate. Raises `ConfigError` for an unknown precision.
    """
    if precision == "int8":
        with tempfile.TemporaryDirectory() as folder:
            path = quantized(module, None, samples, Path(folder) / "features", agreement=0).path
            run: Extract = open_engine(path, "openvino", "int8").run
        return run
    module = module.to(device)
    plain = precision == "fp32" and not isinstance(module, Chain)
    # an example of one image has its filters packed: 4 % of the time of batches of 16 on a CPU
    fast = module if plain else optimize(module, samples[:1].to(device), precision)

    @torch.inference_mode()
    def compute(images: Tensor) -> Tensor:
        return fast(images.to(device)).cpu()

    return compute


def is_here(device: str) -> None:
    """Refuse a device that this machine has not, by `ConfigError`."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("there is no CUDA device here; give device cpu")
