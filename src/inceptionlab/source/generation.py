"""The text of plain PyTorch for whatever holds a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol, cast

from inceptionlab import storage
from inceptionlab.errors import SpecError
from inceptionlab.source.writing import network_text, node_text
from inceptionlab.spec.codec import from_json
from inceptionlab.spec.network import Network
from inceptionlab.zoo.naming import network_of


class Specified(Protocol):
    """A built network, or whatever else says the network that it is of."""

    @property
    def spec(self) -> Network:
        """The network as a value."""
        ...


class Holding(Protocol):
    """A trained network."""

    @property
    def network(self) -> Specified:
        """The network."""
        ...


Source = Network | Specified | Holding | os.PathLike[str] | str
"""A network: a value, built, trained, whatever `network_of` reads, or a file that `import-weights` wrote."""


def code(source: Source, node: str | None = None, *, aux: bool = False, command: str | None = None) -> str:
    """A network as a file of plain PyTorch that imports torch only: readable, formatted, with the same logits from the
    same weights, because its tensors have the same names.

    `node` is the address of one node that is wanted alone ("inception3a"); `aux` keeps the auxiliary heads; `command`
    is what the head of the file says it was made by. Raises `SpecError` for an unknown name, node or kind of source and
    for a `Block`, whose module is written elsewhere, and `SizeError` where the input is too small.
    """
    network = spec_of(source)
    said = str(source) if isinstance(source, str | os.PathLike) else network.title
    options = ("" if node is None else f" --node {node}") + (" --aux" if aux else "")
    command = command or f"inceptionlab code {said if ' ' not in said else chr(34) + said + chr(34)}{options}"
    if node is not None:
        return node_text(network, node, command)
    return network_text(network if aux else network.without_aux(), command, bool(network.aux) and not aux)


def spec_of(source: Source) -> Network:
    """The network of whatever holds one."""
    if isinstance(source, Network):
        return source
    if isinstance(source, os.PathLike | str):
        text = os.fspath(source)
        return _weighed(Path(text)) if text.endswith(".safetensors") else network_of(text)
    holder = source if hasattr(source, "spec") else getattr(source, "network", None)
    found = getattr(holder, "spec", None)
    if not isinstance(found, Network):
        raise SpecError(f"{type(source).__name__} holds no network; give a name, a Network, a built network or a run")
    return found


def _weighed(path: Path) -> Network:
    """The network of a file of weights that says which it is of."""
    about = storage.read_about(path, SpecError)
    if "spec" not in about:
        raise SpecError(f"{path} does not say what network it is for; make it with inceptionlab import-weights")
    return cast(Network, from_json(about["spec"]))
