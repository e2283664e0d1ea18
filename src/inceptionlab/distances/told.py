"""What a metric was told of one side: all features, or their moments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed

from inceptionlab.distances.comparing import Side
from inceptionlab.distances.gaussians import Gaussian, Moments
from inceptionlab.distances.intervals import Sample
from inceptionlab.errors import DataError

GATHERED = 1024
"""Features that are gathered before they go into the moments."""


class Told:
    """What is known of one side: moments, or with `keep` all features."""

    def __init__(self, dims: int, keep: bool) -> None:
        self.moments, self.keep = Moments.none(dims), keep
        self.waiting: list[Tensor] = []

    def add(self, features: Float[Tensor, "b d"]) -> None:
        """Add those of some images."""
        self.waiting.append(features)
        if not self.keep and sum(map(len, self.waiting)) >= GATHERED:
            self.moments = self._all()
            self.waiting = []

    def side(self, name: str) -> Side:
        """The side of all processes. Raises `DataError` for fewer than 2 images."""
        if not self.keep:
            total = Moments.none(self.dims)
            for one in _gathered(self._all()):
                total = total.merged(one)
            _several(total.n, name)
            return Side(Sample(Gaussian.of_moments(total)), total.n)
        features = torch.cat(_gathered(self._features()))
        _several(len(features), name)
        return Side(Sample.of(features), len(features), lambda i: f"{name} image {i}")

    @property
    def dims(self) -> int:
        """The number of features of an image."""
        return len(self.moments.mean)

    def state(self) -> dict[str, Tensor]:
        """All of it as tensors, for `go_on`."""
        if self.keep:
            return {"features": self._features()}
        total = self._all()
        return {"n": torch.tensor(total.n), "mean": total.mean, "scatter": total.scatter}

    def go_on(self, state: Mapping[str, Any], name: str) -> None:
        """Take the part of a state that is called `name` in place of what is known. Raises `DataError` for what is no
        such state.
        """
        found: dict[str, Tensor] = {}
        for key, own in self.state().items():
            value = state.get(f"{name}.{key}")
            rows = value.shape[:1] if self.keep and isinstance(value, Tensor) else own.shape[:1]
            if not isinstance(value, Tensor) or value.shape != (*rows, *own.shape[1:]) or not value.isfinite().all():
                raise DataError(f"the state holds no {name}.{key} of {self.dims} features; save it again")
            found[key] = value.cpu()
        self.waiting = [found["features"].float()] if self.keep else []
        if not self.keep:
            self.moments = Moments(int(found["n"].item()), found["mean"].double(), found["scatter"].double())

    def _features(self) -> Float[Tensor, "n d"]:
        return torch.cat([*self.waiting, torch.empty(0, self.dims)])

    def _all(self) -> Moments:
        return self.moments.merged(Moments.of(torch.cat(self.waiting))) if self.waiting else self.moments


def _gathered(own: Any) -> list[Any]:
    """The value of each process."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return [own]
    found: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, own)
    return found


def _several(count: int, name: str) -> None:
    if count < 2:
        raise DataError(
            f"{count} {name} image(s) were told; call update({name}=images) with at least 2 before compute()"
        )
