"""`fidelity`: two sets of images, or statistics of them, to the numbers of their distance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.distances import intervals
from inceptionlab.distances.extraction import Extraction, threads
from inceptionlab.distances.gaussians import CHUNK, Gaussian, frechet, moments_of
from inceptionlab.distances.intervals import Sample
from inceptionlab.distances.kernels import kernel_distance
from inceptionlab.distances.neighbours import neighbours
from inceptionlab.distances.networks import Extract, FeatureSource, any_network, extractor, frechet_network
from inceptionlab.distances.options import Settings
from inceptionlab.distances.protocols import ProtocolName, protocol_of
from inceptionlab.distances.result import Basis, FidelityResult, Moved, Twin
from inceptionlab.distances.scores import inception_score
from inceptionlab.distances.sets import ImageSet, ImagesOf, image_set
from inceptionlab.distances.statistics import read_statistics, write_statistics
from inceptionlab.errors import ConfigError, DataError
from inceptionlab.exporting.about import Precision

BATCH = 32
CALIBRATING, TRIED = 64, 64
"""Images that calibrate 8 bits, and images of each side on which a precision below fp32 is compared with it."""
LISTED = 20


@dataclass(frozen=True, slots=True)
class Side:
    """One of two sets: what is known of it, and its images where it has any."""

    sample: Sample
    n: int | None
    images: ImageSet | None = None

    @property
    def features(self) -> Float[Tensor, "n d"] | None:
        """Its features; None of statistics."""
        return self.sample.features


def fidelity(
    generated: ImagesOf,
    real: ImagesOf,
    network: Path | str | nn.Module | FeatureSource | None = None,
    protocol: ProtocolName = "pytorch-fid",
    dims: int = 2048,
    settings: Settings | None = None,
) -> FidelityResult:
    """FID with its interval, KID, Inception Score, precision, recall, density, coverage and copies of two sets.

    A set is a folder, .parquet, a named set or one of the hub (see `image_set`), a tensor of bytes, or .npz statistics,
    of which FID alone is told. `network` is a file of weights for the network of the distance, whose `dims` features
    are compared, or any module of images `b 3 299 299` to features `b d`. Features are kept in the user's cache by
    content. Under an initialised process group the processes share the work and each gets the result.

    Raises `DataError` for sets and weights that cannot be used, `ConfigError` for unknown names.
    """
    chosen, texts = settings or Settings(), (generated, real)
    source = _source(network, dims)
    sets = [None if _is_statistics(one) else _several(image_set(one, chosen.data_dir)) for one in texts]
    work = extraction(source, protocol, next((one for one in reversed(sets) if one is not None), None), chosen)
    sides = [_side(one, images, work) for one, images in zip(texts, sets, strict=True)]
    return _compared(sides[0], sides[1], work, chosen)


def save_statistics(
    images: ImagesOf,
    path: Path,
    network: Path | str | nn.Module | FeatureSource | None = None,
    protocol: ProtocolName = "pytorch-fid",
    dims: int = 2048,
    settings: Settings | None = None,
) -> int:
    """Write the statistics of a set as .npz, which pytorch-fid and clean-fid read too; gives the number of images.

    Raises what `fidelity` does.
    """
    chosen, source = settings or Settings(), _source(network, dims)
    found = _several(image_set(images, chosen.data_dir))
    features = extraction(source, protocol, found, chosen).features(found)
    write_statistics(path, moments_of(torch.split(features, CHUNK), source.dims))
    return found.count


def extraction(source: FeatureSource, protocol: str, images: ImageSet | None, chosen: Settings) -> Extraction:
    """How features are computed; `images` are those that an engine is compared or calibrated on."""
    if chosen.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("there is no CUDA device here; give device cpu")
    way = protocol_of(protocol)
    known_by = f"{source.identity}-{chosen.precision}-{chosen.device}"
    if chosen.precision == "int8" and images is not None:
        known_by += f"-{images.digest}"

    @cache
    def engine() -> Extract:
        assert images is not None  # no image, no features to compute
        samples = plain.prepared(images, CALIBRATING if chosen.precision == "int8" else 2)
        return extractor(source, samples, chosen.precision, chosen.device)

    plain = Extraction(source, way, engine, known_by, BATCH, chosen.workers or threads())
    return plain


def _source(network: Path | str | nn.Module | FeatureSource | None, dims: int) -> FeatureSource:
    if isinstance(network, FeatureSource):
        return network
    return any_network(network) if isinstance(network, nn.Module) else frechet_network(network, dims)


def _is_statistics(one: ImagesOf) -> bool:
    return isinstance(one, str | Path) and Path(one).suffix == ".npz"


def _several(images: ImageSet) -> ImageSet:
    if images.count < 2:
        raise DataError(f"{images.name} holds {images.count} image(s); a distance needs at least 2, and thousands to "
                        "mean something")  # fmt: skip
    return images


def _side(one: ImagesOf, images: ImageSet | None, work: Extraction) -> Side:
    if images is None:
        gaussian, n = read_statistics(Path(cast(str, one)), work.source.dims)
        return Side(Sample(gaussian), n)
    return Side(Sample.of(work.features(images)), images.count, images)


def _compared(a: Side, b: Side, work: Extraction, chosen: Settings) -> FidelityResult:
    source, way = work.source, work.protocol
    fid = frechet(a.sample.gaussian, b.sample.gaussian)
    low, high = intervals.bootstrap(a.sample, b.sample, fid, chosen.seed) or (None, None)
    scored = a.features is not None and source.classifier is not None
    score = inception_score(cast(Tensor, a.features), cast(Tensor, source.classifier)) if scored else (None, None)
    alone = FidelityResult(
        a.n, b.n, Basis(way.name, way.resize, source.title, source.dims, chosen.precision), fid, low, high,
        intervals.extrapolated(a.sample, b.sample, fid, chosen.seed),
        intervals.floor(b.sample if b.features is not None else a.sample, chosen.seed),
        inception_score=score[0], inception_score_std=score[1], moved=_moved(a, b, work, chosen.precision),
    )  # fmt: skip
    return _with_pairs(alone, a, b)


def _with_pairs(alone: FidelityResult, a: Side, b: Side) -> FidelityResult:
    """The same with what needs the features of both sides."""
    if a.features is None or b.features is None or a.images is None or b.images is None:
        return alone
    kid, near = kernel_distance(a.features, b.features), neighbours(a.features, b.features)
    copies = torch.nonzero(near.same | near.near)[:, 0]
    copies = copies[near.distance[copies].argsort(stable=True)]
    listed = cast(list[int], copies[:LISTED].tolist())
    twins = tuple(Twin(a.images.where(i), b.images.where(int(near.nearest[i])), float(near.distance[i]),
                       bool(near.same[i])) for i in listed)  # fmt: skip
    return replace(
        alone, kid=kid.mean, kid_std=kid.std, kid_whole=kid.whole, kid_error=kid.error, precision=near.precision,
        recall=near.recall, density=near.density, coverage=near.coverage, same=int(near.same.sum()),
        near=int(near.near.sum()), twins=twins,
    )  # fmt: skip


def _moved(a: Side, b: Side, work: Extraction, precision: Precision) -> Moved | None:
    """What a precision changes; None in fp32, and where a side has no images."""
    if precision == "fp32" or a.images is None or b.images is None:
        return None
    low, exact = work.engine(), work.source.module.cpu()
    found: list[tuple[Tensor, Tensor]] = []
    for images in (a.images, b.images):
        inputs = work.prepared(images, TRIED)
        with torch.inference_mode():
            pairs: list[tuple[Tensor, Tensor]] = [(low(part), exact(part)) for part in torch.split(inputs, BATCH)]
        found.append((torch.cat([one for one, _ in pairs]), torch.cat([one for _, one in pairs])))
    error = max((torch.dist(one, truth) / torch.dist(truth, torch.zeros(()))).item() for one, truth in found)
    distances = [frechet(*(Gaussian.of_features(pair[i]) for pair in found)) for i in (0, 1)]
    return Moved(min(len(one) for one, _ in found), error, distances[1], distances[0])
