"""`Fidelity`: a distance that is told its images a batch at a time, as training loops and torchmetrics do."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn

from inceptionlab.distances.comparing import Side, basis_of, compared
from inceptionlab.distances.gaussians import Gaussian, Moments
from inceptionlab.distances.intervals import Sample
from inceptionlab.distances.measuring import source_of
from inceptionlab.distances.networks import FeatureSource
from inceptionlab.distances.options import Settings
from inceptionlab.distances.protocols import ProtocolName, protocol_of
from inceptionlab.distances.result import FidelityResult
from inceptionlab.embedding.extraction import Extract
from inceptionlab.embedding.extractors import extractor
from inceptionlab.errors import ConfigError, DataError

GATHERED = 1024
"""Features that are gathered before they go into the moments."""


class Fidelity:
    """The distance between generated and real images that come in batches.

    `update(real=images)` and `update(generated=images)` take images `b 3 h w`, bytes or floats from 0 to 1, which are
    rounded to bytes; `compute()` gives the numbers of all images told so far as a `FidelityResult`, and `reset()`
    forgets the generated images, with `real=True` the real ones too. `network`, `protocol`, `dims` and `settings` are
    those of `fidelity`.

    With `keep` the features stay in memory (8 KB an image at 2048) and all numbers are told; without it mean and
    covariance alone, whose memory does not grow, and the distance. Under an initialised process group `compute` is of
    all processes' images, and every process has to call it.
    """

    def __init__(
        self, network: Path | str | nn.Module | FeatureSource | None = None, protocol: ProtocolName = "pytorch-fid",
        dims: int = 2048, settings: Settings | None = None, keep: bool = True,
    ) -> None:  # fmt: skip
        self.source, self.protocol = source_of(network, dims, protocol), protocol_of(protocol)
        self.settings, self.keep = settings or Settings(), keep
        self.engine: Extract | None = None
        self.reset(real=True)

    def reset(self, real: bool = False) -> None:
        """Forget the generated images; with `real` the real ones too."""
        self.generated = _Told(self.source.dims, self.keep)
        if real:
            self.real = _Told(self.source.dims, self.keep)

    def update(self, *, real: Tensor | None = None, generated: Tensor | None = None) -> None:
        """Add images `b 3 h w` to one side or to both. Raises `DataError` for what is no such batch."""
        for images, told, name in ((real, self.real, "real"), (generated, self.generated, "generated")):
            if images is not None:
                told.add(self._features(_bytes(images, name), name))

    def compute(self) -> FidelityResult:
        """The numbers of all images told so far. Raises `DataError` where a side has fewer than 2."""
        sides = [told.side(name) for told, name in ((self.generated, "generated"), (self.real, "real"))]
        basis = basis_of(self.source, self.protocol, self.settings.precision)
        return compared(sides[0], sides[1], basis, self.source.classifier, self.settings.seed)

    def metric(self) -> Any:
        """A metric of torchmetrics that calls this one, for its `MetricCollection`: `compute` gives tensors by name.

        Raises `ConfigError` where torchmetrics is not installed.
        """
        return _metric_of(self)

    def _features(self, images: np.ndarray, name: str) -> Float[Tensor, "b d"]:
        inputs = torch.stack([self.protocol.prepare(image) for image in images])
        if self.engine is None:
            self.engine = extractor(self.source.module, inputs, self.settings.precision, self.settings.device)
        found = self.engine(inputs).clone()
        if not found.isfinite().all().item():
            raise DataError(
                f"the features of {name} images are not finite; look at the images and the network's weights"
            )
        return found


class _Told:
    """What is known of one side: moments, or all features."""

    def __init__(self, dims: int, keep: bool) -> None:
        self.moments, self.keep = Moments.none(dims), keep
        self.waiting: list[Tensor] = []

    def add(self, features: Float[Tensor, "b d"]) -> None:
        self.waiting.append(features)
        if not self.keep and sum(map(len, self.waiting)) >= GATHERED:
            self.moments = self._all()
            self.waiting = []

    def side(self, name: str) -> Side:
        """The side of all processes."""
        if not self.keep:
            total = Moments.none(len(self.moments.mean))
            for one in _gathered(self._all()):
                total = total.merged(one)
            _several(total.n, name)
            return Side(Sample(Gaussian.of_moments(total)), total.n)
        own = torch.cat([*self.waiting, torch.empty(0, len(self.moments.mean))])
        features = torch.cat(_gathered(own))
        _several(len(features), name)
        return Side(Sample.of(features), len(features), lambda i: f"{name} image {i}")

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


def _bytes(images: Tensor, name: str) -> np.ndarray:
    """Images `b 3 h w` as bytes `b h w 3`."""
    if images.ndim != 4 or images.shape[1] != 3 or (images.dtype != torch.uint8 and not images.is_floating_point()):
        shape = "x".join(map(str, images.shape))
        raise DataError(f"the {name} images are {shape} of {images.dtype}; give b x 3 x h x w of uint8, or of floats "
                        "from 0 to 1")  # fmt: skip
    if images.is_floating_point():
        low, high = images.min().item(), images.max().item()
        if not 0 <= low <= high <= 1:
            raise DataError(f"the {name} images have values from {low:.3g} to {high:.3g}; floats go from 0 to 1")
        images = images.mul(255).round().to(torch.uint8)
    return images.permute(0, 2, 3, 1).cpu().numpy()


def _metric_of(fidelity: Fidelity) -> Any:
    try:
        library: Any = import_module("torchmetrics")
    except ImportError:
        raise ConfigError("torchmetrics is not installed: pip install torchmetrics") from None

    class FidelityMetric(library.Metric):  # the class can only be made where the library is
        """`Fidelity` as torchmetrics knows metrics."""

        full_state_update = False

        def update(self, *, real: Tensor | None = None, generated: Tensor | None = None) -> None:
            fidelity.update(real=real, generated=generated)

        def compute(self) -> dict[str, Tensor]:
            record = fidelity.compute().as_record()
            names = {name: value for name, value in record.items() if type(value) is float}
            return {name: torch.tensor(value) for name, value in names.items()}

        def reset(self) -> None:
            cast(Callable[[], None], super().reset)()
            fidelity.reset(real=True)

    return FidelityMetric(sync_on_compute=False)
