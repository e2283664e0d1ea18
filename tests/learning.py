"""`make learning`: every member trains two steps at 32x32, at 64x64 and at its own size, and its loss falls.

The same 4 to 16 images of CIFAR-10 each time, SGD, the loss in training mode with the same dropout. Needs
INCEPTIONLAB_DATA. Exits with 1 where a loss does not fall.
"""

from __future__ import annotations

import sys
import time

import torch
from torch import Tensor
from torch.nn import functional as F

from inceptionlab import create_model, get_spec, list_models
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.registry import load_data

RATE = 3e-5  # small enough for the steepest, Inception-v4 with 4 images in a batch norm


def losses(name: str, size: int, images: Tensor, labels: Tensor) -> list[float]:
    """The loss before, after one and after two steps on one batch."""
    torch.manual_seed(0)
    channels = get_spec(name).input.channels
    model = create_model(name, 10, channels, size).to(memory_format=torch.channels_last).train()
    images = images if channels == 3 else images.float().mean(3, keepdim=True).to(torch.uint8)
    x = Preprocess(model.spec.input).to_input(images)
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    seen: list[float] = []
    for step in range(3):
        torch.manual_seed(1)  # the same dropout, so that the losses can be compared
        loss = F.cross_entropy(model(x), labels)
        seen.append(loss.item())
        if step < 2:
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
    return seen


def main() -> int:
    train = load_data("cifar10", get_spec("inception_net").input, None).train
    bad = 0
    print("| network | size | batch | loss before | after 1 | after 2 | s |\n|---|---:|---:|---:|---:|---:|---:|")
    for name in sys.argv[1:] or list_models():
        own = get_spec(name).input.height
        for size in dict.fromkeys((32, 64, own)):
            count = 16 if size <= 64 else 4
            start = time.perf_counter()
            seen = losses(name, size, train.images[:count], train.labels[:count])
            fell = seen[0] > seen[1] > seen[2]
            bad += not fell
            row = f"| {name} | {size} | {count} | {seen[0]:.4f} | {seen[1]:.4f} | {seen[2]:.4f} |"
            print(f"{row} {time.perf_counter() - start:.1f} |" + ("" if fell else "  <-- does not fall"), flush=True)
    print(f"\n{bad} losses do not fall" if bad else "\nevery loss falls")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
