"""What classes are called."""

from __future__ import annotations

import re
from string import ascii_uppercase

from inceptionlab.source.phrases import Call, Group
from inceptionlab.source.shapes import Shape, Shapes
from inceptionlab.spec.network import Network
from inceptionlab.zoo.registry import REGISTRY


def name_shapes(shapes: Shapes, network: Network, taken: set[str]) -> None:
    """Give every shape a name; those of one kind are told apart by letters, in the order of the network."""
    families: dict[str, list[Shape]] = {}
    stem, heads = {name for name, _ in network.stem.children}, {aux.name for aux in network.aux}
    for shape in shapes.values():
        families.setdefault(_family(shape.first, stem, heads), []).append(shape)
    for family, members in families.items():
        for number, shape in enumerate(members):
            letter = ascii_uppercase[number] if number < len(ascii_uppercase) else str(number + 1)
            name = family if len(members) == 1 else f"{family}{letter}"
            shape.name = f"{name}Module" if name in taken else name


def _family(group: Group, stem: set[str], heads: set[str]) -> str:
    top = group.path.partition(".")[0]
    match group.kind:
        case "seq":
            if top in heads:
                return "AuxiliaryHead"
            return "SeparableConv" if _is_separable(group) else "Layers"
        case "split":
            return "Mixer"
        case "product":
            return "Gate"
        case "concat" if group.around is None:
            return "Stem" if top in stem else "Reduction" if group.shrinks else "Inception"
        case "concat":
            return "Fork" if group.around == "concat" else "Branches"
        case _:
            return "Block" if group.around is None else "InnerBlock"


def _is_separable(group: Group) -> bool:
    """Whether a group is a depthwise and then a pointwise convolution."""
    calls = [child.name for _, child in group.children if isinstance(child, Call)]
    return len(calls) == 2 and calls[0].startswith("Depthwise") and not calls[1].startswith("Depthwise")


def class_of(network: Network) -> str:
    """The class of a network: its member's name where that is the beginning of its own, else its own."""
    entry = REGISTRY.get(network.name)
    if entry is not None and _squashed(network.name).startswith(_squashed(entry.member)):
        return _camel(entry.member)
    return _camel(network.name) or "Network"


def _squashed(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _camel(text: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", text)
    name = "".join(word if word[0].isupper() else word.capitalize() for word in words)
    name = re.sub(r"(?<=[a-zN])v(?=\d)|V(?=\d$)", "V", name)
    return f"Network{name}" if name[:1].isdigit() else name


def function_of(path: str) -> str:
    """The function that makes the node at an address."""
    name = re.sub(r"\W+", "_", path, flags=re.ASCII).strip("_").lower()
    return name if name and not name[0].isdigit() else f"node_{name}"
