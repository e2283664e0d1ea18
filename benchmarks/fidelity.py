"""Speed of distances between sets of images: features a second against pytorch-fid and torch-fidelity in interleaved
rounds, and seconds of one distance of 2048 features against their square roots.

    PYTHONPATH=.oracles python -m benchmarks.fidelity [--images 2000] [--rounds 3] [--only distance]

All networks have one random set of weights; the images are CIFAR-10's, found by INCEPTIONLAB_DATA. Run it alone. The
libraries are those of `make parity`. Prints Markdown, for results/fidelity.md.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from tests.parity.fidelity import random_weights
from tests.parity.oracles import allow_torchvision
from torch import Tensor

from inceptionlab.data.image_sets import image_set
from inceptionlab.distances.gaussians import Gaussian, frechet
from inceptionlab.distances.measuring import BATCH
from inceptionlab.distances.networks import network_source
from inceptionlab.distances.protocols import PROTOCOLS
from inceptionlab.embedding.extractors import CALIBRATING, extractor

Run = Callable[[Tensor], Tensor]
"""Images `b 3 32 32` of bytes to features `b 2048`, resize and all."""


def theirs(weights: Path) -> dict[str, Run]:
    """The libraries' own networks, as they run them."""
    from pytorch_fid.inception import InceptionV3
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    state = torch.load(weights)
    with patch("pytorch_fid.inception.load_state_dict_from_url", lambda *_, **__: state):
        first = InceptionV3([3]).eval()
    second = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(weights))
    return {
        "pytorch-fid": lambda x: first(x / 255)[0].flatten(1),
        "torch-fidelity": lambda x: second(x)[0],
    }


def ours(weights: Path, images: Tensor) -> dict[str, Run]:
    """Our engines in each precision."""
    found: dict[str, Run] = {}
    for protocol, precisions in {"pytorch-fid": ("fp32", "bf16", "int8"), "torch-fidelity": ("fp32",)}.items():
        way = PROTOCOLS[protocol]  # type: ignore[index]

        def prepared(x: Tensor, way=way) -> Tensor:
            return torch.stack([way.prepare(one) for one in x.permute(0, 2, 3, 1).numpy()])

        for precision in precisions:
            source = network_source(weights, 2048, way)
            run = extractor(source.module, prepared(images[:CALIBRATING]), precision, "cpu")
            found[f"InceptionLab, {protocol}, {precision}"] = lambda x, run=run, prepared=prepared: run(prepared(x))
    return found


def features(count: int, rounds: int) -> None:
    """Images a second, the candidates in turn in every round."""
    drawn = image_set("cifar10#test")
    images = torch.from_numpy(np.stack([drawn.pixels(i) for i in range(count)])).permute(0, 3, 1, 2).contiguous()
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "random.pth"
        random_weights(weights)
        candidates = theirs(weights) | ours(weights, images)
        rates: dict[str, list[float]] = {name: [] for name in candidates}
        outputs: dict[str, Tensor] = {}
        for number in range(rounds + 1):
            for name, run in candidates.items():
                part = images if number else images[: 2 * BATCH]  # the first round warms up
                with torch.inference_mode():
                    began = time.perf_counter()
                    outputs[name] = torch.cat([run(x) for x in torch.split(part, BATCH)])
                    rates[name].append(len(part) / (time.perf_counter() - began))
    print("| features | images / s | of pytorch-fid | relative error |\n|---|---:|---:|---:|")
    base = statistics.median(rates["pytorch-fid"][1:])
    for name, found in rates.items():
        truth = outputs["torch-fidelity" if "torch-fidelity" in name else "pytorch-fid"]
        error = ((outputs[name] - truth).norm() / truth.norm()).item()
        rate = statistics.median(found[1:])
        print(f"| {name} | {rate:.2f} | {rate / base:.2f} x | {error:.1e} |")


def distance(rounds: int) -> None:
    """Seconds of one distance of 2048 features, from means and covariances."""
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    torch.manual_seed(0)
    scale = torch.logspace(0, -3, 2048, dtype=torch.float64)
    samples = [torch.randn(n, 2048, dtype=torch.float64) * scale + i for i, n in enumerate((5000, 6000))]
    pairs = [(x.mean(0).numpy(), np.cov(x.numpy(), rowvar=False)) for x in samples]
    tensors = [(torch.from_numpy(mean), torch.from_numpy(covariance)) for mean, covariance in pairs]
    named = [{"mu": mean, "sigma": covariance} for mean, covariance in pairs]
    candidates: dict[str, Callable[[], float]] = {
        "pytorch-fid, sqrtm": lambda: calculate_frechet_distance(*pairs[0], *pairs[1]),
        "torch-fidelity, eigvals": lambda: fid_statistics_to_metric(*named, False)["frechet_inception_distance"],
        "InceptionLab": lambda: frechet(*(Gaussian.of_covariance(*one) for one in tensors)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    values: dict[str, float] = {}
    for _ in range(rounds):
        for name, run in candidates.items():
            began = time.perf_counter()
            values[name] = run()
            seconds[name].append(time.perf_counter() - began)
    print("\n| distance of 2048 features | seconds | value |\n|---|---:|---:|")
    for name, found in seconds.items():
        print(f"| {name} | {statistics.median(found):.2f} | {values[name]:.9f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("features", "distance"))
    given = parser.parse_args()
    allow_torchvision()
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}\n"
    )
    if given.only != "distance":
        features(given.images, given.rounds)
    if given.only != "features":
        distance(given.rounds)


if __name__ == "__main__":
    main()
