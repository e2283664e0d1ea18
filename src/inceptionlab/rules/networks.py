"""Rules that change a network as a whole: its stem, or any node at an address."""

from __future__ import annotations

import dataclasses
from math import log2

from inceptionlab.analysis.geometry import measure
from inceptionlab.errors import SpecError
from inceptionlab.rules.rule import Change, everywhere, on_networks, rule
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import ActKind, Conv, Dropout, Linear, Node
from inceptionlab.spec.tree import matches, sequence, walk
from inceptionlab.spec.values import Probability, Side


@rule
def small_stem(size: Side = 32) -> Change:
    """For images of `size` pixels: 3 x 3 convolutions take the place of the stem, with as much stride as leaves
    the body about the grid that it has in its paper (none at 32).

    Example: inception_v3 | small_stem(32)
    """

    def change(network: Network) -> Network:
        first = next((node for _, node in walk(network.stem) if isinstance(node, Conv)), None)
        if first is None:
            raise SpecError(f"{network.name} has no convolution in its stem that small_stem could replace")
        tops = measure(network).children[: len(network.stem.children)]
        width, grid = tops[-1].output[0], tops[-1].output[1]
        halvings = max(0, round(log2(size / grid)))
        conv = dataclasses.replace(first, kernel=3, stride=1, pad="same", groups=1)
        down = [dataclasses.replace(conv, out=max(1, width >> i), stride=2) for i in range(halvings, 0, -1)]
        convs = [*down, dataclasses.replace(conv, out=width)]
        stem = sequence(tuple((f"stem{i + 1}", node) for i, node in enumerate(convs)))
        return dataclasses.replace(network, stem=stem).resized(size)

    return on_networks("small_stem", change)


@rule
def whitened(kernel: Side = 2, act: ActKind | None = "gelu") -> Change:
    """A convolution before the stem, which the recipe's `whiten` fixes from data: of a patch of `kernel` x `kernel`
    pixels every direction and its negative, without padding (Jordan 2024, section 3.2).

    Example: small_v1 | whitened
    """

    def change(network: Network) -> Network:
        names = [name for name, _ in network.children]
        if "whiten" in names:
            raise SpecError(f"{network.name} has a node called whiten already")
        conv = Conv(2 * network.input.channels * kernel**2, kernel, pad="valid", norm=None, act=act)
        stem = sequence((("whiten", conv), *network.stem.children))
        return dataclasses.replace(network, stem=stem)

    return on_networks("whitened", change)


@rule
def dropout(p: Probability) -> Change:
    """The head's dropout drops with probability `p`; a head without one gets it before its classifier.

    Example: googlenet | dropout(0.5)
    """

    def change(network: Network) -> Network:
        children = [(n, Dropout(p) if isinstance(node, Dropout) else node) for n, node in network.head.children]
        if not any(isinstance(node, Dropout) for _, node in children):
            place = max((i for i, (_, node) in enumerate(children) if isinstance(node, Linear)), default=None)
            if place is None:
                raise SpecError(f"{network.name} has no classifier that dropout could stand before")
            children.insert(place, ("dropout", Dropout(p)))
        return dataclasses.replace(network, head=sequence(tuple(children)))

    return on_networks("dropout", change)


@rule
def aux_after(name: str) -> Change:
    """The auxiliary head hangs after another node of the top level: "reduction1" is where a tutorial puts the one of
    Inception-v2.

    Example: inception_v2 | aux_after(reduction1)
    """

    def change(network: Network) -> Network:
        if len(network.aux) != 1:
            raise SpecError(f"{network.name} has {len(network.aux)} auxiliary heads; aux_after moves one")
        return dataclasses.replace(network, aux=(dataclasses.replace(network.aux[0], after=name),))

    return on_networks("aux_after", change)


@rule
def replace(match: str, with_: Node) -> Change:
    """Put the node `with_` in the place of every node whose address matches, anywhere in the network.

    Example: small_v1 | replace('*.pool', Pool(max, 3))
    """

    def step(path: str, node: Node) -> Node:
        return with_ if path and matches(match, path) else node

    return everywhere(step, whole=True)
