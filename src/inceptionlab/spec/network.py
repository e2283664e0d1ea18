"""A whole network as one value: its input, stem, body and head, and the auxiliary heads with their places."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from itertools import chain
from typing import Annotated, Literal, TypeAlias

import msgspec

from inceptionlab.decoding import From0
from inceptionlab.errors import SpecError, nearest
from inceptionlab.spec.nodes import Children, Seq
from inceptionlab.spec.values import Side, Width, fitting, value

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=100_000)]


@value
class Input:
    """What a network takes: images of `channels` x `height` x `width`, RGB in 0..1 minus `mean` over `std`.

    `interpolation` and `crop` (the side of the centre crop over the side of the resized image) are how its source
    prepares an image of another size; a crop above 1 is that of data smaller than the input, which are scaled up. One
    value of `mean` and `std` stands for every channel; they are given in the order R, G, B also where the network takes
    the planes in the order B, G, R.
    """

    channels: Width = 3
    height: Side = 224
    width: Side = 224
    mean: tuple[float, ...] = (0.5,)
    std: tuple[Annotated[float, msgspec.Meta(gt=0)], ...] = (0.5,)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    crop: Annotated[float, msgspec.Meta(gt=0, le=4096)] = 0.875
    order: Literal["RGB", "BGR"] = "RGB"

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) == 1:
                object.__setattr__(self, name, values * self.channels)
            elif len(values) != self.channels:
                raise SpecError(
                    f"input: {name} has {len(values)} values for {self.channels} channels; give 1 or as many"
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return (self.channels, self.height, self.width)


@value
class Aux:
    """An auxiliary head: `head` reads the output of the top-level node `after`; its loss counts `weight`."""

    name: Name
    after: Name
    head: Seq
    weight: From0 = 0.3


@value
class Network:
    """A network. Top-level names are addresses and state-dict keys, so they are unique across the sections.

    `rules` is the text of the rules that made this value from the network called `name`.
    """

    name: Name
    stem: Seq
    body: Seq
    head: Seq
    input: Input = Input()
    classes: Annotated[int, msgspec.Meta(ge=0, le=2**20)] = 1000
    aux: tuple[Aux, ...] = ()
    rules: Text = ""

    def __post_init__(self) -> None:
        names = [name for name, _ in self.children] + [aux.name for aux in self.aux]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise SpecError(f"{self.name}: the top-level name {twice.pop()!r} stands twice; names are addresses")
        for aux in self.aux:
            if aux.after not in names:
                raise SpecError(f"{self.name}: {aux.name!r} hangs after {aux.after!r}; {nearest(aux.after, names)}")

    @property
    def children(self) -> Children:
        """The top-level nodes of stem, body and head, in order of execution."""
        return tuple(chain(self.stem.children, self.body.children, self.head.children))

    @property
    def title(self) -> str:
        """The name with the rules that were applied, as it stands in tables and checkpoints."""
        return f"{self.name} | {self.rules}" if self.rules else self.name

    def __repr__(self) -> str:
        """A line: the whole of a network is what `inceptionlab.measure` and its sections show."""
        sections = ((word, getattr(self, word).children) for word in ("stem", "body", "head"))
        parts = [f"{word} {', '.join(name for name, _ in nodes)}" for word, nodes in sections if nodes]
        aux = [f"auxiliary {aux.name} after {aux.after}" for aux in self.aux]
        shape = "x".join(str(side) for side in self.input.shape)
        return f"<Network {self.title!r}: {shape} to {self.classes} classes; {'; '.join([*parts, *aux])}>"

    def _repr_html_(self) -> str:
        """Its table and drawing, for a notebook. The one look down the order of packages: a notebook asks the value."""
        return str(import_module("inceptionlab.analysis.notebook").network_html(self))

    def resized(self, size: int | tuple[int, int]) -> Network:
        """The same network for images of another size (height, width)."""
        height, width = (size, size) if isinstance(size, int) else fitting("input", "size", size, tuple[Side, Side])
        return replace(self, input=replace(self.input, height=height, width=width))

    def with_channels(self, channels: int) -> Network:
        """The same network for images of another number of channels; mean and std are averaged over colours."""
        if channels == self.input.channels:
            return self
        mean = (round(sum(self.input.mean) / len(self.input.mean), 6),)
        std = (round(sum(self.input.std) / len(self.input.std), 6),)
        return replace(self, input=replace(self.input, channels=channels, mean=mean, std=std))

    def with_classes(self, classes: int) -> Network:
        """The same network for another number of classes; 0 leaves the features of the head."""
        if fitting("Network", "classes", classes, int) < 0:
            raise SpecError(f"{self.name}: {classes} classes were asked for; give 0 (features) or more")
        return replace(self, classes=classes)

    def without_aux(self) -> Network:
        """The same network without its auxiliary heads."""
        return replace(self, aux=())
