"""A network of the zoo for other classes, other pictures and another stem, as one value."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from inceptionlab.analysis.geometry import measure
from inceptionlab.errors import SizeError, SpecError, nearest
from inceptionlab.rules import small_stem
from inceptionlab.spec.network import Aux, Network
from inceptionlab.spec.nodes import Pool
from inceptionlab.spec.tree import sequence
from inceptionlab.zoo.registry import get_spec

Stem = Literal["auto", "imagenet", "small"]


def configured(
    name: str | Network,
    num_classes: int | None = None,
    in_channels: int | None = None,
    input_size: int | tuple[int, int] | None = None,
    aux: bool = False,
    stem: Stem = "auto",
) -> Network:
    """The spec that `create_model` builds."""
    if stem not in ("auto", "imagenet", "small"):
        raise SpecError(f"stem={stem!r}: {nearest(stem, ('auto', 'imagenet', 'small'))}")
    spec = get_spec(name) if isinstance(name, str) else name
    spec = spec if aux else spec.without_aux()
    spec = spec if num_classes is None else spec.with_classes(num_classes)
    spec = spec if in_channels is None else spec.with_channels(in_channels)
    if input_size is None and stem != "small":
        return spec
    size = (spec.input.height, spec.input.width) if input_size is None else input_size
    side = size if isinstance(size, int) else min(size)
    if stem == "small" or (stem == "auto" and 2 * side < min(spec.input.height, spec.input.width)):
        spec = small_stem(side)(spec)
    return with_fitting_aux(spec.resized(size))


def with_fitting_aux(spec: Network) -> Network:
    """The network with auxiliary heads that fit its input: where pixels run out in one, its first pool gives the
    grid that it gives in the paper, whatever it reads.
    """
    heads = tuple(aux if _fits(replace(spec, aux=(aux,))) else _adaptive(aux, spec.name) for aux in spec.aux)
    return replace(spec, aux=heads)


def _fits(spec: Network) -> bool:
    measure(spec.without_aux())
    try:
        measure(spec)
    except SizeError:
        return False
    return True


def _adaptive(aux: Aux, name: str) -> Aux:
    paper = {row.path: row for row in measure(get_spec(name)).walk()}
    children = tuple(
        (key, Pool(node.kind, to=paper[f"{aux.name}.{key}"].output[1]) if isinstance(node, Pool) else node)
        for key, node in aux.head.children
    )
    return replace(aux, head=sequence(children))
