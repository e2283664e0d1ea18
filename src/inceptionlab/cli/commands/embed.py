"""`inceptionlab embed`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.embedding.options import Computation


def embed(
    run: Path, *images: str, out: Annotated[Path, Parameter(alias="-o")], node: str | None = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
    options: Annotated[Computation | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Write the features of images by a trained network, prepared as the network was trained.

    Exit code 1 where some images cannot be read; the others are written.

    Parameters
    ----------
    run
        A run folder, as train printed it, a file that import-weights wrote, NAME@WEIGHTS (see list --pretrained), or
        hf:OWNER/NAME.
    images
        Image files, folders (images in them and below them), patterns, addresses, .parquet files, sets by name
        (cifar10#test) or of the hub (hf:OWNER/NAME#SPLIT); - is standard input.
    out
        The file of features to write: .npz, .safetensors or .parquet.
    node
        The node whose output is averaged over height and width, by its address as show prints it (default: what the
        classifier reads, which is the pooled last map; of facenet the embedding).
    json_
        Print one object.
    options
        How features are computed.
    """
    from inceptionlab.cli.processes import joined
    from inceptionlab.embedding.files import ending_of, save_embeddings
    from inceptionlab.runs.embedding import embed

    ending_of(out)
    with joined() as first:
        found = embed(run, images, node, options)
        if not first:
            return
        save_embeddings(found, out)
        n, d = found.features.shape
        for why in found.unreadable:
            print(f"left out: {why}", file=sys.stderr)
        about = {"file": str(out), "n": n, "d": d, "node": found.origin and found.origin.node,
                 "network": found.origin and found.origin.network, "unreadable": found.unreadable}  # fmt: skip
        words = f"{out}: {n:,} x {d:,} features, {found.origin}"
        print(json.dumps(about, ensure_ascii=False) if json_ else words)
    if found.unreadable:
        sys.exit(1)
