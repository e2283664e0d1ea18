"""`inceptionlab fidelity`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from inceptionlab.distances.options import Settings


def fidelity(
    a: str, b: str = "", *, protocol: Literal["pytorch-fid", "clean-fid", "torch-fidelity"] = "pytorch-fid",
    dims: int = 2048, weights: Path | None = None, save: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
    options: Annotated[Settings | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """How far apart generated images (A) and real ones (B) are.

    Parameters
    ----------
    a
        The generated images: a folder (images in it and below it), a .parquet file, a set by name (cifar10#test) or of
        the hub (hf:OWNER/NAME#SPLIT), or .npz statistics, of which FID alone is told.
    b
        The real images, or statistics of them.
    protocol
        How an image becomes an input: as "pytorch-fid", "clean-fid" or "torch-fidelity" does it.
    dims
        Features that are compared: 64, 192, 768 or 2048.
    weights
        The weights of the network (default: inception_v3.fid@pytorch-fid, fetched once): a file of pytorch-fid's or
        torch-fidelity's; or a run folder or a file of import-weights, of whose network the mean of the last map is
        compared (without --dims).
    save
        Write the statistics of A as .npz instead, which pytorch-fid and clean-fid read.
    json_
        Print one object with everything.
    options
        How features are computed.
    """
    from inceptionlab.cli.fidelity_words import show_fidelity
    from inceptionlab.cli.processes import joined
    from inceptionlab.distances.measuring import fidelity, save_statistics
    from inceptionlab.errors import ConfigError

    if bool(b) == (save is not None):
        raise ConfigError("give two sets, or one and --save FILE.npz for its statistics")
    with joined() as first:
        if save is not None:
            count = save_statistics(a, save, weights, protocol, dims, options)
            if first:
                print(json.dumps({"statistics": str(save), "n": count}) if json_ else f"{save}: {count:,} images")
            return
        found = fidelity(a, b, weights, protocol, dims, options)
        if first:
            print(json.dumps(found.as_record(), indent=1, ensure_ascii=False)) if json_ else show_fidelity(found)
