"""A whole network as one value: its input, stem, body and head, and the auxiliary heads with their places."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from inceptionlab.errors import SpecError, nearest
from inceptionlab.spec.nodes import Children, Seq

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Input:
    """What a network takes: pictures of `channels` x `height` x `width`, RGB in 0..1 minus `mean` over `std`.

    `interpolation` and `crop` (the side of the centre crop over the side of the resized picture) are how its
    source prepares a picture of another size. One value of `mean` and `std` stands for every channel; they are given
    in the order R, G, B also where the network takes the planes in the order B, G, R.
    """

    channels: int = 3
    height: int = 224
    width: int = 224
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    crop: float = 0.875
    order: Literal["RGB", "BGR"] = "RGB"

    def __post_init__(self) -> None:
        if min(self.channels, self.height, self.width) < 1:
            raise SpecError(f"input {self.channels}x{self.height}x{self.width}: every side must be at least 1")
        for name in ("mean", "std"):
            values = getattr(self, name)
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


@dataclass(frozen=True, slots=True)
class Aux:
    """An auxiliary head: `head` reads the output of the top-level node `after`; its loss counts `weight`."""

    name: str
    after: str
    head: Seq
    weight: float = 0.3


@dataclass(frozen=True, slots=True)
class Network:
    """A network. Top-level names are addresses and state-dict keys, so they are unique across the sections.

    `rules` is the text of the rules that made this value from the network called `name`.
    """

    name: str
    stem: Seq
    body: Seq
    head: Seq
    input: Input = Input()
    classes: int = 1000
    aux: tuple[Aux, ...] = ()
    rules: str = ""

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

    def resized(self, size: int | tuple[int, int]) -> Network:
        """The same network for pictures of another size (height, width)."""
        height, width = (size, size) if isinstance(size, int) else size
        return replace(self, input=replace(self.input, height=height, width=width))

    def with_channels(self, channels: int) -> Network:
        """The same network for pictures of another number of channels; mean and std are averaged over colours."""
        if channels == self.input.channels:
            return self
        mean = (round(sum(self.input.mean) / len(self.input.mean), 6),)
        std = (round(sum(self.input.std) / len(self.input.std), 6),)
        return replace(self, input=replace(self.input, channels=channels, mean=mean, std=std))

    def with_classes(self, classes: int) -> Network:
        """The same network for another number of classes; 0 leaves the features of the head."""
        if classes < 0:
            raise SpecError(f"{self.name}: {classes} classes were asked for; give 0 (features) or more")
        return replace(self, classes=classes)

    def without_aux(self) -> Network:
        """The same network without its auxiliary heads."""
        return replace(self, aux=())
