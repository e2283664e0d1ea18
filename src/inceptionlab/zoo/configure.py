"""A network of the zoo for other classes, other images and another stem, as one value."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import MeasuredNetwork
from inceptionlab.errors import SizeError, SpecError, nearest
from inceptionlab.rules import small_stem
from inceptionlab.spec.network import Aux, Network
from inceptionlab.spec.nodes import Pool
from inceptionlab.spec.tree import sequence
from inceptionlab.zoo.naming import as_network
from inceptionlab.zoo.registry import REGISTRY, get_spec

Stem = Literal["auto", "imagenet", "small"]


def configured(
    name: str | Network,
    num_classes: int | None = None,
    in_channels: int | None = None,
    input_size: int | tuple[int, int] | None = None,
    aux: bool = False,
    stem: Stem = "auto",
) -> Network:
    """The spec that `create_model` builds, of a network or what `network_of` finds by a name."""
    if stem not in ("auto", "imagenet", "small"):
        raise SpecError(f"stem={stem!r}: {nearest(stem, ('auto', 'imagenet', 'small'))}")
    spec = as_network(name)
    spec = spec if aux else spec.without_aux()
    spec = spec if num_classes is None else spec.with_classes(num_classes)
    spec = spec if in_channels is None else spec.with_channels(in_channels)
    if input_size is None and stem != "small":
        return spec
    size = (spec.input.height, spec.input.width) if input_size is None else input_size
    resized = spec.resized(size)
    side = min(resized.input.height, resized.input.width)
    if stem == "small" or (stem == "auto" and 2 * side < min(spec.input.height, spec.input.width)):
        resized = small_stem(side)(spec).resized(size)
    return with_fitting_aux(resized, spec)


def with_fitting_aux(spec: Network, paper: Network | None = None) -> Network:
    """The network with auxiliary heads that fit its input: where pixels run out in one, its first pool gives the
    grid that it gives in `paper`, the network at the size that it was made for, whatever it reads.

    Without `paper` that is the zoo's network of its name. Raises `SizeError` where no grid is known.
    """
    heads = tuple(aux if _fits(replace(spec, aux=(aux,))) else _adaptive(aux, paper or spec) for aux in spec.aux)
    return replace(spec, aux=heads)


def _fits(spec: Network) -> bool:
    measure(spec.without_aux())
    try:
        measure(spec)
    except SizeError:
        return False
    return True


def _adaptive(aux: Aux, paper: Network) -> Aux:
    grids = {row.path: row.output[1] for row in _made_for(paper).walk()}
    children = tuple(
        (key, Pool(node.kind, to=grids.get(f"{aux.name}.{key}", 1)) if isinstance(node, Pool) else node)
        for key, node in aux.head.children
    )
    return replace(aux, head=sequence(children))


def _made_for(paper: Network) -> MeasuredNetwork:
    """A network measured at the size that its heads were made for: its own, or, where a rule has made that small, that
    of the zoo's network of its name.
    """
    try:
        return measure(paper)
    except SizeError:
        if paper.name not in REGISTRY:
            raise
        return measure(get_spec(paper.name))
