"""Distances between sets of images against the libraries that define them, with one random set of weights for all.

Run by `make parity`: features, FID, KID, Inception Score, precision and recall of CIFAR-10 images and of photographs,
and statistics exchanged as .npz both ways. The last column must stay below 1e-5. With fewer images than features the
libraries take the root of a singular matrix and are themselves less exact: the distance that they find of a set from
itself, which is 0, twice is then the limit if it is larger, and stands beside.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from inceptionlab.data.image_sets import image_set
from inceptionlab.distances.measuring import extraction, fidelity, save_statistics
from inceptionlab.distances.metric import Fidelity
from inceptionlab.distances.networks import network_source
from inceptionlab.distances.options import Settings
from inceptionlab.distances.protocols import protocol_of
from tests.parity.oracles import allow_torchvision

LIMIT = 1e-5


@dataclass(frozen=True)
class Row:
    """What was compared: theirs and ours."""

    images: str
    oracle: str
    what: str
    theirs: Tensor | float
    ours: Tensor | float
    limit: float = LIMIT

    @property
    def error(self) -> float:
        """Relative to theirs."""
        theirs, ours = (torch.as_tensor(one, dtype=torch.float64) for one in (self.theirs, self.ours))
        return ((ours - theirs).norm() / theirs.norm()).item()

    def __str__(self) -> str:
        values = "" if isinstance(self.theirs, Tensor) else f"{self.theirs:.6f} | {self.ours:.6f}"
        red = "" if self.error <= self.limit else "  <-- above the limit"
        beside = "" if self.limit == LIMIT else f" (twice theirs of a set from itself: {self.limit:.1e})"
        return f"| {self.images} | {self.oracle} | {self.what} | {values or ' | '} | {self.error:.1e}{beside} |{red}"


def random_weights(path: Path) -> None:
    """A checkpoint of the network under pytorch-fid's names whose features differ from image to image."""
    from pytorch_fid.inception import fid_inception_v3

    nothing = patch("pytorch_fid.inception.load_state_dict_from_url", lambda *_, **__: {})
    with nothing, patch.object(nn.Module, "load_state_dict", lambda *_, **__: None):
        network = fid_inception_v3()
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    torch.save(network.state_dict(), path)


def folders(root: Path, data: Path, count: int) -> dict[str, tuple[Path, Path]]:
    """Two folders of images for each kind."""
    found: dict[str, tuple[Path, Path]] = {}
    for kind, parts in {
        "CIFAR-10": ("cifar10#test", "cifar10#train"), "photographs": ("val", "train")
    }.items():  # fmt: skip
        made: list[Path] = []
        for part, number in zip(parts, (count, count + count // 5), strict=True):
            place = root / kind / part
            place.mkdir(parents=True)
            source = part if kind == "CIFAR-10" else data / "hymenoptera" / part
            images = image_set(source, data)
            number = number if kind == "CIFAR-10" else number // 3
            for i in np.linspace(0, images.count - 1, number).astype(int).tolist():
                Image.fromarray(images.pixels(i)).save(place / f"{i:05}.png")
            made.append(place)
        found[kind] = made[0], made[1]
    return found


def ours(folder: Path, weights: Path, protocol: str, dims: int = 2048) -> Tensor:
    """Our features of a folder."""
    images = image_set(folder)
    return (
        extraction(network_source(weights, dims, protocol_of(protocol)), protocol, images, Settings())
        .features(images)
        .clone()
    )


def of_pytorch_fid(kind: str, pair: tuple[Path, Path], weights: Path, dims: int) -> Iterator[Row]:
    """Its features and its distance, and statistics from its files and for them."""
    from pytorch_fid import fid_score
    from pytorch_fid.inception import InceptionV3

    state = torch.load(weights)
    with patch("pytorch_fid.inception.load_state_dict_from_url", lambda *_, **__: state):
        model = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[dims]]).eval()
    theirs = [fid_score.get_activations(sorted(folder.iterdir()), model, 1, dims, "cpu", 0) for folder in pair]
    for folder, one in zip(pair, theirs, strict=True):
        yield Row(kind, "pytorch-fid", f"{dims} features ({folder.name})", torch.from_numpy(one),
                  ours(folder, weights, "pytorch-fid", dims))  # fmt: skip
    statistics = [(one.mean(0), np.cov(one, rowvar=False)) for one in theirs]
    expected = fid_score.calculate_frechet_distance(*statistics[0], *statistics[1])
    limit = allowed(fid_score.calculate_frechet_distance, theirs[0], expected)
    yield Row(kind, "pytorch-fid", f"FID, {dims} features", expected, fidelity(*pair, weights, dims=dims).fid, limit)
    with tempfile.TemporaryDirectory() as place:
        np.savez_compressed(f"{place}/theirs.npz", mu=statistics[1][0], sigma=statistics[1][1])
        by_file = fidelity(pair[0], f"{place}/theirs.npz", weights, dims=dims).fid
        yield Row(kind, "pytorch-fid", f"FID to its .npz, {dims} features", expected, by_file, limit)
        save_statistics(pair[1], Path(place) / "ours.npz", weights, dims=dims)
        read = fid_score.compute_statistics_of_path(f"{place}/ours.npz", model, 1, dims, "cpu", 0)
    yield Row(kind, "pytorch-fid", f"its FID to our .npz, {dims} features", expected,
              fid_score.calculate_frechet_distance(*statistics[0], *read))  # fmt: skip


def allowed(distance: Callable[..., float], features: np.ndarray, expected: float) -> float:
    """The relative error of a library's distance, twice that of a set from itself, or `LIMIT` if that is larger."""
    if len(features) > features.shape[1]:
        return LIMIT
    statistics = features.mean(0), np.cov(features, rowvar=False)
    return max(LIMIT, 2 * abs(distance(*statistics, *statistics)) / expected)


def of_clean_fid(kind: str, pair: tuple[Path, Path], weights: Path) -> Iterator[Row]:
    """Its features, its distance and its kernel distance."""
    from cleanfid import fid
    from cleanfid.inception_pytorch import InceptionV3

    state = torch.load(weights)
    with patch("cleanfid.inception_pytorch.load_state_dict_from_url", lambda *_, **__: state):
        network = InceptionV3([3], resize_input=False, normalize_input=False).eval()

    def model(x: Tensor) -> Tensor:
        return network((x - 128) / 128)[0].flatten(1)

    options = {"num_workers": 0, "device": torch.device("cpu"), "mode": "clean", "verbose": False}
    theirs = [fid.get_files_features(sorted(map(str, one.iterdir())), model, **options) for one in pair]
    mine = [ours(folder, weights, "clean-fid") for folder in pair]
    for folder, one, own in zip(pair, theirs, mine, strict=True):
        yield Row(kind, "clean-fid", f"2048 features ({folder.name})", torch.from_numpy(one), own)
    found = fidelity(*pair, weights, "clean-fid")
    expected = fid.fid_from_feats(*theirs)
    yield Row(kind, "clean-fid", "FID", expected, found.fid, allowed(fid.frechet_distance, theirs[0], expected))
    equal = [one[: len(theirs[0])] for one in theirs]  # its subsets are then the whole
    yield Row(kind, "clean-fid", "KID", fid.kernel_distance(*(one.astype(np.float64) for one in equal)), kid(mine))


def kid(features: list[Tensor]) -> float:
    """Our kernel distance of sets of one size."""
    from inceptionlab.distances.kernels import kernel_distance

    return kernel_distance(features[0], features[1][: len(features[0])]).mean


def of_torch_fidelity(kind: str, pair: tuple[Path, Path], weights: Path) -> Iterator[Row]:
    """All that it measures, by its one call."""
    import torch_fidelity

    options = {"cuda": False, "verbose": False, "cache": False, "batch_size": 1, "save_cpu_ram": True}
    count = min(len(list(one.iterdir())) for one in pair)
    theirs = torch_fidelity.calculate_metrics(
        input1=str(pair[0]), input2=str(pair[1]), fid=True, kid=True, isc=True, prc=True,
        feature_extractor="inception-v3-compat", feature_extractor_weights_path=str(weights), kid_subset_size=count,
        **options,
    )  # fmt: skip
    found = fidelity(*pair, weights, "torch-fidelity")
    names = {
        "frechet_inception_distance": found.fid, "kernel_inception_distance_mean": found.kid,
        "kernel_inception_distance_std": found.kid_std, "inception_score_mean": found.inception_score,
        "inception_score_std": found.inception_score_std, "precision": found.precision, "recall": found.recall,
    }  # fmt: skip
    limit = allowed(by_torch_fidelity, ours(pair[0], weights, "torch-fidelity").numpy(), found.fid)
    for name, own in names.items():
        yield Row(
            kind, "torch-fidelity", name.replace("_", " "), theirs[name], own, limit if "frechet" in name else LIMIT
        )


def by_torch_fidelity(*statistics: np.ndarray) -> float:
    """Its distance between mean and covariance twice."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    pairs = [dict(zip(("mu", "sigma"), statistics[i : i + 2], strict=True)) for i in (0, 2)]
    return fid_statistics_to_metric(*pairs, False)[KEY_METRIC_FID]


def of_torchmetrics(kind: str, pair: tuple[Path, Path], weights: Path) -> Iterator[Row]:
    """Its distance by the same resize as torch-fidelity's, which it can be told to take."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(192, feature_extractor_weights_path=str(weights), antialias=False)
    metric.set_dtype(torch.float64)
    for folder, real in zip(pair, (False, True), strict=True):
        images = image_set(folder)
        for i in range(images.count):
            metric.update(torch.from_numpy(images.pixels(i).copy()).permute(2, 0, 1)[None], real=real)
    found = fidelity(*pair, weights, "torch-fidelity", dims=192)
    yield Row(kind, "torchmetrics", "FID, 192 features", metric.compute().item(), found.fid)
    yield Row(kind, "torchmetrics", "our metric in its MetricCollection", found.fid, in_collection(pair, weights))


def in_collection(pair: tuple[Path, Path], weights: Path) -> float:
    """Our distance as a metric of a collection of theirs."""
    from torchmetrics import MetricCollection

    both = MetricCollection({"ours": Fidelity(weights, "torch-fidelity", dims=192).metric()})
    for folder, name in zip(pair, ("generated", "real"), strict=True):
        images = image_set(folder)
        for i in range(images.count):
            both.update(**{name: torch.from_numpy(images.pixels(i).copy()).permute(2, 0, 1)[None]})
    return both.compute()["fid"].item()


def rows(root: Path, data: Path, count: int) -> Iterator[Row]:
    """All comparisons."""
    weights = root / "random.pth"
    random_weights(weights)
    for kind, pair in folders(root, data, count).items():
        for dims in (2048, 768, 192, 64):
            yield from of_pytorch_fid(kind, pair, weights, dims)
        for oracle in (of_clean_fid, of_torch_fidelity, of_torchmetrics):
            yield from oracle(kind, pair, weights)


def compare(count: int = 300) -> int:
    """Print the table for `count` images of CIFAR-10, and a third as many photographs; gives the number of red rows."""
    data = os.environ.get("INCEPTIONLAB_DATA")
    if data is None:
        print("\ndistances between sets are not compared: INCEPTIONLAB_DATA names no folder of data sets")
        return 0
    print("\n| images | oracle | what | theirs | ours | relative error |\n|---|---|---|---:|---:|---:|", flush=True)
    red = 0
    with tempfile.TemporaryDirectory() as root, patch.dict(os.environ, INCEPTIONLAB_HOME=f"{root}/home"):
        for row in rows(Path(root), Path(data), count):
            red += row.error > row.limit
            print(row, flush=True)
    return red


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=300, help="of CIFAR-10; a third as many photographs")
    allow_torchvision()
    sys.exit(bool(compare(parser.parse_args().images)))
