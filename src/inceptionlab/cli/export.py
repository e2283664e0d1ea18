"""`inceptionlab export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from inceptionlab.cli.variant import Variant
from inceptionlab.errors import RunError

if TYPE_CHECKING:
    from inceptionlab.runs.prediction import Trained


def export(
    source: str, *, to: Literal["torch", "onnx", "openvino", "executorch"],
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None, int8: bool = False, pixels: bool = False,
    data_dir: Path | None = None, json_: Annotated[bool, Parameter(name="--json")] = False,
    variant: Annotated[Variant | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Write a network for another program, then run the file and print how far its logits are from the network's.

    Parameters
    ----------
    source
        A run folder, a file that import-weights wrote, or a network of the zoo (with random weights).
    to
        "torch" (torch.export), "onnx", "openvino", or "executorch" (torch.export in core operators).
    output
        The file (default: beside the run, or the name in this folder).
    int8
        Quantise to 8 bits, calibrated on the run's training pictures (ONNX only); layers that cost agreement stay fp32.
    pixels
        The file takes pixels from 0 to 255 and normalises them itself (not with --int8).
    data_dir
        Folder in which named data sets are looked for.
    json_
        Print an object.
    variant
        Changes of a network of the zoo.
    """
    from inceptionlab.exporting import writers as exporting

    trained, path = _source(source, variant or Variant(), output)
    if int8:
        if pixels:
            raise RunError("--int8 --pixels: an 8-bit network takes normalised pictures, as it was calibrated on them")
        if to != "onnx":
            raise RunError(f"--int8 --to {to}: 8-bit networks are written as ONNX, which OpenVINO reads too")
        record = _quantized(trained, path, data_dir)
    else:
        done = exporting.export(trained.network, trained.classes, to, path, pixels)
        record = {"file": str(done.path), "difference": done.difference}
    if json_:
        print(json.dumps(record, indent=1))
        return
    for name, value in record.items():
        print(f"{name}: {value:.2g}" if isinstance(value, float) and value < 0.01 else f"{name}: {value}")


def _source(source: str, variant: Variant, output: Path | None) -> tuple[Trained, Path]:
    """The network of a run, a file or the zoo, and where to write."""
    from inceptionlab.nn.building import build
    from inceptionlab.runs.prediction import Trained, load_run

    place = Path(source)
    if place.exists():
        beside = place / "model" if place.is_dir() else place.with_suffix("")
        return load_run(place), output or beside
    if "/" in source or source.endswith(".safetensors"):
        raise RunError(f"{source} does not exist; give a run folder, a file of import-weights, or a network's name")
    network = build(variant.of(source, aux=False)).eval()
    classes = tuple(str(i) for i in range(network.spec.classes))
    return Trained(network, classes), output or Path(source.partition("|")[0].strip())


def _quantized(trained: Trained, path: Path, data_dir: Path | None) -> dict[str, object]:
    """Quantise by the run's own pictures, and test both networks on its test pictures."""
    from inceptionlab.data.preprocess import Preprocess
    from inceptionlab.data.registry import load_data
    from inceptionlab.evaluation.metrics import gain
    from inceptionlab.evaluation.predictions import logits_of
    from inceptionlab.exporting.engines import run_openvino
    from inceptionlab.exporting.quantizing import quantize

    if trained.setup is None:
        raise RunError("--int8 needs a run folder, whose training pictures it is calibrated on")
    picture = trained.network.spec.input
    data = load_data(trained.setup.data, picture, data_dir)
    preprocess = Preprocess(picture)
    images = preprocess.batch(data.train.limited(256).images[:])
    done = quantize(trained.network, trained.classes, images, path)
    test = data.test.limited(trained.setup.limit_test)
    logits = [logits_of(run, test, preprocess) for run in (trained.network, run_openvino(done.path))]
    right = [one.argmax(1) == test.labels.cpu() for one in logits]
    same = logits[0].argmax(1) == logits[1].argmax(1)
    change, low, high = gain(*right)
    return {
        "file": str(done.path), "agreement on test pictures": same.float().mean().item(),
        "top-1 in fp32": right[0].float().mean().item(), "top-1 in 8 bits": right[1].float().mean().item(),
        "change in points": f"{100 * change:+.2f} (95 % interval {100 * low:+.2f} to {100 * high:+.2f})",
        "layers kept in fp32": ", ".join(done.kept) or "none",
    }  # fmt: skip
