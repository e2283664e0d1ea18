"""`inceptionlab import-weights`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.errors import ConfigError, DataError, counted


def import_weights(
    file: Path, *, into: str | None = None, num_classes: int | None = None, aux: bool = False,
    fold_input: Annotated[bool, Parameter(negative="--no-fold-input")] = True,
    classes: Path | None = None, out: Annotated[Path, Parameter(alias="-o")] = Path("model.safetensors"),
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:  # fmt: skip
    """Turn a checkpoint of another library into ours; code in it is never run.

    Parameters
    ----------
    file
        .pth, .pt or .safetensors of torchvision, timm, Cadene, pytorchcv, facenet-pytorch, pytorch-fid or of
        InceptionNeXt's authors; .h5 or .keras of Keras; .caffemodel of BVLC; .ckpt of TF-slim; or NAME@WEIGHTS (see
        list --pretrained). A network inside of your own model is found.
    into
        The network of the zoo that it is for; without it, the error names those that the file fits.
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
    json_
        Print an object of what was loaded, dropped, new and written.
    """
    from inceptionlab.spec.codec import to_json
    from inceptionlab.storage import write_tensors
    from inceptionlab.weights.creating import create_model
    from inceptionlab.weights.loading import load_weights
    from inceptionlab.zoo.published import find_published, is_published

    row = find_published(file) if is_published(file) else None
    model = create_model(into or (row.form if row else _missing(file)), num_classes, aux=aux)
    known = list(row.class_names()) if row and row.outputs == model.spec.classes else None
    names = _names(classes, model.spec.classes) if classes else known
    account = load_weights(model, file, fold_input=fold_input)
    about: dict[str, object] = {"spec": to_json(model.spec), "source": account.source}
    write_tensors(out, model.state_dict(), about | ({"classes": names} if names else {}))
    if json_:
        written = {"network": model.spec.title, "classes": model.spec.classes, "file": str(out)}
        print(json.dumps(asdict(account) | written, ensure_ascii=False))
        return
    print(account)
    print(account.describe_input())
    print(out)


def _missing(file: Path | str) -> str:
    """Raise `ConfigError` that names the networks which a file fits."""
    from inceptionlab.weights.matching import match_networks

    fitting = match_networks(file)
    raise ConfigError(f"import-weights needs --into: {file} fits {' and '.join(fitting)}; --into {fitting[0]}")


def _names(path: Path, count: int) -> list[str]:
    """The names in a text file, one per line."""
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as names of classes: {error}") from None
    if len(names) != count:
        raise DataError(f"{path} names {counted(len(names), 'class', 'classes')} and the network has {count}")
    return names
