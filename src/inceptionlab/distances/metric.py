"""`Fidelity`: a distance that is told its images a batch at a time, as training loops and torchmetrics do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.distances.comparing import basis_of, compared
from inceptionlab.distances.measuring import source_of
from inceptionlab.distances.networks import FeatureSource
from inceptionlab.distances.options import Settings
from inceptionlab.distances.protocols import ProtocolName, protocol_of
from inceptionlab.distances.result import FidelityResult
from inceptionlab.distances.told import Told
from inceptionlab.embedding.extraction import Extract
from inceptionlab.embedding.extractors import extractor
from inceptionlab.errors import ConfigError, DataError
from inceptionlab.storage import read_about, read_tensors, write_tensors


class Fidelity:
    """The distance between generated and real images that come in batches.

    `update(real=images)` and `update(generated=images)` take images `b 3 h w`, bytes or floats from 0 to 1, which are
    rounded to bytes; `compute()` gives the numbers of all images told so far as a `FidelityResult`, and `reset()`
    forgets the generated images, with `real=True` the real ones too. `network`, `protocol`, `dims` and `settings` are
    those of `fidelity`.

    With `keep` the features stay in memory (8 KB an image at 2048) and all numbers are told; without it mean and
    covariance alone, whose memory does not grow, and the distance. Under an initialised process group `compute` is of
    all processes' images, and every process has to call it.

    `save(path)` and `load(path)` keep what was told over a kill; `state_dict()` and `load_state_dict()` do so in a
    checkpoint of one's own. Each process keeps its own.
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
        self.generated = Told(self.source.dims, self.keep)
        if real:
            self.real = Told(self.source.dims, self.keep)

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

    def state_dict(self) -> dict[str, Any]:
        """All that was told, by name: tensors, and "known_by", what they were computed by; for `load_state_dict`."""
        sides = {"real": self.real, "generated": self.generated}
        found = {f"{name}.{key}": value for name, told in sides.items() for key, value in told.state().items()}
        return {"known_by": self._known_by, **found}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, in place of what was told. Raises `DataError` for one of another network, protocol or
        precision, or of a metric with another `keep`, and for what is no such state.
        """
        if state.get("known_by") != self._known_by:
            raise DataError(f"the state is of {state.get('known_by')!r} and this metric is of {self._known_by!r}; give "
                            "the network, protocol, dims, settings and keep that it was saved with")  # fmt: skip
        real, generated = Told(self.source.dims, self.keep), Told(self.source.dims, self.keep)
        real.go_on(state, "real")
        generated.go_on(state, "generated")
        self.real, self.generated = real, generated

    def save(self, path: Path | str) -> None:
        """Write the state as safetensors, whole or not at all. Raises `StorageError` where it cannot be written."""
        state = self.state_dict()
        write_tensors(Path(path), state, {"known_by": state.pop("known_by")})

    def load(self, path: Path | str) -> None:
        """Go on from a file that `save` wrote. Raises `DataError` for a file that is not whole, and what
        `load_state_dict` does.
        """
        if not Path(path).is_file():
            raise DataError(f"there is no file {path}")
        self.load_state_dict({**read_tensors(Path(path)), **read_about(Path(path))})

    @property
    def _known_by(self) -> str:
        kept = "features" if self.keep else "moments"
        return f"{self.source.identity}, {self.protocol.name}, {self.settings.precision}, {kept}"

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
        """`Fidelity` as torchmetrics knows metrics; its state is part of a state dict."""

        full_state_update = False

        def __init__(self) -> None:
            super().__init__(sync_on_compute=False)
            self.fidelity = fidelity

        def update(self, *, real: Tensor | None = None, generated: Tensor | None = None) -> None:
            self.fidelity.update(real=real, generated=generated)

        def compute(self) -> dict[str, Tensor]:
            record = self.fidelity.compute().as_record()
            names = {name: value for name, value in record.items() if type(value) is float}
            return {name: torch.tensor(value) for name, value in names.items()}

        def reset(self) -> None:
            cast(Callable[[], None], super().reset)()
            self.fidelity.reset(real=True)

        def get_extra_state(self) -> dict[str, Any]:
            return self.fidelity.state_dict()

        def set_extra_state(self, state: dict[str, Any]) -> None:
            self.fidelity.load_state_dict(state)
            self._computed, self._update_count = None, 1  # or it warns that nothing was told

    return FidelityMetric()
