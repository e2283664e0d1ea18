"""Engines: programs that run an exported file. Each is a function from pictures to logits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from inceptionlab.errors import RunError

Runner = Callable[[Tensor], Tensor]
"""Pictures `b c h w` in fp32, normalised, to logits `b classes`."""
EngineName = Literal["auto", "torch", "onnxruntime", "openvino"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}


def run_torch(path: Path) -> Runner:
    """A program of torch.export."""
    module: Any = torch.export.load(path).module()
    return lambda x: module(x)


def run_onnxruntime(path: Path, threads: int = 0) -> Runner:
    """An ONNX file by ONNX Runtime. Raises `RunError` where that is not installed or the file cannot be read."""
    try:
        import onnxruntime
    except ImportError:
        raise RunError("ONNX Runtime is not installed: pip install 'inceptionlab[export]'") from None
    library: Any = onnxruntime
    options = library.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, threads or torch.get_num_threads()
    try:
        session = library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library has no exception of its own for what a file lacks
        raise RunError(f"{path} cannot be run by ONNX Runtime: {str(error).splitlines()[0]}") from None
    name = session.get_inputs()[0].name
    return lambda x: torch.from_numpy(session.run(None, {name: x.contiguous().numpy()})[0])


def run_openvino(path: Path, precision: str = "fp32", threads: int = 0) -> Runner:
    """An OpenVINO or ONNX file by OpenVINO, whose arithmetic is `precision`. Raises `RunError` where it is missing."""
    try:
        import openvino
    except ImportError:
        raise RunError("OpenVINO is not installed: pip install 'inceptionlab[export]'") from None
    library: Any = openvino
    settings = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[precision], "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads or torch.get_num_threads(),
    }  # fmt: skip
    try:
        compiled = library.Core().compile_model(str(path), "CPU", settings)
    except RuntimeError as error:
        raise RunError(f"{path} cannot be run by OpenVINO: {str(error).splitlines()[0]}") from None
    request = compiled.create_infer_request()
    return lambda x: torch.from_numpy(request.infer({0: x.contiguous().numpy()})[0].copy())
