"""The logits of a network on a whole set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

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
    shift_tta: bool = False,
) -> Float[Tensor, "n classes"]:
    """Logits of every image in order, as float32 on the CPU. The model must be in evaluation mode; images are moved to
    where it is, wherever they are.

    With `flip_tta` they are the means of those of an image and of its mirror image. With `shift_tta` they are half that
    and half the mean of those of the image moved by a pixel up and left and by one down and right, what is missing
    reflected: six views with both (Jordan 2024, arXiv 2404.00498, section 3.5). Each view is a forward pass.
    """
    height, width = preprocess.size
    batch, device = max(1, min(batch, batch * 96 * 96 // (height * width))), device_of(model)
    parts: list[Tensor] = []
    for images, _ in ordered_batches(samples, batch):
        x = preprocess.batch(images.to(device))
        logits = _mirrored(model, x) if flip_tta else model(x)
        if shift_tta:
            moved = [_mirrored(model, y) if flip_tta else model(y) for y in _shifted(x)]
            logits = (2 * logits + moved[0] + moved[1]) / 4
        parts.append(logits.float().cpu())
    return torch.cat(parts)


def view_count(flip_tta: bool, shift_tta: bool) -> int:
    """How many views of an image `logits_of` takes the mean of."""
    return (2 if flip_tta else 1) * (3 if shift_tta else 1)


def _mirrored(model: Callable[[Tensor], Tensor], x: Float[Tensor, "b c h w"]) -> Tensor:
    return (model(x) + model(x.flip(3))) / 2


def _shifted(x: Float[Tensor, "b c h w"]) -> Iterator[Float[Tensor, "b c h w"]]:
    """The images whose pixel (0, 0) is what a reflected border of one pixel has there, and its opposite."""
    height, width = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    for start in (0, 2):
        view = padded[:, :, start : start + height, start : start + width]
        yield view.contiguous(memory_format=torch.channels_last)


def device_of(model: Callable[[Tensor], Tensor]) -> torch.device:
    """Where a model takes its input: beside its weights. Engines, which are functions, take it on the CPU."""
    weights = chain(model.parameters(), model.buffers()) if isinstance(model, nn.Module) else iter(())
    first = next(weights, None)
    return torch.device("cpu") if first is None else first.device
