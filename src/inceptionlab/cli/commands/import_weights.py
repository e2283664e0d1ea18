"""`inceptionlab import-weights`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.errors import DataError, counted


def import_weights(
    file: Path, *, into: str, num_classes: int | None = None, aux: bool = False,
    fold_input: Annotated[bool, Parameter(negative="--no-fold-input")] = True,
    classes: Path | None = None, out: Annotated[Path, Parameter(alias="-o")] = Path("model.safetensors"),
) -> None:  # fmt: skip
    """Turn a checkpoint of another library into ours; code in it is never run.

    Parameters
    ----------
    file
        .pth, .pt or .safetensors of torchvision, timm, Cadene, pytorchcv, facenet-pytorch, pytorch-fid or of
        InceptionNeXt's authors; .h5 or .keras of Keras; .caffemodel of BVLC; .ckpt of TF-slim; or NAME@WEIGHTS (see
        list --pretrained). A network inside of your own model is found.
    into
        The network of the zoo that it is for.
    num_classes
        Classes of the network (default: its own); for another number than the file's the classifier is new.
    aux
        Keep the auxiliary heads.
    fold_input
        Fold the source's channel order and range into the weights; otherwise the network takes the source's input.
    classes
        A text file with the name of a class on each line, in order, for predict.
    out
        The file to write; predict and evaluate take it in the place of a run folder.
    """
    from inceptionlab.spec.codec import to_json
    from inceptionlab.storage import write_tensors
    from inceptionlab.weights.creating import create_model
    from inceptionlab.weights.loading import load_weights
    from inceptionlab.zoo.published import find_published, is_published

    model = create_model(into, num_classes, aux=aux)
    row = find_published(file) if is_published(file) else None
    known = list(row.class_names()) if row and row.outputs == model.spec.classes else None
    names = _names(classes, model.spec.classes) if classes else known
    account = load_weights(model, file, fold_input=fold_input)
    about: dict[str, object] = {"spec": to_json(model.spec), "source": account.source}
    write_tensors(out, model.state_dict(), about | ({"classes": names} if names else {}))
    print(account)
    print(account.describe_input())
    print(out)


def _names(path: Path, count: int) -> list[str]:
    """The names in a text file, one per line."""
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as names of classes: {error}") from None
    if len(names) != count:
        raise DataError(f"{path} names {counted(len(names), 'class', 'classes')} and the network has {count}")
    return names
