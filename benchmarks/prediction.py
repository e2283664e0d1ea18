"""Images a second of `predict` on a folder of photographs, against its engine alone on inputs that are ready.

    python -m benchmarks.prediction [--model inception_v3] [--images 2000] [--rounds 3] [--engine torch] [--batch 32]

The photographs are copies of `hymenoptera`'s (found by INCEPTIONLAB_DATA), each with its own crop and brightness,
written as JPEG into a temporary folder. Both take turns in every round; the folder is read from the page cache. Run it
alone. Prints Markdown, for results/prediction.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from inceptionlab import create_model
from inceptionlab.data.ahead import in_batches, threads
from inceptionlab.data.image_sets import image_set
from inceptionlab.exporting.engines import Runner
from inceptionlab.runs.predicting import BATCH, Prediction, predictions
from inceptionlab.runs.prediction import Trained, with_engine

READY = 8
"""Batches that are held ready for the engine, in turn: all inputs would take gigabytes."""


def photographs(count: int, folder: Path) -> None:
    """Write photographs, each a little other than the rest."""
    sources = sorted((Path(os.environ["INCEPTIONLAB_DATA"]) / "hymenoptera").rglob("*.jpg"))
    generator = np.random.default_rng(0)
    for number in range(count):
        image = Image.open(sources[number % len(sources)]).convert("RGB")
        left, top = (int(one) for one in generator.integers(0, 8, 2))
        brighter = image.crop((left, top, image.width, image.height)).point(
            [min(255, i + number % 16) for i in range(256)] * 3
        )
        brighter.save(folder / f"{number:05}.jpg", quality=90)


def alone(run: Runner, ready: list[torch.Tensor], count: int) -> float:
    """Images a second of the engine on inputs that are ready."""
    began = time.perf_counter()
    with torch.inference_mode():
        for number, images in enumerate(in_batches(count, len(ready[0]))):
            run(ready[number % len(ready)][: len(images)]).float().softmax(1)
    return count / (time.perf_counter() - began)


def whole(trained: Trained, folder: Path, batch: int, workers: int) -> float:
    """Images a second from the folder to classes."""
    began = time.perf_counter()
    found = [one for one in predictions(trained, folder, batch=batch, workers=workers) if isinstance(one, Prediction)]
    return len(found) / (time.perf_counter() - began)


def decoding(trained: Trained, folder: Path) -> float:
    """Milliseconds of one core that a photograph takes from its file to the pixels of an input."""
    images = image_set(folder)
    began = time.process_time()
    for number in range(min(200, images.count)):
        trained.preprocess.pixels(images.source(number), images.where(number))
    return 1000 * (time.process_time() - began) / min(200, images.count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="inception_v3")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--workers", type=int, default=0)
    given = parser.parse_args()
    network = create_model(given.model).eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    classes = tuple(str(i) for i in range(network.spec.classes))
    trained, name = with_engine(Trained(network, classes), given.engine, given.batch)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        photographs(given.images, folder)
        images = image_set(folder)
        first = [trained.preprocess.prepare(images.source(i)) for i in range(min(READY * given.batch, images.count))]
        ready = [torch.cat(first[one.start : one.stop]) for one in in_batches(len(first), given.batch)]
        ready = [one for one in ready if len(one) == len(ready[0])]
        trained.run(ready[0])
        rates: dict[str, list[float]] = {"engine alone": [], "predict": []}
        for number in range(given.rounds):
            turns = {
                "engine alone": lambda: alone(trained.run, ready, given.images),
                "predict": lambda: whole(trained, folder, given.batch, given.workers),
            }
            for what in list(turns)[:: 1 if number % 2 else -1]:
                rates[what].append(turns[what]())
        milliseconds = decoding(trained, folder)
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{given.model} by {name}, batches of {given.batch}, {given.workers or threads()} threads decode: "
        f"{milliseconds:.1f} ms of a core an image\n"
    )
    print(f"| {given.images:,} photographs | images / s | of the engine's |\n|---|---:|---:|")
    base = statistics.median(rates["engine alone"])
    for what, found in rates.items():
        rate = statistics.median(found)
        print(f"| {what} | {rate:.2f} | {rate / base:.1%} |")


if __name__ == "__main__":
    main()
