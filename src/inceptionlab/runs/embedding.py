"""`embed` and `similar`: from a network and images to features, and to the images that are nearest."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Float
from torch import Tensor

from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import MeasuredNode
from inceptionlab.data.image_sets import ImagesOf, image_set
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.unlabelled import ImageSet
from inceptionlab.embedding.extraction import Extract, Extraction
from inceptionlab.embedding.extractors import CALIBRATING, extractor, is_here
from inceptionlab.embedding.files import is_embeddings, read_embeddings
from inceptionlab.embedding.neighbours import Metric, Ranking, nearest_rows
from inceptionlab.embedding.nodes import at_node, lies_on_sphere, usual_node
from inceptionlab.embedding.options import Computation
from inceptionlab.embedding.records import ROWS, Embeddings, Neighbour, Origin, Query, SimilarImages, mapped
from inceptionlab.errors import ConfigError, DataError
from inceptionlab.exporting.choosing import example_of, key_of
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.runs.folder import run_folder
from inceptionlab.runs.prediction import Opened, Source, Trained, is_exported, load_run

BATCH = 32


def embed(
    source: Source | InceptionNetwork, images: ImagesOf, node: str | None = None, settings: Computation | None = None
) -> Embeddings:  # fmt: skip
    """The features `n d` of images by a trained network, prepared as the network was trained, computed in fp32 by its
    exact rewriting unless `settings` say otherwise.

    By default they are what the classifier reads: for most members the mean of the last map, for facenet the embedding
    divided by its length (Schroff et al. 2015). `node` is any other node by its address: the mean of its map over
    height and width, or its vector. Images are what `image_set` takes. Features are kept in the user's cache by
    content, so that a killed computation goes on; under an initialised process group the processes share the work.

    Images that cannot be read are left out, and `unreadable` says why. Raises `DataError` where none can be read,
    `SpecError` for an unknown node, `ConfigError` for an exported file, which gives logits alone, and what `load_run`
    and `image_set` do.
    """
    how, network = settings or Computation(), _network(source)
    path = usual_node(network.spec) if node is None else node
    found, why = image_set(images, how.data_dir), dict[int, str]()
    work = _work(network, path, found, how, why)
    features = work.features(found).numpy()
    lost = [i for start in range(0, found.count, ROWS) for i in start + _lost(features[start : start + ROWS])]
    for i in lost:
        if i not in why:  # another process tried it
            work.prepare(found, i)
    unreadable = tuple(why.get(i, f"{found.where(i)} could not be read") for i in lost)
    if len(lost) == found.count:
        raise DataError(f"none of the images can be read: {unreadable[0]}")
    numbers = np.delete(np.arange(found.count), lost) if lost else np.arange(found.count)
    parts = (features[numbers[i : i + ROWS]] for i in range(0, len(numbers), ROWS))
    kept = mapped(parts, (len(numbers), work.dims)) if lost else features
    return Embeddings(kept, tuple(map(found.where, map(int, numbers))), _origin(source, network, path, how), unreadable)


def _network(source: Source | InceptionNetwork) -> InceptionNetwork:
    if isinstance(source, InceptionNetwork):
        return source
    if isinstance(source, Opened) or (not isinstance(source, Trained) and is_exported(source)):
        raise ConfigError("an exported file gives logits alone; embed takes the run, or the weights, that it came from")
    return load_run(source).network


def _work(
    network: InceptionNetwork, path: str, found: ImageSet, how: Computation, why: dict[int, str]
) -> Extraction:  # fmt: skip
    """How features of a node are computed; what cannot be read goes into `why` by its number."""
    is_here(how.device)
    module, taken = copy.deepcopy(at_node(network, path)).eval().cpu(), Preprocess(network.spec.input)

    def prepare(images: ImageSet, number: int) -> Float[Tensor, "c h w"] | None:
        try:
            return taken.prepare(images.source(number), images.where(number))[0]
        except DataError as error:
            why[number] = str(error)
            return None

    @cache
    def engine() -> Extract:
        samples = work.prepared(found, CALIBRATING) if how.precision == "int8" else example_of(network, 2)
        return extractor(module, samples, how.precision, how.device)

    known_by = f"{key_of(network)}-{path}-{how.precision}-{how.device}"
    known_by += f"-{found.digest}" if how.precision == "int8" else ""  # which its images calibrate
    work = Extraction(prepare, engine, _width(network, path), known_by, BATCH, how.workers)
    return work


def _lost(features: Float[np.ndarray, "m d"]) -> np.ndarray:
    """The rows of images that could not be read."""
    return np.flatnonzero(np.isnan(features).any(1))


def _width(network: InceptionNetwork, path: str) -> int:
    return _measured(network, path).output[0]


def _measured(network: InceptionNetwork, path: str) -> MeasuredNode:
    whole = measure(network.spec)
    return next(row for top in (*whole.children, *whole.aux) for row in top.walk() if row.path == path)


def _origin(source: Source | InceptionNetwork, network: InceptionNetwork, path: str, how: Computation) -> Origin:
    spec, (_, height, width) = network.spec, _measured(network, path).output
    named = "" if isinstance(source, Trained | Opened | InceptionNetwork) else str(run_folder(source).path)
    text = str(Path(named).resolve()) if named and Path(named).exists() else named
    return Origin(
        text, spec.title, key_of(network), path, "none" if (height, width) == (1, 1) else "mean",
        lies_on_sphere(spec, path), spec.input, how.precision,
    )  # fmt: skip


def similar(
    images: ImagesOf | Embeddings, among: ImagesOf | Embeddings, source: Source | InceptionNetwork | None = None,
    top: int = 5, metric: Metric = "cosine", node: str | None = None,
) -> SimilarImages:  # fmt: skip
    """The `top` nearest of each image among others, exactly; where distances are equal, in the order of names.

    `among` are features, a file of them, or images, whose features are computed, and kept in the cache. The network is
    that of the features; `source` (and `node`) name it where there are images alone, or where the features do not say.
    "cosine" distances are 1 − the cosine, "euclidean" the length of the difference. Memory does not grow with the
    number of images to look among.

    Raises `DataError` for features of another network or node, `ConfigError` where no network is known, and what
    `embed` and `read_embeddings` do.
    """
    base = _features_of(among, source, node)
    found = images if isinstance(images, Embeddings) else _queries(images, base, source, node)
    if base.origin and found.origin and base.identity != found.identity:
        raise DataError(f"the features to look among are of {base.origin}, and those to look for of {found.origin}, "
                        "whose weights, input or node are others; give features of the same")  # fmt: skip
    ranking = nearest_rows(found.features, base.features, base.where, top, metric)
    queries = tuple(Query(name, _nearest(base, ranking, i)) for i, name in enumerate(found.where))
    return SimilarImages(metric, len(base), queries, (*found.unreadable, *base.unreadable))


def _nearest(base: Embeddings, ranking: Ranking, query: int) -> tuple[Neighbour, ...]:
    pairs = zip(ranking.rows[query], ranking.distances[query], strict=True)
    return tuple(Neighbour(base.where[int(row)], float(distance)) for row, distance in pairs)


def _features_of(
    among: ImagesOf | Embeddings, source: Source | InceptionNetwork | None, node: str | None
) -> Embeddings:
    if isinstance(among, Embeddings):
        return among
    if isinstance(among, str | Path) and is_embeddings(Path(among)):
        return read_embeddings(among)
    if source is None:
        raise ConfigError("the images to look among have no features yet: name the network by --run, or write their "
                          "features by inceptionlab embed")  # fmt: skip
    return embed(source, among, node)


def _queries(
    images: ImagesOf, base: Embeddings, source: Source | InceptionNetwork | None, node: str | None
) -> Embeddings:  # fmt: skip
    """The features of images by the network of others, in their precision (8 bits, which other images calibrated, in
    fp32).
    """
    about = base.origin
    if source is None and not (about and about.source):
        raise ConfigError("the features to look among do not say where their network is; name it by --run")
    if source is None and about and Path(about.source).is_absolute() and not Path(about.source).exists():
        raise DataError(f"the features to look among are of {about}, which is not there any more; name it by --run")
    precision = about.precision if about and about.precision != "int8" else "fp32"
    wanted = node if node is not None or about is None else about.node
    return embed(cast(Source, source or cast(Origin, about).source), images, wanted, Computation(precision))
