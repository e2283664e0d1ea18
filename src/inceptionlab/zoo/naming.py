"""What a user calls a network, read in one place: a name of the zoo, with weights or without, a function of a Python
file, a file of a spec, or a run folder; rules may follow each.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from inceptionlab import storage
from inceptionlab.errors import SpecError
from inceptionlab.rules import parse_rule
from inceptionlab.spec.codec import Blocks, at_hand, loads
from inceptionlab.spec.network import Network
from inceptionlab.zoo.own import network_in, unbuilt
from inceptionlab.zoo.published import Published, find_published, is_published
from inceptionlab.zoo.registry import entry, is_known

SPEC = "spec.json"
"""The file of a run folder that says its network."""


def network_of(text: str, blocks: Blocks | None = None) -> Network:
    """The network that a text names: `NAME` of the zoo, `FILE.py:FUNCTION`, `FILE.json` or a run folder; rules may
    follow each: `"mine.py:mine | residual(0.1)"`. NAME@WEIGHTS is the network of published weights, for their classes
    and images of their size.

    A Python file is run. The function takes no arguments and gives a `Network`; a `Network` may stand in its place.
    `blocks` are the factories of `Block` nodes in a spec or a run folder, whose code is not run (`blocks_of(file)`);
    without them such a network can be looked at, not built. Raises `SpecError`.
    """
    place, _, rules = text.partition("|")
    network = _network(place.strip(), blocks)
    return parse_rule(rules)(network) if rules.strip() else network


def as_network(given: Network | str) -> Network:
    """A network as it is, or what `network_of` reads."""
    return network_of(given) if isinstance(given, str) else given


def is_place(text: str) -> bool:
    """Whether a text names a file or a folder, and not a network of the zoo."""
    place = text.partition("|")[0].strip()
    return not is_known(place) and (_is_code(place) or place.endswith(".json") or os.path.isdir(place))


def runs_code(text: str) -> bool:
    """Whether `network_of` would run a file of the user's."""
    return _is_code(text.partition("|")[0].strip())


def state_of(text: str) -> int:
    """A number that is another one when the file behind a text was written anew; 0 for a name."""
    place = text.partition("|")[0].strip()
    if not is_place(text):
        return 0
    file = _parts(place)[0] if _is_code(place) else place if place.endswith(".json") else os.path.join(place, SPEC)
    return os.stat(file).st_mtime_ns if os.path.exists(file) else 0


def beside(text: str, folder: Path) -> str:
    """The text with its file or folder looked for in `folder`, as one that stands in a file of that folder means it."""
    place, bar, rules = text.partition("|")
    there = str((folder / place.strip()).resolve())
    return f"{there} {bar}{rules}" if bar and is_place(there) else there if is_place(there) else text


def _network(place: str, blocks: Blocks | None) -> Network:
    if is_known(place):
        return entry(place).make()
    if is_published(place):
        return _published(find_published(place))
    if _is_code(place):
        file, name = _parts(place)
        return network_in(Path(file), name)
    if place.endswith(".json"):
        return _read(Path(place), blocks)
    if os.path.isdir(place):
        if not (Path(place) / SPEC).is_file():
            raise SpecError(f"{place} is a folder without {SPEC}, so it is no run; train prints the run folder")
        return _read(Path(place) / SPEC, blocks)
    if os.path.dirname(place):
        raise SpecError(f"there is no {place}; a network is a name, FILE.py:FUNCTION, FILE.json or a run folder")
    return entry(place).make()


def _published(row: Published) -> Network:
    """The network of published weights, as it is before their mean and deviation are folded into it."""
    spec = entry(row.form).make().with_classes(row.outputs)
    resized = spec.resized((row.input.height, row.input.width))
    return replace(resized, input=replace(resized.input, crop=row.input.crop, interpolation=row.input.interpolation))


def _read(file: Path, blocks: Blocks | None) -> Network:
    text, known = storage.read_text(file), blocks or at_hand() or unbuilt
    try:
        found = loads(text, known)
    except SpecError as error:
        raise SpecError(f"{file}: {error}") from None
    if not isinstance(found, Network):
        raise SpecError(f"{file} holds a node ({type(found).__name__}), not a whole network")
    return found


def _is_code(place: str) -> bool:
    return place.endswith(".py") or ".py:" in place


def _parts(place: str) -> tuple[str, str]:
    """(the file, the name in it)."""
    file, colon, name = place.rpartition(".py:")
    if not colon or not name:
        raise SpecError(f"{place} names a file; name the function too that gives the network: {place}:NAME")
    return f"{file}.py", name
