"""The logits of a network on a whole set."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from inceptionlab.data.batches import centred, ordered_batches, to_input
from inceptionlab.data.dataset import Pictures
from inceptionlab.spec.network import Input

BATCH = 256


@torch.inference_mode()
def logits_of(
    model: Callable[[Tensor], Tensor], pictures: Pictures, picture: Input, batch: int = BATCH, mirror: bool = False
) -> Float[Tensor, "n classes"]:
    """Logits of every picture in order, as float32 on the CPU. The model must be in evaluation mode.

    With `mirror` they are the means of those of a picture and of its mirror image, in two forward passes.
    """
    batch = max(1, min(batch, batch * 96 * 96 // (picture.height * picture.width)))
    size = (picture.height, picture.width)
    parts: list[Tensor] = []
    for images, _ in ordered_batches(pictures, batch):
        x = to_input(centred(images, size), picture)
        parts.append(((model(x) + model(x.flip(3))) / 2 if mirror else model(x)).float().cpu())
    return torch.cat(parts)


def accuracy_and_loss(
    model: Callable[[Tensor], Tensor], pictures: Pictures, picture: Input, mirror: bool = False
) -> tuple[float, float]:
    """(top-1 accuracy, mean cross-entropy) on a set."""
    logits, labels = logits_of(model, pictures, picture, mirror=mirror), pictures.labels.cpu()
    return (logits.argmax(1) == labels).float().mean().item(), F.cross_entropy(logits, labels).item()
