"""The logits of a network on a whole set."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.data.batches import ordered_batches
from inceptionlab.data.dataset import Samples
from inceptionlab.data.preprocess import Preprocess

BATCH = 256


@torch.inference_mode()
def logits_of(
    model: Callable[[Tensor], Tensor],
    samples: Samples,
    preprocess: Preprocess,
    batch: int = BATCH,
    flip_tta: bool = False,
) -> Float[Tensor, "n classes"]:
    """Logits of every image in order, as float32 on the CPU. The model must be in evaluation mode; images are moved to
    where it is, wherever they are.

    With `flip_tta` they are the means of those of an image and of its mirror image, in two forward passes.
    """
    device, parts = device_of(model), list[Tensor]()
    for images, _ in ordered_batches(samples, fitting_batch(batch, preprocess.size)):
        x = preprocess.batch(images.to(device))
        parts.append(((model(x) + model(x.flip(3))) / 2 if flip_tta else model(x)).float().cpu())
    return torch.cat(parts)


def fitting_batch(batch: int, size: tuple[int, int]) -> int:
    """How many images of (height, width) are run at once where `batch` of 96x96 take as much memory as may be."""
    return max(1, min(batch, batch * 96 * 96 // (size[0] * size[1])))


def device_of(model: Callable[[Tensor], Tensor]) -> torch.device:
    """Where a model takes its input: beside its weights. Engines, which are functions, take it on the CPU."""
    weights = chain(model.parameters(), model.buffers()) if isinstance(model, nn.Module) else iter(())
    first = next(weights, None)
    return torch.device("cpu") if first is None else first.device
