"""Theoretical receptive fields over branches: the interval of input pixels that an output value can depend on.

Along one axis, output value i of a node depends on pixels [low + i·jump, high + i·jump]. Where branches meet, the
largest field is the hull of theirs and the smallest is the smallest of theirs, as a path through the network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from inceptionlab.analysis.costs import ghost_width, paddings
from inceptionlab.spec.nodes import Attention, Block, Conv, Depthwise, Ghost, Linear, Node, Pool, Window


@dataclass(frozen=True, slots=True)
class Axis:
    """The field of output value 0 along one axis: largest [low, high], smallest [small_low, small_high]."""

    low: float = 0
    high: float = 0
    small_low: float = 0
    small_high: float = 0
    jump: int = 1

    @property
    def largest(self) -> float:
        """Pixels in the largest field, without regard to the borders of the image."""
        return self.high - self.low + 1

    @property
    def smallest(self) -> float:
        """Pixels in the smallest field over all paths."""
        return self.small_high - self.small_low + 1

    @property
    def centre(self) -> float:
        """The middle of the field of output value 0, in pixels from the middle of the first one."""
        return 0.0 if self.high == inf else (self.low + self.high) / 2

    def through(self, kernel: int, stride: int, before: int, dilation: int = 1) -> Axis:
        """The axis after a sliding window with `before` pixels of padding in front."""
        start, end = -before * self.jump, (dilation * (kernel - 1) - before) * self.jump
        return Axis(
            self.low + start,
            self.high + end,
            self.small_low + start,
            self.small_high + end,
            self.jump * stride,
        )

    def within(self, index: int, size: int) -> tuple[int, int]:
        """First and last pixel of an image of `size` that output value `index` depends on."""
        low, high = self.low + index * self.jump, self.high + index * self.jump
        return int(max(low, 0)), int(min(high, size - 1))


EVERYTHING = Axis(-inf, inf, -inf, inf)


@dataclass(frozen=True, slots=True)
class Field:
    """The receptive field along both axes."""

    height: Axis = Axis()
    width: Axis = Axis()

    def through(self, node: Node, shape: tuple[int, int, int]) -> Field:
        """The field after a leaf that reads a map of `shape`."""
        match node:
            case Linear() | Pool(to=int()):
                return Field(EVERYTHING, EVERYTHING)
            case Attention():
                return Field(replace(EVERYTHING, jump=self.height.jump), replace(EVERYTHING, jump=self.width.jump))
            case Ghost():
                primary = self._slide(node.window, shape)
                cheap = primary._slide(node.cheap_window, shape)
                return union([primary, cheap]) if node.out > ghost_width(node) else primary
            case Conv() | Depthwise() | Pool():
                return self._slide(node.window, shape)
            case Block(kernel=kernel, stride=stride):
                before = (kernel - 1) // 2
                return Field(*(axis.through(kernel, stride, before) for axis in (self.height, self.width)))
            case _:
                return self

    def _slide(self, window: Window, shape: tuple[int, int, int]) -> Field:
        pads = paddings(window, shape[1:])
        axes = (
            axis.through(window.kernel[i], window.stride[i], pads[i][0], window.dilation[i])
            for i, axis in enumerate((self.height, self.width))
        )
        return Field(*axes)

    def sizes(self, shape: tuple[int, int, int]) -> dict[str, list[int]]:
        """{"smallest": [h, w], "largest": [h, w]} in pixels; a global one is the image's `shape`."""
        axes = ((self.height, shape[1]), (self.width, shape[2]))
        return {
            "smallest": [size if axis.smallest == inf else int(axis.smallest) for axis, size in axes],
            "largest": [size if axis.largest == inf else int(axis.largest) for axis, size in axes],
        }


def union(fields: list[Field]) -> Field:
    """The field where branches meet."""
    return Field(_union([f.height for f in fields]), _union([f.width for f in fields]))


def _union(axes: list[Axis]) -> Axis:
    small = min(axes, key=lambda axis: axis.smallest if axis.smallest == axis.smallest else inf)
    low, high = min(axis.low for axis in axes), max(axis.high for axis in axes)
    return Axis(low, high, small.small_low, small.small_high, max(axis.jump for axis in axes))
