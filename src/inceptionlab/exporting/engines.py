"""Engines: programs that run an exported file. Each is a value of one type, whatever runs beneath it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast, get_args

import torch
from torch import Tensor

from inceptionlab.errors import ConfigError, ExportError, MissingExtra, nearest
from inceptionlab.exporting.about import FIELDS, About, EngineName, Precision, Takes, read_about

Runner = Callable[[Tensor], Tensor]
"""Images `b c h w` in fp32 to logits `b classes`."""
DTYPES: Mapping[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
"""OpenVINO's names of the arithmetic of what is not in 8 bits."""
RUNNING: dict[str, tuple[str, ...]] = {
    ".onnx": ("onnxruntime", "openvino"), ".xml": ("openvino",), ".pt2": ("torch",),
}  # fmt: skip
"""The engines that run a kind of file, the usual one first."""


def _nothing() -> None:
    """Nothing is to be let go."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Something that computes the logits of images `b c h w`, and what it is called.

    `run` takes images as `takes` says. `about` is what its file says of the network, where it is a file of ours;
    `close`, where it is needed, lets go of what the engine holds. `why` says what "auto" went by.
    """

    name: str
    precision: Precision
    run: Runner
    about: About | None = None
    close: Callable[[], None] = field(default=_nothing)
    why: str = ""

    @property
    def takes(self) -> Takes:
        """What `run` takes: images as their network's input normalises them, or pixels from 0 to 255."""
        return "normalised" if self.about is None else self.about.takes


def installed() -> list[str]:
    """The engines that can run a network here, torch first."""
    writing = find_spec("onnx") and find_spec("onnxscript")
    return ["torch", *(name for name in ("onnxruntime", "openvino") if writing and find_spec(name))]


def load_engine(path: Path | str, name: EngineName = "auto", threads: int = 0) -> Engine:
    """An exported file (.onnx, .xml, .pt2) as an engine that knows its network, its input and its classes.

    "auto" is the usual engine of such a file. Raises `ExportError` for a file that cannot be run or was not written by
    `export`, `ConfigError` for an engine that does not run such files, `MissingExtra` where it is not installed.
    """
    engine = open_engine(Path(path), name, threads=threads)
    if engine.about is None:
        raise ExportError(f"{path} does not say what network it holds; write it with inceptionlab export")
    return replace(engine, precision=engine.about.precision)


def open_engine(path: Path, name: EngineName = "auto", precision: Precision = "fp32", threads: int = 0) -> Engine:
    """Any exported file by an engine, on the CPU. `precision` is OpenVINO's arithmetic; ONNX Runtime and torch compute
    in that of the file. `threads` 0: as many as torch takes. Raises what `load_engine` does.
    """
    known = RUNNING.get(path.suffix.lower(), ())
    if not known or path.is_dir():
        raise ExportError(f"{path} is no exported file; give one that ends in {', '.join(RUNNING)}")
    if not path.is_file():
        raise ExportError(f"{path} does not exist; inceptionlab export writes such files")
    if name == "auto":
        usual = cast(EngineName, next((one for one in known if find_spec(one)), known[0]))
        why = f"the first that is installed of those that run {path.suffix} files ({', '.join(known)})"
        return replace(open_engine(path, usual, precision, threads), why=why)
    if name not in known:
        raise ConfigError(f"there is no engine {name!r} for {path}; {nearest(name, known)}")
    return {"torch": _torch, "onnxruntime": _onnxruntime, "openvino": _openvino}[name](path, precision, threads)


def one_engine(name: str) -> None:
    """Refuse what is no engine's name, by `ConfigError`."""
    if name not in get_args(EngineName):
        raise ConfigError(f"there is no engine {name!r}; {nearest(name, get_args(EngineName))}")


def _torch(path: Path, precision: Precision, _: int) -> Engine:
    """A program of torch.export."""
    texts: dict[str, str] = dict.fromkeys(FIELDS, "")
    try:
        module = torch.export.load(path, extra_files=texts).module()
    except Exception as error:  # what torch raises for a damaged file is of many types
        raise ExportError(f"{path} cannot be run by torch: {_first_line(error)}") from None

    @torch.no_grad()
    def run(x: Tensor) -> Tensor:
        return module(x)

    return Engine("torch", precision, run, read_about({k: v for k, v in texts.items() if v}, str(path)))


def _onnxruntime(path: Path, precision: Precision, threads: int) -> Engine:
    """An ONNX file by ONNX Runtime."""
    library = _library("onnxruntime", "ONNX Runtime")
    options = library.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, threads or torch.get_num_threads()
    try:
        session = library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library has no exception of its own for what a file lacks
        raise ExportError(f"{path} cannot be run by ONNX Runtime: {_first_line(error)}") from None
    name = session.get_inputs()[0].name
    texts: dict[str, str] = session.get_modelmeta().custom_metadata_map

    def run(x: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {name: x.contiguous().numpy()})[0])

    return Engine("onnxruntime", precision, run, read_about(texts, str(path)))


def _openvino(path: Path, precision: Precision, threads: int) -> Engine:
    """An OpenVINO or ONNX file by OpenVINO."""
    library = _library("openvino", "OpenVINO")
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads or torch.get_num_threads(),
    }  # fmt: skip
    try:
        core = library.Core()
        model = core.read_model(str(path))
        request = core.compile_model(model, "CPU", settings).create_infer_request()
    except RuntimeError as error:
        raise ExportError(f"{path} cannot be run by OpenVINO: {_first_line(error)}") from None

    def run(x: Tensor) -> Tensor:
        return torch.from_numpy(request.infer({0: x.contiguous().numpy()})[0].copy())

    texts = _onnx_texts(path) if path.suffix.lower() == ".onnx" else _openvino_texts(model)
    return Engine("openvino", precision, run, read_about(texts, str(path)))


def _openvino_texts(model: Any) -> dict[str, str]:
    found = {name: ["inceptionlab", name] for name in FIELDS}
    return {name: model.get_rt_info(place).astype(str) for name, place in found.items() if model.has_rt_info(place)}


def _onnx_texts(path: Path) -> dict[str, str]:
    """The metadata of an ONNX file, which OpenVINO leaves out; nothing where the package onnx is missing."""
    if not find_spec("onnx"):
        return {}
    properties: Any = import_module("onnx").load(str(path), load_external_data=False).metadata_props
    return {entry.key: entry.value for entry in properties}


def _library(module: str, words: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtra(words, "export") from None


def _first_line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]
