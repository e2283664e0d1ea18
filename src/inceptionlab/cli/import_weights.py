"""`inceptionlab import-weights`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def import_weights(
    file: Path, *, into: str, num_classes: int | None = None, aux: bool = False,
    out: Annotated[Path, Parameter(alias="-o")] = Path("model.safetensors"),
) -> None:  # fmt: skip
    """Turn a checkpoint of torchvision, timm, Cadene, pytorch-fid or InceptionNeXt's authors into ours.

    Parameters
    ----------
    file
        The checkpoint; code in it is never run.
    into
        The network of the zoo that it is for.
    num_classes
        Classes of the network (default: its own); for another number than the file's the classifier is new.
    aux
        Keep the auxiliary heads.
    out
        The file to write.
    """
    from inceptionlab.building import create_model
    from inceptionlab.training.files import save_weights
    from inceptionlab.weights.loading import load_weights

    model = create_model(into, num_classes, aux=aux)
    account = load_weights(model, file)
    save_weights(out, model.state_dict(), {"spec": model.spec.title, "source": account.source})
    print(account)
    print(out)
