"""What is asked about an answer, for Python and the command line alike; torch is not needed to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from inceptionlab.decoding import Count, validate
from inceptionlab.errors import ConfigError, nearest

Method = Literal["grad-cam", "grad-cam++", "layer-cam", "integrated-gradients", "occlusion"]
METHODS: tuple[Method, ...] = get_args(Method)
OF_MAPS = ("grad-cam", "grad-cam++", "layer-cam")
"""Methods that weigh the maps of a node; the others look at the input unless a node is named."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How finely maps are computed. Raises `ConfigError` for a value out of its range."""

    steps: Count = 50
    """Points on the way of integrated gradients."""
    window: Count | None = None
    """Side of what occlusion covers, in pixels (of a node, in cells of its map; default: an eighth of each side)."""
    stride: Count | None = None
    """How far the window moves (default: half of it)."""
    batch: Count = 16
    """Images that go through the network at once."""

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about the answers to images. Raises `ConfigError` for a method that does not exist."""

    method: tuple[Method, ...] = ("grad-cam",)
    """How maps are made; may be repeated."""
    node: str | None = None
    """The node that is looked at, as show prints it (default: the last map before the head; for integrated-gradients
    and occlusion the input)."""
    target: str | None = None
    """The class that is asked for, by its name or number (default: the answer)."""
    scores: bool = False
    """Test each map: does the answer hang on its pixels, and on what the network has learned?"""
    branches: bool = False
    """Show too which branch of each module does the work, and what each sees; without images that alone."""
    data: str | None = None
    """Data whose test images the branches are tried on (default: the validation images of the run)."""
    limit: Count = 500
    """How many of them are used at most."""

    def __post_init__(self) -> None:
        if not self.method:
            raise ConfigError(f"no method was named; known are {', '.join(METHODS)}")
        for method in self.method:
            check_method(method)
        if self.data and not self.branches:
            raise ConfigError(f"--data {self.data} is what --branches looks with; add --branches")
        validate(self)


def check_method(method: str) -> None:
    """Raise `ConfigError` with the nearest names for a method that does not exist."""
    if method not in METHODS:
        raise ConfigError(f"there is no method {method!r}; {nearest(method, METHODS)}")
