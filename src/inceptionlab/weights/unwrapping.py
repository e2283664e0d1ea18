"""Which library named the tensors of a file, and where among them its network stands: wrappers and people's own models
put names before it and heads beside it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from inceptionlab.weights.named import NAMED
from inceptionlab.weights.ordered import ORDERED
from inceptionlab.weights.scheme import Named, Scheme

OURS = Named("InceptionLab", "", "", ())
HEADS = re.compile(
    r"^((new_)?(fc|head|heads|top|dense|dropout|linear|mlp|out|output|outputs|logits|last_linear|last_bn|last_layer|classif|"
    r"classifier|predictions|projection|projector|embedding)\d?[._]|n_averaged$)"
)
"""What people call what stands beside or behind a backbone."""
DEEPEST = 4
"""Names that may stand before a network's own."""
FEWEST = 20
"""Tensors of what may be a network."""


@dataclass(frozen=True, slots=True)
class Found:
    """The tensors of a network by its source's names, the source, the names before them, and the keys that are no part
    of it.
    """

    state: dict[str, Tensor]
    scheme: Scheme
    inside: str
    beside: tuple[str, ...]


def recognise(keys: Iterable[str]) -> Scheme:
    """The first scheme that a key gives away, or our own."""
    names = list(keys)
    return next((scheme for scheme in (*NAMED, *ORDERED) if scheme.recognises(names)), OURS)


def unwrapped(theirs: dict[str, Tensor], own: Mapping[str, Tensor]) -> Found:
    """The network in a file: all of it, or what stands behind the names of a wrapper ("model.", "ema_model._orig_mod.")
    or of a model that it is a layer of ("xception."); the average of weights goes before those that it is of.

    Where none is recognised, all of it is taken for ours.
    """
    for prefix in _prefixes(theirs):
        state = {key.removeprefix(prefix): value for key, value in theirs.items() if key.startswith(prefix)}
        scheme = recognise(state)
        if scheme is OURS and not _is_ours(state, own):
            continue
        spare = {layer for layer in _matrices(state) if not layer.startswith("predictions")}
        spare = spare if scheme.source == "Keras" else set[str]()  # the trunks of Keras hold no matrices, heads do
        kept = {key: value for key, value in state.items() if key.rpartition(".")[0] not in spare}
        beside = [key for key in theirs if key.removeprefix(prefix) not in kept or not key.startswith(prefix)]
        return Found(kept, scheme, prefix.rstrip("."), tuple(beside))
    return Found(theirs, OURS, "", ())


def _prefixes(keys: Iterable[str]) -> list[str]:
    """What may stand before the names of a network: nothing, then averages, then the one before most keys."""
    counts: Counter[str] = Counter()
    for key in keys:
        parts = key.split(".")
        counts.update(".".join(parts[: i + 1]) + "." for i in range(min(len(parts) - 1, DEEPEST)))
    found = [prefix for prefix, count in counts.items() if count >= FEWEST]
    return ["", *sorted(found, key=lambda prefix: ("ema" not in prefix, -counts[prefix]))]


def _is_ours(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> bool:
    """Whether most of our names stand there."""
    return 2 * sum(key in state for key in own) > len(own)


def _matrices(state: Mapping[str, Tensor]) -> set[str]:
    """The layers whose weight is a matrix."""
    return {key.removesuffix(".weight") for key, value in state.items() if key.endswith(".weight") and value.ndim == 2}
