"""Statistics in .npz files, as pytorch-fid and clean-fid write and read them: `mu` and `sigma`."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inceptionlab import storage
from inceptionlab.distances.gaussians import Gaussian, Moments
from inceptionlab.errors import DataError


def read_statistics(path: Path, dims: int | None = None) -> tuple[Gaussian, int | None]:
    """(the Gaussian of a file, its number of images where the file says it).

    Raises `DataError` for a file without `mu` and `sigma`, of other sizes than `dims`, and with values that are no
    numbers.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            found: dict[str, Any] = {name: file[name] for name in ("mu", "sigma", "n") if name in file}
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, AttributeError, TypeError) as error:
        raise DataError(f"{path} cannot be read as .npz statistics: {error}") from None
    if not {"mu", "sigma"} <= found.keys():
        raise DataError(f"{path} holds no 'mu' and 'sigma', which pytorch-fid's statistics are")
    mean, covariance = found["mu"], found["sigma"]
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)) or mean.dtype.kind != "f":
        shapes = f"mu {mean.shape} and sigma {covariance.shape} of {mean.dtype}"
        raise DataError(f"{path} holds {shapes}; statistics are d numbers and d x d numbers")
    if dims is not None and len(mean) != dims:
        raise DataError(f"{path} holds statistics of {len(mean)} features and the network gives {dims}; say --dims "
                        f"{len(mean)} if they are of this network")  # fmt: skip
    if not np.isfinite(mean).all() or not np.isfinite(covariance).all():
        raise DataError(f"{path} holds values that are not finite; compute its statistics again")
    n = found.get("n")
    try:
        plain = [torch.from_numpy(one.astype(np.float64)) for one in (mean, covariance)]
        return Gaussian.of_covariance(*plain), None if n is None else int(n)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def write_statistics(path: Path, moments: Moments) -> None:
    """Write statistics that pytorch-fid and clean-fid read, with the number of images beside them."""
    content = io.BytesIO()
    np.savez_compressed(content, mu=moments.mean.numpy(), sigma=moments.covariance.numpy(), n=np.array(moments.n))
    storage.write(path, content.getvalue())
