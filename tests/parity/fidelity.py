"""Distances between sets of images against the libraries that define them, with one random set of weights for all.

    PYTHONPATH=.oracles python -m tests.parity fidelity            # all parts
    PYTHONPATH=.oracles python -m tests.parity fidelity clean-fid  # one of them, some minutes

Features, FID, KID, Inception Score, precision and recall of CIFAR-10 images and of photographs, and statistics
exchanged as .npz both ways. The last column must stay below 1e-5.

With fewer images than features a covariance is singular, and the libraries' roots of it (`sqrtm`, `eigvals`) are exact
to about 1e-5 only: twice the distance that they find of a set from itself, which is 0, is then the limit if it is
larger, and stands beside; so does twice the error of torch-fidelity's kernels, which are fp32. The part "exact" shows
who is right: by the formula in 60 digits.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from inceptionlab.data.image_sets import image_set
from inceptionlab.distances.gaussians import Gaussian, frechet
from inceptionlab.distances.kernels import kernel_distance
from inceptionlab.distances.measuring import extraction, fidelity, save_statistics
from inceptionlab.distances.metric import Fidelity
from inceptionlab.distances.networks import network_source
from inceptionlab.distances.options import Settings
from inceptionlab.distances.protocols import protocol_of
from tests.distances.digits import in_digits
from tests.parity.rows import EXACT, HEAD, LIMIT, Row


@dataclass(frozen=True)
class Case:
    """Two folders of images of one kind, and the weights for all."""

    kind: str
    pair: tuple[Path, Path]
    weights: Path

    def value(self, oracle: str, what: str, theirs: float, ours: float | None, limit: float = LIMIT) -> Row:
        """The row of a number; a limit that their own rounding sets is noted."""
        note = "" if limit in (LIMIT, EXACT) else f"twice their own error: {limit:.1e}"
        error = float("nan") if ours is None else abs(ours - theirs) / (abs(theirs) or 1.0)
        return Row(self.kind, oracle, what, theirs, ours, error, limit, note)

    def features(self, oracle: str, what: str, theirs: np.ndarray, ours: Tensor) -> Row:
        """The row of features."""
        truth = torch.from_numpy(theirs).double()
        return Row(self.kind, oracle, what, None, None, ((ours - truth).norm() / truth.norm()).item())

    def ours(self, protocol: str, dims: int = 2048) -> list[Tensor]:
        """Our features of both folders."""
        source = network_source(self.weights, dims, protocol_of(protocol))
        sets = [image_set(folder) for folder in self.pair]
        return [extraction(source, protocol, one, Settings()).features(one).clone() for one in sets]


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


def folders(root: Path, data: Path, kind: str, count: int) -> tuple[Path, Path]:
    """Two folders of images of a kind: `count` and a fifth more, of photographs a third."""
    made: list[Path] = []
    for part, number in zip(("test", "train"), (count, count + count // 5), strict=True):
        place = root / kind / str(count) / part
        place.mkdir(parents=True)
        known = f"cifar10#{part}" if kind == "CIFAR-10" else data / "hymenoptera" / {"test": "val"}.get(part, part)
        images = image_set(known, data)
        chosen = np.linspace(0, images.count - 1, number if kind == "CIFAR-10" else number // 3).astype(int)
        for i in chosen.tolist():
            file = images.source(i)
            if isinstance(file, str):
                shutil.copy(file, place / f"{i:05}{Path(file).suffix}")
            else:
                Image.fromarray(images.pixels(i)).save(place / f"{i:05}.png")
        made.append(place)
    return made[0], made[1]


def of_pytorch_fid(case: Case, sizes: Sequence[int] = (2048, 192, 64)) -> Iterator[Row]:
    """Its features and its distance, and statistics from its files and for them."""
    for dims in sizes:
        yield from _of_pytorch_fid(case, dims)


def _of_pytorch_fid(case: Case, dims: int) -> Iterator[Row]:
    from pytorch_fid import fid_score
    from pytorch_fid.inception import InceptionV3

    state, name, distance = torch.load(case.weights), "pytorch-fid", fid_score.calculate_frechet_distance
    with patch("pytorch_fid.inception.load_state_dict_from_url", lambda *_, **__: state):
        model = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[dims]]).eval()
    batch = 50 if case.kind == "CIFAR-10" else 1  # images of one batch have one size
    theirs = [fid_score.get_activations(sorted(one.iterdir()), model, batch, dims, "cpu", 0) for one in case.pair]
    for folder, one, own in zip(case.pair, theirs, case.ours(name, dims), strict=True):
        yield case.features(name, f"{dims} features of {len(one)} ({folder.name})", one, own)
    statistics = [(one.mean(0), np.cov(one, rowvar=False)) for one in theirs]
    expected, limit = distance(*statistics[0], *statistics[1]), allowed(distance, theirs)
    found = fidelity(*case.pair, case.weights, dims=dims).fid
    yield case.value(name, f"FID, {dims} features", expected, found, limit)
    with tempfile.TemporaryDirectory() as place:
        np.savez_compressed(f"{place}/theirs.npz", mu=statistics[1][0], sigma=statistics[1][1])
        by_file = fidelity(case.pair[0], f"{place}/theirs.npz", case.weights, dims=dims).fid
        yield case.value(name, f"FID to its .npz, {dims} features", expected, by_file, limit)
        save_statistics(case.pair[1], Path(place) / "ours.npz", case.weights, dims=dims)
        read = fid_score.compute_statistics_of_path(f"{place}/ours.npz", model, 1, dims, "cpu", 0)
    yield case.value(name, f"its FID to our .npz, {dims} features", expected, distance(*statistics[0], *read), limit)


def allowed(distance: Callable[..., float], features: Sequence[np.ndarray]) -> float:
    """The relative error of a library's distance, twice that of a set from itself, or `LIMIT` if that is larger."""
    if min(map(len, features)) > features[0].shape[1]:
        return LIMIT
    a, b = ((one.mean(0), np.cov(one, rowvar=False)) for one in features)
    return max(LIMIT, 2 * abs(distance(*a, *a)) / abs(distance(*a, *b)))


def of_clean_fid(case: Case) -> Iterator[Row]:
    """Its features, its distance and its kernel distance."""
    from cleanfid import fid
    from cleanfid.inception_pytorch import InceptionV3

    state, name = torch.load(case.weights), "clean-fid"
    with patch("cleanfid.inception_pytorch.load_state_dict_from_url", lambda *_, **__: state):
        network = InceptionV3([3], resize_input=False, normalize_input=False).eval()

    def model(x: Tensor) -> Tensor:
        return network((x - 128) / 128)[0].flatten(1)

    options = {"num_workers": 0, "device": torch.device("cpu"), "mode": "clean", "verbose": False}
    theirs = [fid.get_files_features(sorted(map(str, one.iterdir())), model, **options) for one in case.pair]
    mine = case.ours(name)
    for folder, one, own in zip(case.pair, theirs, mine, strict=True):
        yield case.features(name, f"2048 features of {len(one)} ({folder.name})", one, own)
    found, expected = fidelity(*case.pair, case.weights, "clean-fid"), fid.fid_from_feats(*theirs)
    yield case.value(name, "FID", expected, found.fid, allowed(fid.frechet_distance, theirs))
    n = len(theirs[0])  # of sets of one size its subsets are the whole
    expected = fid.kernel_distance(*(one[:n].astype(np.float64) for one in theirs))
    yield case.value(name, "KID", expected, kernel_distance(mine[0], mine[1][:n]).mean)


def of_torch_fidelity(case: Case) -> Iterator[Row]:
    """All that it measures, by its one call."""
    import torch_fidelity

    count = min(len(list(one.iterdir())) for one in case.pair)
    theirs = torch_fidelity.calculate_metrics(
        input1=str(case.pair[0]), input2=str(case.pair[1]), fid=True, kid=True, isc=True, prc=True,
        feature_extractor="inception-v3-compat", feature_extractor_weights_path=str(case.weights),
        kid_subset_size=count, cuda=False, verbose=False, cache=False, save_cpu_ram=True,
        batch_size=50 if case.kind == "CIFAR-10" else 1,
    )  # fmt: skip
    found = fidelity(*case.pair, case.weights, "torch-fidelity")
    names = {
        "frechet_inception_distance": found.fid, "kernel_inception_distance_mean": found.kid,
        "kernel_inception_distance_std": found.kid_std, "inception_score_mean": found.inception_score,
        "inception_score_std": found.inception_score_std, "precision": found.precision, "recall": found.recall,
    }  # fmt: skip
    mine = case.ours("torch-fidelity")
    limits = _kernels_in_fp32(mine, count)
    limits["frechet_inception_distance"] = allowed(by_torch_fidelity, [one.numpy() for one in mine])
    for name, own in names.items():
        yield case.value("torch-fidelity", name.replace("_", " "), theirs[name], own, limits.get(name, LIMIT))


def _kernels_in_fp32(features: list[Tensor], count: int) -> dict[str, float]:
    """Twice the relative error that its kernels in fp32 bring, or `LIMIT` where that is larger."""
    from torch_fidelity.metric_kid import kid_features_to_metric

    low, high = (kid_features_to_metric(*(one.to(dtype) for one in features), kid_subset_size=count, verbose=False)
                 for dtype in (torch.float32, torch.float64))  # fmt: skip
    return {name: max(LIMIT, 2 * abs(low[name] - high[name]) / abs(high[name])) for name in high}


def by_torch_fidelity(*statistics: np.ndarray) -> float:
    """Its distance between mean and covariance twice."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    pairs = [dict(zip(("mu", "sigma"), statistics[i : i + 2], strict=True)) for i in (0, 2)]
    return fid_statistics_to_metric(*pairs, False)[KEY_METRIC_FID]


def of_torchmetrics(case: Case) -> Iterator[Row]:
    """Its distance by the same resize as torch-fidelity's, which it can be told to take; ours in its collection."""
    from torchmetrics import MetricCollection
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(64, feature_extractor_weights_path=str(case.weights), antialias=False)
    metric.set_dtype(torch.float64)
    both = MetricCollection({"ours": Fidelity(case.weights, "torch-fidelity", dims=64).metric()})
    for folder, name in zip(case.pair, ("generated", "real"), strict=True):
        images = image_set(folder)
        for i in range(images.count):
            image = torch.from_numpy(images.pixels(i).copy()).permute(2, 0, 1)[None]
            metric.update(image, real=name == "real")
            both.update(**{name: image})
        later = both.clone()  # a loop that was killed goes on
        later.load_state_dict(both.state_dict())
        both = later
    found, expected = fidelity(*case.pair, case.weights, "torch-fidelity", dims=64), metric.compute().item()
    yield case.value("torchmetrics", "FID, 64 features", expected, found.fid)
    own = both.compute()["fid"].item()
    yield case.value("torchmetrics", "FID, 64 features, ours in its MetricCollection", expected, own)


def of_digits(case: Case) -> Iterator[Row]:
    """Distances of 20 images, whose covariances are singular, in 60 digits, and by ours and the libraries."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    for dims in (64, 2048):
        few = [one[:20] for one in case.ours("pytorch-fid", dims)]
        truth, what = in_digits(*few), f"FID of 20, {dims} features"
        statistics = [part for one in few for part in (one.double().numpy().mean(0), np.cov(one.double().numpy().T))]
        gaussians = [Gaussian.of_covariance(*map(torch.from_numpy, statistics[i : i + 2])) for i in (0, 2)]
        own = frechet(*(Gaussian.of_features(one) for one in few))
        yield case.value("60 digits", what, truth, own, EXACT)
        yield case.value("60 digits", f"{what}, from covariances", truth, frechet(*gaussians), EXACT)
        for name, distance in (("pytorch-fid", calculate_frechet_distance), ("torch-fidelity", by_torch_fidelity)):
            theirs = distance(*statistics)
            error = abs(theirs - truth) / truth
            yield Row(case.kind, "60 digits", f"{what}, {name}'s in place of ours", truth, theirs, error, float("inf"))


PARTS: dict[str, tuple[Callable[[Case], Iterator[Row]], int, tuple[str, ...]]] = {
    "exact": (of_digits, 60, ("CIFAR-10", "photographs")),
    "pytorch-fid": (of_pytorch_fid, 240, ("CIFAR-10", "photographs")),
    "pytorch-fid-768": (lambda case: of_pytorch_fid(case, (768,)), 1000, ("CIFAR-10",)),
    "clean-fid": (of_clean_fid, 240, ("CIFAR-10", "photographs")),
    "torch-fidelity": (of_torch_fidelity, 240, ("CIFAR-10", "photographs")),
    "torchmetrics": (of_torchmetrics, 240, ("CIFAR-10", "photographs")),
}
"""What each part compares, of how many images (a third as many photographs), and of which."""


def rows(part: str, data: Path) -> Iterator[Row]:
    """The comparisons of a part, by features that are computed anew."""
    oracle, count, kinds = PARTS[part]
    with tempfile.TemporaryDirectory() as root, patch.dict(os.environ, INCEPTIONLAB_HOME=f"{root}/home"):
        weights = Path(root) / "random.pth"
        random_weights(weights)
        for kind in kinds:
            yield from oracle(Case(kind, folders(Path(root), data, kind, count), weights))


def compare(parts: Sequence[str] = ()) -> int:
    """Print the rows of some parts, or of all, as they come; gives the number of red ones."""
    data = os.environ.get("INCEPTIONLAB_DATA")
    if data is None:
        print("\ndistances between sets are not compared: INCEPTIONLAB_DATA names no folder of data sets")
        return 0
    print(f"\n{HEAD}", flush=True)
    red = 0
    for part in parts or PARTS:
        for row in rows(part, Path(data)):
            red += row.red
            print(row, flush=True)
    return red
