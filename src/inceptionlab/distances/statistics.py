"""Statistics in .npz files, as pytorch-fid and clean-fid write and read them: `mu` and `sigma`."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inceptionlab import storage
from inceptionlab.distances.gaussians import Gaussian, Moments
from inceptionlab.errors import DataError


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a file holds, and its number of images where it says it."""

    path: Path
    gaussian: Gaussian
    n: int | None

    def of(self, dims: int) -> Gaussian:
        """The Gaussian, which is to be of `dims` features. Raises `DataError` for another."""
        held = len(self.gaussian.mean)
        if held != dims:
            raise DataError(f"{self.path} holds statistics of {held} features and the network gives {dims}; say --dims "
                            f"{held} if they are of this network")  # fmt: skip
        return self.gaussian


def read_statistics(path: Path, protocol: str) -> Statistics:
    """The statistics of a file.

    Raises `DataError` for a file without `mu` and `sigma`, with values that are no numbers or no covariance, and of
    another protocol where the file says its own, as ours do.
    """
    found = _arrays(path)
    mean, covariance = found["mu"], found["sigma"]
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)) or mean.dtype.kind != "f":
        shapes = f"mu {mean.shape} and sigma {covariance.shape} of {mean.dtype}"
        raise DataError(f"{path} holds {shapes}; statistics are d numbers and d x d numbers")
    if not np.isfinite(mean).all() or not np.isfinite(covariance).all():
        raise DataError(f"{path} holds values that are not finite; compute its statistics again")
    said, n = str(found.get("protocol", protocol)), found.get("n")
    if said != protocol:
        raise DataError(f"{path} holds statistics by {said}, and this comparison is by {protocol}; give --protocol "
                        f"{said}, or compute them again")  # fmt: skip
    try:
        plain = [torch.from_numpy(one.astype(np.float64)) for one in (mean, covariance)]
        return Statistics(path, Gaussian.of_covariance(*plain), None if n is None else int(n))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _arrays(path: Path) -> dict[str, Any]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            found = {name: file[name] for name in ("mu", "sigma", "n", "protocol") if name in file}
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, AttributeError, TypeError) as error:
        raise DataError(f"{path} cannot be read as .npz statistics: {error}") from None
    if not {"mu", "sigma"} <= found.keys():
        raise DataError(f"{path} holds no 'mu' and 'sigma', which pytorch-fid's statistics are")
    return found


def write_statistics(path: Path, moments: Moments, protocol: str) -> None:
    """Write statistics that pytorch-fid and clean-fid read, with the number of images and the protocol beside them."""
    content, mean, sigma = io.BytesIO(), moments.mean.numpy(), moments.covariance.numpy()
    np.savez_compressed(content, mu=mean, sigma=sigma, n=np.array(moments.n), protocol=np.array(protocol))
    storage.write(path, content.getvalue())
