"""Export of a trained network: torch.export, ONNX, OpenVINO; each file is run and compared before it counts."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn

from inceptionlab.errors import RunError, nearest
from inceptionlab.exporting.engines import Runner, run_onnxruntime, run_openvino, run_torch
from inceptionlab.exporting.pixels import Normalised, taking_pixels
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.optimization.exactness import FOR_ENGINES, exact

Target = Literal["torch", "onnx", "openvino", "executorch"]
OPSET = 20
LIMIT = 1e-4
"""Largest relative difference between a network and its export in fp32."""
SUFFIXES: dict[str, str] = {"torch": ".pt2", "onnx": ".onnx", "openvino": ".xml", "executorch": ".pt2"}


@dataclass(frozen=True, slots=True)
class Exported:
    """A file, and the largest difference of its logits from the network's, relative to the largest logit."""

    path: Path
    difference: float


def facts_of(network: InceptionNetwork, classes: tuple[str, ...]) -> dict[str, str]:
    """What an exported file says of itself: its network, its input and its classes, as JSON texts."""
    return {
        "network": network.spec.title,
        "input": json.dumps(asdict(network.spec.input)),
        "classes": json.dumps(list(classes), ensure_ascii=False),
    }


def export(
    network: InceptionNetwork, classes: tuple[str, ...], to: Target, path: Path, pixels: bool = False
) -> Exported:  # fmt: skip
    """Write a network, with its exact rewrites, for another program, and compare what the file computes.

    The file takes pictures `b c h w` in fp32 ("pictures"), normalised as its metadata say, or with `pixels` from 0 to
    255, of any batch, and gives logits `b classes` ("logits"). Raises `RunError` where it differs by more than 1e-4, or
    a library is missing.
    """
    if to not in get_args(Target):
        raise RunError(f"there is no export to {to!r}; {nearest(str(to), get_args(Target))}")
    path = path if path.suffix == SUFFIXES[to] else path.with_name(path.name + SUFFIXES[to])
    path.parent.mkdir(parents=True, exist_ok=True)
    of_torch, facts = to in ("torch", "executorch"), facts_of(network, classes)
    plain = exact(network) if of_torch else exact(network, FOR_ENGINES)
    plain = taking_pixels(plain, network.spec.input) if pixels else plain
    facts["takes"] = "pixels 0..255" if pixels else "normalised pictures"
    if of_torch:
        runner = _torch(plain, network, facts, path, to == "executorch")
    else:
        runner = _onnx(plain, network, facts, path) if to == "onnx" else _openvino(plain, network, facts, path)
    return Exported(path, compared(network, runner, path, pixels))


@torch.inference_mode()
def compared(network: InceptionNetwork, runner: Runner, path: Path, pixels: bool = False) -> float:
    """The difference of a runner on batches of one and three random pictures. Raises `RunError` above the limit."""
    generator, worst = torch.Generator().manual_seed(0), 0.0
    for batch in (1, 3):
        x = torch.randint(256, (batch, *network.spec.input.shape), generator=generator).float()
        normal = Normalised(network.spec.input)(x)
        wanted = network.eval()(normal)
        x = x if pixels else normal
        worst = max(worst, float((runner(x) - wanted).abs().max() / wanted.abs().max().clamp_min(1e-30)))
    if not worst <= LIMIT:
        raise RunError(f"{path} differs from the network by {worst:.1e} of its largest logit, more than {LIMIT:g}")
    return worst


def program(plain: nn.Module, shape: Sequence[int]) -> Any:
    """The exported program for pictures of a shape `(c, h, w)`, of any batch."""
    x = torch.randn(2, *shape)
    shapes = ({0: torch.export.Dim("batch")},)
    with quiet():
        return torch.export.export(plain, (x,), dynamic_shapes=shapes)


def _torch(plain: nn.Module, network: InceptionNetwork, facts: dict[str, str], path: Path, core: bool) -> Runner:
    exported = program(plain, network.spec.input.shape)
    with quiet():
        exported = exported.run_decompositions() if core else exported  # ExecuTorch takes the core operators
        torch.export.save(exported, path, extra_files=facts)
    return run_torch(path)


def write_onnx(plain: nn.Module, shape: Sequence[int], facts: dict[str, str], path: Path) -> None:
    """Write a module that takes pictures of a shape `(c, h, w)` as ONNX with its facts.

    Raises `RunError` where onnx is not installed.
    """
    try:
        import onnx
        import onnxscript as _  # noqa: F401
    except ImportError:
        raise RunError("ONNX is not installed: pip install 'inceptionlab[export]'") from None
    with quiet():
        made: Any = torch.onnx.export(
            program(plain, shape), input_names=["pictures"], output_names=["logits"], opset_version=OPSET,
            dynamo=True, verbose=False,
        )  # fmt: skip
    model: Any = made.model_proto
    for name, value in facts.items():
        model.metadata_props.add(key=name, value=value)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _onnx(plain: nn.Module, network: InceptionNetwork, facts: dict[str, str], path: Path) -> Runner:
    write_onnx(plain, network.spec.input.shape, facts, path)
    return run_onnxruntime(path)


def _openvino(plain: nn.Module, network: InceptionNetwork, facts: dict[str, str], path: Path) -> Runner:
    try:
        import openvino
    except ImportError:
        raise RunError("OpenVINO is not installed: pip install 'inceptionlab[export]'") from None
    between = path.with_suffix(".onnx.part")
    write_onnx(plain, network.spec.input.shape, facts, between)
    library: Any = openvino
    model = library.convert_model(str(between))
    between.unlink()
    for name, value in facts.items():
        model.set_rt_info(value, ["inceptionlab", name])
    library.save_model(model, str(path), compress_to_fp16=False)
    return run_openvino(path)


@contextmanager
def quiet() -> Generator[None]:
    """Without what exporters say on the way."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logger.setLevel(before)
