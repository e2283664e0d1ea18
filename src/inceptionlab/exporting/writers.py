"""Export of a trained network: torch.export, ONNX, OpenVINO; each file is run and compared before it counts."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn

from inceptionlab.errors import ConfigError, ExportError, MissingExtra, nearest
from inceptionlab.exporting.about import About, Precision, about
from inceptionlab.exporting.engines import Runner, open_engine
from inceptionlab.exporting.pixels import Normalised, taking_pixels
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.nn.modes import in_evaluation
from inceptionlab.optimization.exactness import EXACT, FOR_ENGINES, exact

Target = Literal["torch", "onnx", "openvino", "executorch"]
OPSET = 20
LIMIT = 1e-4
"""Largest relative difference between a network and its export in fp32."""
BATCHES = (1, 3)
"""The sizes of the batches of random images that a file is compared on."""
SUFFIXES: dict[Target, str] = {
    "torch": ".pt2", "onnx": ".onnx", "openvino": ".xml", "executorch": ".executorch.pt2",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exported:
    """A file, and the largest difference of its logits from the network's on `images` random images, relative to the
    largest logit.
    """

    file: Path
    difference: float
    images: int = sum(BATCHES)

    def __str__(self) -> str:
        return (
            f"{self.file}\nlargest difference of its logits from the network's over {self.images} random images: "
            f"{self.difference:.1e} of the largest logit"
        )


def export(
    network: InceptionNetwork, classes: tuple[str, ...], to: Target, path: Path, pixels: bool = False
) -> Exported:  # fmt: skip
    """Write a network, with its exact rewrites, for another program, and compare what the file computes.

    The file takes images `b c h w` in fp32 ("images"), normalised as its metadata say, or with `pixels` from 0 to
    255, of any batch, and gives logits `b classes` ("logits"). `path` gets the ending of its kind where it has none.
    Raises `ConfigError` for an unknown kind, `ExportError` where the file differs by more than 1e-4, and `MissingExtra`
    where a library is missing.
    """
    file = written(network, to, path, classes, pixels)
    return Exported(file, compared(network, open_engine(file).run, file, pixels))


def written(
    network: InceptionNetwork, to: Target, path: Path, classes: tuple[str, ...] = (), pixels: bool = False
) -> Path:
    """Write a network, with the rewrites that suit the kind of file: the one way from a network to a file, which
    `open_engine` runs. Gives the file; raises what `export` does but for the comparison.
    """
    if to not in get_args(Target):
        raise ConfigError(f"there is no export to {to!r}; {nearest(str(to), get_args(Target))}")
    plain = exact(network, tuple(EXACT) if to in ("torch", "executorch") else FOR_ENGINES)
    says = about(network, classes)
    if pixels:
        plain, says = taking_pixels(plain, says.input), replace(says, takes="pixels")
    file = placed(path, to)
    write(plain, says.input.shape, to, file, says)
    return file


def placed(path: Path, to: Target, precision: Precision = "fp32") -> Path:
    """Where a file goes: an ending that says its kind is added where `path` has none, so that no kind replaces
    another.
    """
    ending = f".int8{SUFFIXES[to]}" if precision == "int8" else SUFFIXES[to]
    return path if path.suffix == f".{ending.rpartition('.')[2]}" else path.with_name(path.name + ending)


def write(plain: nn.Module, shape: Sequence[int], to: Target, file: Path, says: About | None = None) -> None:
    """Write a module of plain modules that takes images of a shape `(c, h, w)`, and what the file says of itself.

    Raises `MissingExtra` where a library is missing.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    texts = says.texts() if says is not None else {}
    if to == "onnx":
        _write_onnx(plain, shape, file, texts)
    elif to == "openvino":
        _write_openvino(plain, shape, file, texts)
    else:
        program = _program(plain, shape)
        with quiet():
            program = program.run_decompositions() if to == "executorch" else program  # which takes core operators
            torch.export.save(program, file, extra_files=texts)


@torch.inference_mode()
def compared(network: InceptionNetwork, runner: Runner, path: Path, pixels: bool = False) -> float:
    """The difference of a runner on batches of one and three random images. Raises `ExportError` above the limit."""
    generator, worst = torch.Generator().manual_seed(0), 0.0
    for batch in BATCHES:
        x = torch.randint(256, (batch, *network.spec.input.shape), generator=generator).float()
        normal = Normalised(network.spec.input)(x)
        with in_evaluation(network):
            wanted = network(normal)
        x = x if pixels else normal
        worst = max(worst, float((runner(x) - wanted).abs().max() / wanted.abs().max().clamp_min(1e-30)))
    if not worst <= LIMIT:
        raise ExportError(
            f"{path} differs from the network by up to {worst:.1e} of the largest logit on {sum(BATCHES)} random "
            f"images, more than {LIMIT:g}"
        )
    return worst


def _program(plain: nn.Module, shape: Sequence[int]) -> torch.export.ExportedProgram:
    """The exported program for images of a shape `(c, h, w)`, of any batch."""
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    with quiet():
        return torch.export.export(plain, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))


def _write_onnx(plain: nn.Module, shape: Sequence[int], file: Path, texts: dict[str, str]) -> None:
    try:
        onnx: Any = import_module("onnx")
        import_module("onnxscript")  # which torch.onnx imports
    except ImportError:
        raise MissingExtra("ONNX", "export") from None
    with quiet():
        made: Any = torch.onnx.export(
            _program(plain, shape), input_names=["images"], output_names=["logits"], opset_version=OPSET,
            dynamo=True, verbose=False,
        )  # fmt: skip
    model: Any = made.model_proto
    for name, value in texts.items():
        model.metadata_props.add(key=name, value=value)
    onnx.checker.check_model(model)
    onnx.save(model, str(file))


def _write_openvino(plain: nn.Module, shape: Sequence[int], file: Path, texts: dict[str, str]) -> None:
    try:
        library: Any = import_module("openvino")
    except ImportError:
        raise MissingExtra("OpenVINO", "export") from None
    between = file.with_suffix(".onnx.part")
    _write_onnx(plain, shape, between, {})
    model = library.convert_model(str(between))
    between.unlink()
    for name, value in texts.items():
        model.set_rt_info(value, ["inceptionlab", name])
    library.save_model(model, str(file), compress_to_fp16=False)


@contextmanager
def quiet(name: str = "torch.onnx") -> Generator[None]:
    """Within it the logger `name` ("": the one above all) says only errors, and nothing warns."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
