"""Which networks of the zoo a file of weights is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from inceptionlab.errors import DataError
from inceptionlab.nn.building import build
from inceptionlab.weights.readers.reading import read_state
from inceptionlab.weights.scheme import CLASSIFIER
from inceptionlab.weights.unwrapping import unwrapped
from inceptionlab.zoo.registry import REGISTRY

LEAST = 0.5
"""The share of tensors in common below which a network is not named."""


def match_networks(file: Path | str) -> tuple[str, ...]:
    """The networks of the zoo that a file's tensors fit best, by their names and shapes; several where they do equally.

    Classifiers and auxiliary heads do not count. Raises `DataError` where the file cannot be read or fits none.
    """
    theirs = read_state(Path(file))
    known = unwrapped(theirs, {}).scheme
    shares = {name: _share(theirs, name) for name in REGISTRY if re.match(known.member, name)}
    best = max(shares.values(), default=0.0)
    if best < LEAST:
        raise DataError(f"{file} fits no network of the zoo; inceptionlab list shows them all")
    return tuple(name for name, share in shares.items() if share == best)


def _share(theirs: dict[str, Tensor], name: str) -> float:
    """The tensors that a file and a network have in common, as a share of those that either has."""
    spec = REGISTRY[name].make().without_aux()
    with torch.device("meta"):
        network = build(spec, init=None)
    head = f"{spec.head.children[-1][0]}."
    own = {key: value for key, value in cast(dict[str, Tensor], network.state_dict()).items() if _counts(key, head)}
    found = unwrapped(theirs, own)
    try:
        pairs = found.scheme.pairs(found.state, own)
    except DataError:  # another number of layers
        return 0.0
    heads = re.compile(f"{found.scheme.aux}|{CLASSIFIER}")
    rest = [key for key in found.state if key not in pairs and _counts(key, head) and not heads.search(key)]
    common = sum(_sides(found.state, key) == _sides(own, ours) for key, ours in pairs.items())
    return common / (len(own) + len(pairs) - common + len(rest))


def _counts(key: str, head: str) -> bool:
    return not key.startswith(head) and not key.endswith("num_batches_tracked")


def _sides(state: Mapping[str, Tensor], key: str) -> list[int]:
    """A tensor's shape without ones, which sources store or leave out."""
    return [size for size in state[key].shape if size > 1]
