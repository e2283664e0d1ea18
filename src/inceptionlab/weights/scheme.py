"""How the names of another library's checkpoint and our addresses belong together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from inceptionlab.errors import DataError, counted
from inceptionlab.spec.network import Input

Put: TypeAlias = "str | Callable[[re.Match[str]], str]"
Rows: TypeAlias = tuple[tuple[str, Put], ...]

CLASSIFIER = r"^(fc|last_linear|classif|classifier|logits|output|head\.fc2?|predictions)\."
"""What libraries call the layer whose width is the number of classes."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """The names of a source: the start of our networks' names, a pattern that only its keys match, and its input.

    `input=None` is the input that our spec has. `aux` matches the keys of its auxiliary heads. `marked` is how many
    keys the pattern must match (0: at least one).
    """

    source: str
    member: str
    mark: str
    rows: Rows
    input: Input | None = None
    aux: str = r"^aux\d?\."
    marked: int = 0

    def pairs(self, theirs: Mapping[str, object], ours: Iterable[str]) -> dict[str, str]:
        """Our key for each of their keys that has one."""
        raise NotImplementedError

    @property
    def names(self) -> str:
        """The start of our networks' names, to read."""
        return re.sub(r"\\d", "N", self.member).replace("\\", "").strip("$.")

    def recognises(self, keys: Iterable[str]) -> bool:
        """Whether the keys are those of this source."""
        pattern = re.compile(self.mark)
        found = sum(1 for key in keys if pattern.search(key))
        return found == self.marked if self.marked else found > 0


@dataclass(frozen=True, slots=True)
class Named(Scheme):
    """A source whose name for each tensor follows from our address: `rows` are substitutions from ours to theirs."""

    def theirs(self, key: str) -> str:
        """Their name for our address."""
        return substituted(self.rows, key)

    def pairs(self, theirs: Mapping[str, object], ours: Iterable[str]) -> dict[str, str]:
        """Our key for each of their keys that has one; a classifier may have another of its usual names."""
        place = {self.theirs(key): key for key in ours}
        usual = {re.sub(CLASSIFIER, "fc.", name): key for name, key in place.items()} | place
        known = ((key, key if key in usual else re.sub(CLASSIFIER, "fc.", key)) for key in theirs)
        return {key: usual[name] for key, name in known if name in usual}


@dataclass(frozen=True, slots=True)
class Ordered(Scheme):
    """A source whose layers, in the order of their names after `rows`, are ours in the order of the spec.

    `groups` are pairs of patterns (theirs after `rows`, ours); the layers of a group are paired among themselves,
    each with the first group that it matches. A group that only one side has is left alone.
    """

    groups: tuple[tuple[str, str], ...] = ((r"^(aux)", r"^aux"), (r"^zz", r"^(fc|classifier|logits)\."), (r"", r""))

    def pairs(self, theirs: Mapping[str, object], ours: Iterable[str]) -> dict[str, str]:
        """Our key for each of their keys. Raises `DataError` where a group has more layers on one side."""
        left = _grouped({substituted(self.rows, key): key for key in theirs}, [group[0] for group in self.groups])
        right = _grouped({key: key for key in ours}, [group[1] for group in self.groups], natural=False)
        found: dict[str, str] = {}
        for their_layers, our_layers in zip(left, right, strict=True):
            if not their_layers or not our_layers:
                continue
            if len(their_layers) != len(our_layers):
                raise DataError(
                    f"{self.source} has {counted(len(their_layers), 'layer')} where {self.member} has {len(our_layers)}"
                )
            for theirs_one, ours_one in zip(their_layers, our_layers, strict=True):
                found |= {key: ours_one[leaf] for leaf, key in theirs_one.items() if leaf in ours_one}
        return found


def substituted(rows: Rows, key: str) -> str:
    """The key after every substitution, in order."""
    for pattern, put in rows:
        key = re.sub(pattern, put, key)
    return key


def _grouped(keys: Mapping[str, str], groups: list[str], natural: bool = True) -> list[list[dict[str, str]]]:
    """For each group its layers in order, each as the original key of each of its tensors."""
    layers: dict[str, dict[str, str]] = {}
    for name, key in keys.items():
        layer, _, leaf = name.rpartition(".")
        if leaf != "num_batches_tracked":
            layers.setdefault(layer, {})[leaf] = key
    found: list[list[dict[str, str]]] = [[] for _ in groups]
    for layer in sorted(layers, key=_natural) if natural else layers:
        place = next((i for i, pattern in enumerate(groups) if re.search(pattern, f"{layer}.")), None)
        if place is not None:
            found[place].append(layers[layer])
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key by which "10" follows "9"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
