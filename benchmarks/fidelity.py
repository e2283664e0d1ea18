"""Speed of distances between sets of images, and their agreement with the libraries that define them.

    PYTHONPATH=.oracles python -m benchmarks.fidelity                    # what results/fidelity.json does not have yet
    PYTHONPATH=.oracles python -m benchmarks.fidelity distance clean-fid # these stages, again

Stages: "features", images a second of every engine against pytorch-fid and torch-fidelity, 2,000 of CIFAR-10 in ten
rounds, in each of which every candidate runs the same 200 in turn; "distance", seconds of one distance of 2048
features; and the parts of tests/parity/fidelity.py. All networks have one random set of weights; the images are found
by INCEPTIONLAB_DATA. Run it alone. A run that was killed goes on after its last round or part. Writes
results/fidelity.json and, from it, results/fidelity.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from tests.parity.fidelity import PARTS, random_weights, rows
from tests.parity.oracles import allow_torchvision
from tests.parity.rows import HEAD, Row
from torch import Tensor

from inceptionlab.benchmarking.peaks import measured_peaks
from inceptionlab.data.image_sets import image_set
from inceptionlab.distances.gaussians import Gaussian, frechet
from inceptionlab.distances.measuring import BATCH
from inceptionlab.distances.networks import network_source
from inceptionlab.distances.protocols import PROTOCOLS
from inceptionlab.embedding.extractors import CALIBRATING, extractor
from inceptionlab.runs.environment import device_name
from inceptionlab.storage import write, write_json

RESULTS = Path(__file__).parent / "results"
DOCUMENT = Path(__file__).parent.parent / "docs/en/fidelity.md"
BEGIN, END = "<!-- agreement -->", "<!-- end of agreement -->"
"""Between them stands the table of `summary` in the document."""
IMAGES, ROUNDS = 2000, 10
DISTANCES = 3
"""Times that each distance is computed."""
STAGES = ("features", "distance", *PARTS)
Run = Callable[[Tensor], Tensor]
"""Images `b 3 32 32` of bytes to features `b 2048`, resize and all."""
Record = dict[str, Any]


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
    """Our engines in each precision, by pytorch-fid's protocol."""
    way = PROTOCOLS["pytorch-fid"]
    source = network_source(weights, 2048, way)

    def prepared(x: Tensor) -> Tensor:
        return torch.stack([way.prepare(one) for one in x.permute(0, 2, 3, 1).numpy()])

    found: dict[str, Run] = {}
    for precision in ("fp32", "bf16", "int8"):
        run = extractor(source.module, prepared(images[:CALIBRATING]), precision, "cpu")
        found[f"InceptionLab, {precision}"] = lambda x, run=run: run(prepared(x))
    return found


def features(record: Record) -> None:
    """The rounds that are missing; the first candidates warm up on a batch."""
    kept: Record = record.setdefault("features", {"rates": {}, "errors": {}, "rounds": 0})
    if kept["rounds"] >= ROUNDS:
        return
    peaks = measured_peaks(torch.device("cpu"), ("fp32", "bf16")).peaks
    record["peaks"] = {name: one.gflops for name, one in peaks.items()}
    drawn = image_set("cifar10#test")
    images = torch.from_numpy(np.stack([drawn.pixels(i) for i in range(IMAGES)])).permute(0, 3, 1, 2).contiguous()
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "random.pth"
        random_weights(weights)
        candidates = theirs(weights) | ours(weights, images)
    for run in candidates.values():
        timed(run, images[:BATCH])
    for part in torch.chunk(images, ROUNDS)[kept["rounds"] :]:
        found = {name: timed(run, part) for name, run in candidates.items()}
        truth = found["pytorch-fid"][1]
        for name, (rate, values) in found.items():
            error = 0.0 if name == "torch-fidelity" else ((values - truth).norm() / truth.norm()).item()
            kept["rates"].setdefault(name, []).append(rate)
            kept["errors"][name] = max(error, kept["errors"].get(name, 0))
        kept["rounds"] += 1
        keep(record)
        print(f"round {kept['rounds']}: " + ", ".join(f"{name} {one[0]:.1f} / s" for name, one in found.items()))


def timed(run: Run, images: Tensor) -> tuple[float, Tensor]:
    """(images a second, features)."""
    with torch.inference_mode():
        began = time.perf_counter()
        found = torch.cat([run(x) for x in torch.split(images, BATCH)])
        return len(images) / (time.perf_counter() - began), found


def distance(record: Record) -> None:
    """Seconds of one distance of 2048 features, from means and covariances of more and of fewer images."""
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    torch.manual_seed(0)
    scale = torch.logspace(0, -3, 2048, dtype=torch.float64)
    record["distance"] = []
    for sizes in ((5000, 6000), (500, 600)):
        samples = [torch.randn(n, 2048, dtype=torch.float64) * scale + i / 100 for i, n in enumerate(sizes)]
        pairs = [(x.mean(0).numpy(), np.cov(x.numpy(), rowvar=False)) for x in samples]
        tensors = [(torch.from_numpy(mean), torch.from_numpy(covariance)) for mean, covariance in pairs]
        named = [{"mu": mean, "sigma": covariance} for mean, covariance in pairs]
        candidates: dict[str, Callable[[], float]] = {
            "pytorch-fid, sqrtm": lambda p=pairs: calculate_frechet_distance(*p[0], *p[1]),
            "torch-fidelity, eigvals": lambda n=named: fid_statistics_to_metric(*n, False)[
                "frechet_inception_distance"
            ],
            "InceptionLab": lambda t=tensors: frechet(*(Gaussian.of_covariance(*one) for one in t)),
        }
        seconds: dict[str, list[float]] = {name: [] for name in candidates}
        values: dict[str, float] = {}
        for _ in range(DISTANCES):
            for name, run in candidates.items():
                began = time.perf_counter()
                values[name] = float(run())
                seconds[name].append(time.perf_counter() - began)
        record["distance"] += [
            {"images": sizes, "name": name, "seconds": one, "value": values[name]} for name, one in seconds.items()
        ]
    keep(record)


def agreement(record: Record, part: str) -> None:
    """The rows of a part of the comparison with the libraries."""
    found: list[Row] = []
    print(f"\n{part}\n\n{HEAD}")
    for row in rows(part, Path(os.environ["INCEPTIONLAB_DATA"])):
        found.append(row)
        print(row, flush=True)
    record.setdefault("agreement", {})[part] = [asdict(row) for row in found]
    keep(record)


def keep(record: Record) -> None:
    """Write what is known, and the page."""
    write_json(RESULTS / "fidelity.json", record)
    write(RESULTS / "fidelity.md", page(record))
    known = _agreed(record)
    if known and DOCUMENT.exists():
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        write(DOCUMENT, before + BEGIN + "\n" + summary(known) + "\n" + END + rest.partition(END)[2])


def _agreed(record: Record) -> list[Row]:
    return [Row(**row) for part in PARTS for row in record.get("agreement", {}).get(part, [])]


def summary(known: list[Row]) -> str:
    """The worst error of each kind of row against each library; singular ones apart."""
    worst: dict[tuple[str, str], list[float]] = {}
    for row in known:
        words = re.sub(r"^\d+ (features).*|, \d+ features| of \d+", r"\1", row.what).replace("frechet", "FID")
        words = words.replace("FID inception distance", "FID").replace("kernel inception distance", "KID")
        singular = ", fewer images than features" if "FID" in words and (row.note or row.oracle == "60 digits") else ""
        worst.setdefault((row.oracle, words + singular), []).append(row.error)
    lines = [f"| {oracle} | {what} | {len(errors)} | {max(errors):.1e} |" for (oracle, what), errors in worst.items()]
    return "\n".join(["| against | what | rows | worst relative error |", "|---|---|---:|---:|", *lines])


def page(record: Record) -> str:
    """results/fidelity.md."""
    parts = [f"# Distances between sets of images: speed and agreement\n\n{record['machine']}."]
    if record.get("features", {}).get("rounds"):
        parts.append(_features_page(record))
    if "distance" in record:
        head = "| images a side | by | seconds | value |\n|---|---|---:|---:|"
        lines = [f"| {' and '.join(map(str, one['images']))} | {one['name']} | {statistics.median(one['seconds']):.2f} "
                 f"| {one['value']:.9f} |" for one in record["distance"]]  # fmt: skip
        said = "One distance of 2048 features from means and covariances, in float64; the median of three."
        parts.append("\n".join([f"## The distance\n\n{said}\n", head, *lines]))
    if known := _agreed(record):
        parts.append("\n".join([f"## Agreement\n\n{AGREEMENT}\n", HEAD, *map(str, known)]))
    return "\n\n".join(parts) + "\n"


AGREEMENT = """Rows of `make parity`, one random set of weights for all; errors are relative to theirs and must stay
below 1e-5. With fewer images than features a covariance is singular, and the libraries' roots of it are themselves
wrong by about 1e-5: what they find as the distance of a set from itself, which is 0, tells by how much, and twice that
is then the limit. So is twice the error of torch-fidelity's kernels, which are computed in fp32. The rows of 60 digits,
by the definition of the distance, show that ours is right to 1e-14 where covariances are singular."""


def _features_page(record: Record) -> str:
    kept, gflops = record["features"], record["peaks"]
    head = ("| features | images / s | of pytorch-fid (worst to best round) | of torch-fidelity | relative error |\n"
            "|---|---:|---:|---:|---:|")  # fmt: skip
    lines: list[str] = []
    for name, rates in kept["rates"].items():
        ratios = [[a / b for a, b in zip(rates, kept["rates"][base], strict=True)]
                  for base in ("pytorch-fid", "torch-fidelity")]  # fmt: skip
        middle = [statistics.median(one) for one in ratios]
        error = "another resize" if name == "torch-fidelity" else f"{kept['errors'][name]:.1e}"
        lines.append(f"| {name} | {statistics.median(rates):.1f} | {middle[0]:.2f} ({min(ratios[0]):.2f} to "
                     f"{max(ratios[0]):.2f}) | {middle[1]:.2f} | {error} |")  # fmt: skip
    count, fp32, bf16 = IMAGES * kept["rounds"] // ROUNDS, gflops["fp32"], gflops.get("bf16", 0)
    said = (
        f"{count:,} CIFAR-10 images, resize and all, to 2048 features, in batches of {BATCH}; medians of "
        f"{kept['rounds']} interleaved rounds. This processor has {fp32:.0f} GFLOP/s in fp32 and {bf16:.0f} in bf16"
        + (", so that bf16 is no gain here." if bf16 < fp32 else ".")
    )
    return "\n".join([f"## Speed\n\n{said}\n", head, *lines])


def main() -> None:
    """Run the stages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", choices=[*STAGES, []], help=", ".join(STAGES))
    wanted = parser.parse_args().stages
    allow_torchvision()
    place = RESULTS / "fidelity.json"
    record: Record = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    for stage in wanted:  # again
        record.pop(stage, None)
        record.get("agreement", {}).pop(stage, None)
    machine = device_name(torch.device("cpu"))
    record["machine"] = f"{machine}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    for stage in wanted or STAGES:
        if stage == "features":
            features(record)
        elif stage == "distance" and stage not in record:
            distance(record)
        elif stage in PARTS and stage not in record.get("agreement", {}):
            agreement(record, stage)
    print(f"\n{RESULTS / 'fidelity.md'}")


if __name__ == "__main__":
    main()
