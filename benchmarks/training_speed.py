"""Training speed of our loop against a plain loop as tutorials write it, on real CIFAR-10 images at 32 x 32.

Both train `googlenet.bn` (GoogLeNet's channels, batch norm in the modules) with a 3 x 3 stem. The plain loop
is fp32 in NCHW with Pillow transforms in a DataLoader; ours is `inceptionlab train`'s own loop. Rounds are
interleaved and medians compared, so that a busy machine slows both. Run it alone:

    INCEPTIONLAB_DATA=path/to/data python benchmarks/training_speed.py
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.utils.data import DataLoader, Dataset

from inceptionlab import create_model
from inceptionlab.data.dataset import Samples
from inceptionlab.data.registry import load_data
from inceptionlab.runs.environment import device_name
from inceptionlab.runs.fitting import make_fabric
from inceptionlab.training.loop import Trainer
from inceptionlab.training.placement import placement_of
from inceptionlab.training.precision import fastest_precision, seconds_of_a_convolution
from inceptionlab.training.recipe import load_recipe

MODEL = "googlenet.bn"


class PillowImages(Dataset):
    """Pad by 4, crop, flip, to float, normalise: one image at a time."""

    def __init__(self, samples: Samples) -> None:
        self.samples = [Image.fromarray(image.numpy()) for image in samples.images]
        self.labels = samples.labels.tolist()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        image = ImageOps.expand(self.samples[i], 4)
        left, top = np.random.randint(0, 9, 2)
        image = image.crop((left, top, left + 32, top + 32))
        if np.random.rand() < 0.5:
            image = ImageOps.mirror(image)
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
        return (x - 0.5) / 0.5, self.labels[i]


def plain_loop(samples: Samples, batch: int):
    """A function that trains one epoch as the tutorials do, and the seconds it took."""
    model = create_model(MODEL, 10, input_size=32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loader = DataLoader(PillowImages(samples), batch_size=batch, shuffle=True)
    criterion = nn.CrossEntropyLoss()

    def epoch() -> float:
        started = time.perf_counter()
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            loss.item()
        return time.perf_counter() - started

    return epoch


def our_loop(samples: Samples, batch: int, precision: str, folder: Path):
    """The same with our trainer."""
    recipe = replace(load_recipe("small"), batch_size=batch, epochs=1000, lr=0.01)
    fabric, _ = make_fabric("cpu", precision)
    trainer = Trainer(create_model(MODEL, 10, input_size=32), recipe, placement_of(fabric), folder, 0)
    trainer._next_save = float("inf")  # states are written every few seconds at most; one epoch here is shorter

    def epoch() -> float:
        started = time.perf_counter()
        trainer.progress.batch = 0
        trainer._train_epoch(samples)
        return time.perf_counter() - started

    return epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--batches", type=int, default=2, help="batches a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    samples = load_data("cifar10").train.limited(options.batch * options.batches)
    with tempfile.TemporaryDirectory() as folder:
        loops = {"plain: fp32, NCHW, Pillow, DataLoader": plain_loop(samples, options.batch)}
        for precision in ("fp32", "bf16"):
            loops[f"ours: {precision}, channels last"] = our_loop(samples, options.batch, precision, Path(folder))
        times: dict[str, list[float]] = {name: [] for name in loops}
        for i in range(options.rounds + 1):
            for name, epoch in loops.items():
                seconds = epoch()
                if i:  # the first round warms up
                    times[name].append(seconds)
    report(times, len(samples))


def report(times: dict[str, list[float]], count: int) -> None:
    work = 2 * 32 * 64 * 64 * 9 * 32 * 32
    rates = {d: work / seconds_of_a_convolution(d) / 1e9 for d in (torch.float32, torch.bfloat16)}
    print(f"{device_name(torch.device('cpu'))}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print("one 64-channel 3x3 convolution, GFLOP/s: " + ", ".join(f"{d} {r:.0f}" for d, r in rates.items()))
    print(f"precision that 'auto' takes here: {fastest_precision('cpu')}\n")
    print(f"| {MODEL} at 32x32, CIFAR-10 | img/s (median) | least | most | ratio |\n|---|---:|---:|---:|---:|")
    first = median(next(iter(times.values())))
    for name, seconds in times.items():
        rate = [count / s for s in seconds]
        middle = median(seconds)
        numbers = f"{count / middle:.1f} | {min(rate):.1f} | {max(rate):.1f} | {first / middle:.2f}"
        print(f"| {name} | {numbers} |")


if __name__ == "__main__":
    main()
