"""A trained network, or one of the zoo, for another program; in 8 bits with a test on the run's own images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from jaxtyping import Bool
from torch import Tensor

from inceptionlab.errors import ConfigError, ExportError, counted
from inceptionlab.evaluation.metrics import gain
from inceptionlab.evaluation.predictions import logits_of
from inceptionlab.exporting.engines import open_engine
from inceptionlab.exporting.quantizing import quantize
from inceptionlab.exporting.writers import Exported, Target
from inceptionlab.exporting.writers import export as export_network
from inceptionlab.nn.building import InceptionNetwork, build
from inceptionlab.runs.folder import RunFolder, run_folder
from inceptionlab.runs.prediction import Trained, load_run
from inceptionlab.runs.setup import load_of
from inceptionlab.spec.network import Network
from inceptionlab.weights.fetching import is_remote

Source = Trained | RunFolder | InceptionNetwork | Network | Path | str
CALIBRATION = 256
"""Training images that 8 bits are calibrated on."""


@dataclass(frozen=True, slots=True)
class ExportedInt8:
    """An 8-bit file; on the run's test `images`, how often its prediction is the network's, both accuracies, and their
    difference with its 95 % interval; the layers that were kept in fp32, by their addresses in the network.
    """

    file: Path
    agreement: float
    top1_fp32: float
    top1_int8: float
    change: float
    low: float
    high: float
    kept_in_fp32: tuple[str, ...]
    images: int

    def __str__(self) -> str:
        change, low, high = (f"{100 * value:+z.2f}" for value in (self.change, self.low, self.high))
        return "\n".join([
            str(self.file),
            f"predictions that agree with the network's on {counted(self.images, 'test image')}: {self.agreement:.2%}",
            f"top-1 in fp32: {self.top1_fp32:.2%}, in 8 bits: {self.top1_int8:.2%}",
            f"change of top-1 in points: {change} (95 % interval {low} to {high}, paired)",
            f"layers kept in fp32: {', '.join(self.kept_in_fp32) or 'none'}",
        ])  # fmt: skip


def as_json(done: Exported | ExportedInt8) -> dict[str, object]:
    """Plain values of what an export gave."""
    return {**asdict(done), "file": str(done.file)}


def export(
    source: Source, to: Target, path: Path | None = None, pixels: bool = False,
    int8: bool = False, data_dir: Path | None = None,
) -> Exported | ExportedInt8:  # fmt: skip
    """Write a network for another program, then run the file and compare it with the network.

    `source` is a run (its folder, or what `load_run` gives), a file that `import-weights` wrote, published weights
    (NAME@WEIGHTS), a network, or a spec, which gets random weights. `path` is by default beside the run; an ending that
    says the kind of file is added. With `pixels` the file takes pixels from 0 to 255. With `int8` it computes in
    8 bits, calibrated on the run's training images, and is tested on its test images. `data_dir` is where named data
    are looked for.

    Raises `ConfigError` for options that do not go together, `ExportError` where the file differs, `MissingExtra`.
    """
    if int8:
        _refuse_int8(to, pixels)
    trained, default = _trained(source)
    file = path or default
    if int8:
        return _in_8_bits(trained, file, data_dir)
    return export_network(trained.network, trained.classes, to, file, pixels)


def _refuse_int8(to: Target, pixels: bool) -> None:
    if pixels:
        raise ConfigError("--int8 --pixels: an 8-bit network takes normalised images, as it was calibrated on them")
    if to != "onnx":
        raise ConfigError(f"--int8 --to {to}: 8-bit networks are written as ONNX, which OpenVINO reads too")


def _trained(source: Source) -> tuple[Trained, Path]:
    """(the network, where its file goes by default)."""
    if isinstance(source, Network):
        source = build(source, seed=0).eval()
    if isinstance(source, InceptionNetwork):
        return Trained(source, tuple(map(str, range(source.spec.classes)))), Path(source.spec.name)
    if isinstance(source, Trained):
        return source, Path(source.network.spec.name)
    if is_remote(source):
        trained = load_run(source)
        return trained, Path(trained.network.spec.name)
    place = run_folder(source).path
    return load_run(place), place / "model" if place.is_dir() else place.with_suffix("")


def _in_8_bits(trained: Trained, path: Path, data_dir: Path | None) -> ExportedInt8:
    if trained.setup is None:
        raise ExportError("--int8 needs a run folder, whose training images it is calibrated on")
    preprocess, setup = trained.preprocess, trained.setup
    data = load_of(setup, data_dir)
    images = preprocess.batch(data.train.limited(CALIBRATION).images[:])
    done = quantize(trained.network, trained.classes, images, path)
    test = data.test.limited(setup.limit_test)
    engine = open_engine(done.path, "openvino", "int8")
    in_fp32, in_int8 = (logits_of(run, test, preprocess).argmax(1) for run in (trained.network, engine.run))
    labels = test.labels.cpu()
    right = [in_fp32 == labels, in_int8 == labels]
    return ExportedInt8(
        done.path, _share(in_fp32 == in_int8), _share(right[0]), _share(right[1]),
        *gain(*right), done.kept, len(test),
    )  # fmt: skip


def _share(right: Bool[Tensor, " n"]) -> float:
    return right.float().mean().item()
