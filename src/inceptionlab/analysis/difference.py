"""What differs between two networks: changes of single nodes, and the same change of many nodes said once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from inceptionlab.analysis.changes import phrases, short, told
from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.measured import MeasuredNetwork, MeasuredNode, format_shape
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Concat, Node, Residual, Sum
from inceptionlab.spec.tree import children_of, walk

ALIKE = 3
"""So many groups that differ in numbers only become one."""
RESHAPED = "written alike, but of other shapes"
NAMED = 3
"""Addresses that are all written; of more, the first and the last."""


@dataclass(frozen=True, slots=True)
class Change:
    """A node that stands in B only ("+"), in A only ("-"), or in both and differs ("~")."""

    sign: Literal["-", "+", "~"]
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.sign} {self.path}: {self.text}"


@dataclass(frozen=True, slots=True)
class Group:
    """The same change of several top-level nodes, with what it adds to their parameters and MACs.

    `projections` are shortcuts with weights that A does not have, and `projection_params` are their parameters.
    """

    what: str
    paths: tuple[str, ...]
    params: int
    macs: int
    projections: int = 0
    projection_params: int = 0
    modules: bool = False

    def __str__(self) -> str:
        count = len(self.paths)
        some = ", ".join(self.paths) if count <= NAMED else f"{self.paths[0]} … {self.paths[-1]}"
        subject = some if count == 1 else f"{count} {'modules' if self.modules else 'nodes'} ({some})"
        parts = [f"{subject}: {self.what}"]
        if self.projections:
            plural = "s" if self.projections > 1 else ""
            parts.append(f"{self.projections} projection{plural}, {self.projection_params:+,} parameters")
        alone = self.projection_params == self.params and self.projections
        costs = [] if alone else [f"{self.params:+,} parameters"] if self.params else []
        costs += [f"{self.macs:+,} MACs"] if self.macs else []
        in_all = "in all " if self.projections and not alone else ""
        return "; ".join([*parts, *([in_all + ", ".join(costs)] if costs else [])])


@dataclass(frozen=True, slots=True, repr=False)
class Difference:
    """What differs between the networks `a` and `b` (titles). Pairs are (of A, of B).

    As text: a line for each group of changes and the totals last. `lines` are all single changes.
    """

    a: str
    b: str
    groups: tuple[Group, ...]
    settings: tuple[str, ...]
    changes: tuple[Change, ...]
    params: tuple[int, int]
    macs: tuple[int, int]
    params_with_aux: tuple[int, int]
    shapes: tuple[tuple[int, int, int], tuple[int, int, int]]
    classes: tuple[int, int]

    @property
    def equal(self) -> bool:
        """Whether the networks are the same but for their names."""
        return not (self.groups or self.settings)

    @property
    def lines(self) -> list[str]:
        """Every node that differs, with "-", "+" or "~"; then the totals, with "="."""
        shapes = " → ".join(format_shape(shape) for shape in self.shapes)
        pairs = (("parameters", self.params), ("MACs", self.macs))
        return [
            *map(str, self.changes),
            *(f"= {name}: {_pair(pair)}" for name, pair in pairs),
            f"= input: {shapes}; classes: {self.classes[0]} → {self.classes[1]}",
        ]

    @property
    def sentences(self) -> list[str]:
        """A line for each setting and each group of nodes that differs, or that the networks are equal."""
        if self.equal:
            return [f"equal: {self.a} and {self.b} are the same network"]
        return [*self.settings, *map(str, self.groups)]

    def __str__(self) -> str:
        return "\n".join([*self.sentences, self._totals()])

    __repr__ = __str__

    def _totals(self) -> str:
        text = f"parameters {_pair(self.params)}, MACs {_pair(self.macs)}"
        if self.params_with_aux == self.params:
            return text
        return f"{text}; with auxiliary heads parameters {_pair(self.params_with_aux)}"

    def as_record(self) -> dict[str, Any]:
        """All of it for JSON."""
        return {**asdict(self), "equal": self.equal}


def _pair(pair: tuple[int, int]) -> str:
    a, b = pair
    return f"{a:,}, the same" if a == b else f"{a:,} → {b:,} ({(b - a) / max(a, 1):+.1%})"


def diff(a: Network, b: Network) -> Difference:
    """What made `b` of `a`: printed, a line for each change however many nodes it concerns, and the totals last.

    `diff(a, b).lines` has every node, `.groups` and `.changes` are typed records, `.equal` says whether there is none.
    Raises `SizeError` where one of them cannot be measured.
    """
    first, second = measure(a), measure(b)
    return Difference(
        a.title, b.title, tuple(_groups(first, second)), tuple(_settings(a, b)), tuple(_changes(a, b)),
        (first.params, second.params), (first.macs, second.macs), (first.params_with_aux, second.params_with_aux),
        (a.input.shape, b.input.shape), (a.classes, b.classes),
    )  # fmt: skip


def _settings(a: Network, b: Network) -> Iterator[str]:
    """What differs beside the nodes: the input, the classes, where auxiliary heads hang and count."""
    if a.input.shape != b.input.shape:
        yield f"input {format_shape(a.input.shape)} → {format_shape(b.input.shape)}"
    for field in fields(a.input):
        old, new = getattr(a.input, field.name), getattr(b.input, field.name)
        if field.name not in ("channels", "height", "width") and old != new:
            yield f"input: {field.name} {_shown(old)} → {_shown(new)}"
    if a.classes != b.classes:
        yield f"classes {a.classes:,} → {b.classes:,}"
    heads = {aux.name: aux for aux in a.aux}
    for aux in b.aux:
        before = heads.get(aux.name, aux)
        if (before.after, before.weight) != (aux.after, aux.weight):
            yield f"{aux.name}: after {before.after} × {before.weight:g} → after {aux.after} × {aux.weight:g}"
    order = [[name for name, _ in tree.children] for tree in (a, b)]
    if order[0] != order[1] and sorted(order[0]) == sorted(order[1]):
        yield "the nodes stand in another order"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{part:.4g}" for part in value)  # type: ignore[reportUnknownVariableType]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _groups(a: MeasuredNetwork, b: MeasuredNetwork) -> list[Group]:
    """The changes of the top-level nodes, equal ones together."""
    old = {row.path: row for row in (*a.children, *a.aux)}
    new = {row.path: row for row in (*b.children, *b.aux)}
    before, after = dict(_written(a.network)), dict(_written(b.network))
    exact: dict[tuple[str, str], list[str]] = {}
    for path in [*old, *(path for path in new if path not in old)]:
        if text := _told(old.get(path), new.get(path), before.get(path), after.get(path)):
            exact.setdefault(text, []).append(path)
    groups: dict[str, list[str]] = {}
    for (what, kind), paths in exact.items():
        alike = sum(other == kind for _, other in exact)
        groups.setdefault(kind if alike >= ALIKE else what, []).extend(paths)
    return [_group(what, paths, old, new, {**before, **after}) for what, paths in groups.items()]


def _written(network: Network) -> Iterator[tuple[str, Node]]:
    """The top-level nodes and auxiliary heads as they were written: a measured one has numbers for STREAM."""
    yield from network.children
    yield from ((aux.name, aux.head) for aux in network.aux)


def _told(old: MeasuredNode | None, new: MeasuredNode | None, before: Node | None, after: Node | None
          ) -> tuple[str, str] | None:  # fmt: skip
    """What became of a top-level node, with numbers and without; None for nothing."""
    if before is not None and (new is None or after is None):
        return f"removed ({short(before)})", "removed"
    if after is not None and (old is None or before is None):
        return f"added ({short(after)})", "added"
    if before is None or after is None or old is None or new is None:
        return None
    if before != after:
        return told(list(phrases(before, after)))
    return None if (old.params, old.macs) == (new.params, new.macs) else (RESHAPED, RESHAPED)


def _group(what: str, paths: Sequence[str], old: Mapping[str, MeasuredNode], new: Mapping[str, MeasuredNode],
           written: Mapping[str, Node]) -> Group:  # fmt: skip
    before, after = [old[path] for path in paths if path in old], [new[path] for path in paths if path in new]
    known = {row.path for top in before for row in _projections(top)}
    added = [row for top in after for row in _projections(top) if row.path not in known]
    params = sum(row.params for row in after) - sum(row.params for row in before)
    macs = sum(row.macs for row in after) - sum(row.macs for row in before)
    modules = all(children_of(written[path]) for path in paths)
    return Group(what, tuple(paths), params, macs, len(added), sum(row.params for row in added), modules)


def _projections(top: MeasuredNode) -> list[MeasuredNode]:
    """Shortcuts that have weights."""
    return [row for row in top.walk() if row.path.endswith(".shortcut") and row.params]


def _changes(a: Network, b: Network) -> Iterator[Change]:
    """Every node that differs; what stands below one that is new or gone is not said again."""
    old, new = dict(walk(a)), dict(walk(b))
    for path in [*old, *(path for path in new if path not in old)]:
        if path not in new:
            if _parent(path) not in old or _parent(path) in new:
                yield Change("-", path, repr(old[path]))
        elif path not in old:
            if _parent(path) not in new or _parent(path) in old:
                yield Change("+", path, repr(new[path]))
        elif _alone(old[path]) != _alone(new[path]):
            yield Change("~", path, f"{_alone(old[path])} became {_alone(new[path])}")


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _alone(node: Node) -> str:
    """A node without its children."""
    if isinstance(node, Residual):
        depth = f"stochastic_depth={node.stochastic_depth:g}"
        return f"Residual(scale={node.scale:g}, act={node.act}, gamma={node.gamma}, {depth})"
    if not children_of(node):
        return repr(node)
    dropping = isinstance(node, Concat | Sum) and node.stochastic_depth
    return f"{type(node).__name__}(stochastic_depth={dropping:g})" if dropping else type(node).__name__
