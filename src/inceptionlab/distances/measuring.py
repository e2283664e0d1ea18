"""`fidelity`: two sets of images, or statistics of them, to the numbers of their distance."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.data.image_sets import ImageSet, ImagesOf, image_set
from inceptionlab.distances.comparing import Side, basis_of, compared
from inceptionlab.distances.gaussians import CHUNK, Gaussian, frechet, moments_of
from inceptionlab.distances.intervals import Sample
from inceptionlab.distances.networks import FeatureSource, any_network, network_source, of_member
from inceptionlab.distances.options import Settings
from inceptionlab.distances.protocols import ProtocolName, protocol_of
from inceptionlab.distances.result import Basis, FidelityResult, Moved
from inceptionlab.distances.statistics import Statistics, read_statistics, write_statistics
from inceptionlab.embedding.extraction import Extract, Extraction
from inceptionlab.embedding.extractors import CALIBRATING, extractor, is_here
from inceptionlab.errors import DataError
from inceptionlab.exporting.about import Precision
from inceptionlab.nn.building import InceptionNetwork

BATCH = 32
TRIED = 64
"""Images of each side on which a precision below fp32 is compared with it."""


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
    of which FID alone is told. `network` is a file of weights for the network of the distance (None: the published
    ones, which are downloaded once), whose `dims` features are compared, a run folder or a network of ours, of which
    the mean of the last map is, or any module of images `b 3 299 299` to features `b d`. The sets are looked at before
    anything is downloaded. Features are kept in the user's cache by content. Under an initialised process group the
    processes share the work and each gets the result.

    Raises `DataError` for sets and weights that cannot be used, `ConfigError` for unknown names.
    """
    chosen = settings or Settings()
    given = [_given(one, protocol, chosen) for one in (generated, real)]
    if network is None and isinstance(given[0], Statistics) and isinstance(given[1], Statistics):
        return _of_statistics(given[0], given[1], protocol, chosen)
    source = source_of(network, dims, protocol)
    sets = [one if isinstance(one, ImageSet) else None for one in given]
    work = extraction(source, protocol, next((one for one in reversed(sets) if one is not None), None), chosen)
    sides = [_side(one, work) for one in given]
    found = compared(
        sides[0], sides[1], basis_of(source, protocol_of(protocol), chosen.precision), source.classifier, chosen.seed
    )
    return replace(found, moved=_moved(sets, work, source, chosen.precision))


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
    chosen = settings or Settings()
    found = _given(images, protocol, chosen)
    if isinstance(found, Statistics):
        raise DataError(f"{found.path} holds statistics already; give images")
    source = source_of(network, dims, protocol)
    features = extraction(source, protocol, found, chosen).features(found)
    write_statistics(path, moments_of(torch.split(features, CHUNK), source.dims), protocol)
    return found.count


def extraction(source: FeatureSource, protocol: str, images: ImageSet | None, chosen: Settings) -> Extraction:
    """How features are computed; `images` are those that an engine is compared or calibrated on."""
    is_here(chosen.device)
    way = protocol_of(protocol)
    known_by = f"{way.name}-{source.identity}-{chosen.precision}-{chosen.device}"
    if chosen.precision == "int8" and images is not None:
        known_by += f"-{images.digest}"

    @cache
    def engine() -> Extract:
        assert images is not None  # no image, no features to compute
        samples = plain.prepared(images, CALIBRATING if chosen.precision == "int8" else 2)
        return extractor(source.module, samples, chosen.precision, chosen.device)

    def prepare(images: ImageSet, number: int) -> Float[Tensor, "3 h w"]:
        return way.prepare(images.pixels(number))

    plain = Extraction(prepare, engine, source.dims, known_by, BATCH, chosen.workers)
    return plain


def source_of(
    network: Path | str | nn.Module | FeatureSource | None, dims: int, protocol: str
) -> FeatureSource:  # fmt: skip
    """The features of a file of weights, of a module, or of what is a source already. Raises what `fidelity` does."""
    if isinstance(network, FeatureSource):
        return network
    way = protocol_of(protocol)
    if isinstance(network, InceptionNetwork):
        return of_member(network, way, "as given")
    return any_network(network) if isinstance(network, nn.Module) else network_source(network, dims, way)


def _given(one: ImagesOf, protocol: str, chosen: Settings) -> ImageSet | Statistics:
    """What stands at a name, looked at before weights are asked for: images, at least 2, or statistics."""
    if isinstance(one, str | Path) and Path(one).suffix == ".npz":
        return read_statistics(Path(one), protocol)
    found = image_set(one, chosen.data_dir)
    if found.count < 2:
        raise DataError(f"{found.name} holds {found.count} image(s); a distance needs at least 2, and thousands to "
                        "mean something")  # fmt: skip
    return found


def _of_statistics(a: Statistics, b: Statistics, protocol: str, chosen: Settings) -> FidelityResult:
    """The distance of what two files hold, which needs no network."""
    way, held, dims = protocol_of(protocol), len(a.gaussian.mean), len(b.gaussian.mean)
    if held != dims:
        raise DataError(f"{a.path} holds statistics of {held} features and {b.path} of {dims}; give two of one network")
    basis = Basis(way.name, way.resize, "the network of the files", dims, chosen.precision)
    return compared(Side(Sample(a.gaussian), a.n), Side(Sample(b.gaussian), b.n), basis)


def _side(given: ImageSet | Statistics, work: Extraction) -> Side:
    if isinstance(given, Statistics):
        return Side(Sample(given.of(work.dims)), given.n)
    return Side(Sample.of(work.features(given)), given.count, given.where)


def _moved(sets: list[ImageSet | None], work: Extraction, source: FeatureSource, precision: Precision) -> Moved | None:
    """What a precision changes; None in fp32, and where a side has no images."""
    both = [one for one in sets if one is not None]
    if precision == "fp32" or len(both) < 2:
        return None
    low, exact = work.engine(), source.module.cpu()
    found: list[tuple[Tensor, Tensor]] = []
    for images in both:
        inputs = work.prepared(images, TRIED)
        with torch.inference_mode():
            pairs: list[tuple[Tensor, Tensor]] = [(low(part), exact(part)) for part in torch.split(inputs, BATCH)]
        found.append((torch.cat([one for one, _ in pairs]), torch.cat([one for _, one in pairs])))
    error = max((torch.dist(one, truth) / torch.dist(truth, torch.zeros(()))).item() for one, truth in found)
    distances = [frechet(*(Gaussian.of_features(pair[i]) for pair in found)) for i in (0, 1)]
    return Moved(min(len(one) for one, _ in found), error, distances[1], distances[0])
