"""Who takes part in a benchmark: our network by its engines, and another library's by every way its users have."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab.analysis.geometry import measure
from inceptionlab.benchmarking.child import ChildProcess, Within
from inceptionlab.benchmarking.options import Options
from inceptionlab.benchmarking.peers import allow_torchvision, peer
from inceptionlab.benchmarking.race import Candidate
from inceptionlab.exporting.about import Precision
from inceptionlab.exporting.engines import DTYPES, Engine, EngineName, installed, open_engine
from inceptionlab.exporting.optimizing import optimize
from inceptionlab.exporting.quantizing import quantize
from inceptionlab.exporting.writers import quiet, written
from inceptionlab.nn.building import InceptionNetwork, build
from inceptionlab.rng import stream
from inceptionlab.spec.network import Network
from inceptionlab.training.allocation import launched

Precisions = tuple[Precision, ...]
Named = Iterator[tuple[str, Precision, Callable[[], object]]]
"""What something is called after its library, its precision, and a pass of it."""


def inference(
    network: InceptionNetwork, peers: Mapping[str, nn.Module], options: Options, x: Tensor
) -> Iterator[Candidate]:
    """The other libraries' as their users run them (fp32, NCHW), then at their best; ours last. All share weights."""
    macs, batch, precisions = measure(network.spec).macs, len(x), options.precision
    engines = tuple(engine for engine in options.engines if engine in (*installed(), "compile"))
    for library, model in (peers or {"ours, as built": network}).items():
        for name, precision, run in _eager(model, precisions, x):
            yield Candidate(f"{library}, {name}", run, batch, macs, precision, library not in peers)
        if library in peers:
            if "compile" in engines:
                run = _inferring(_compiled(model), x)
                yield Candidate(f"{library}, torch.compile", run, batch, macs, "fp32", ours=False)
            for name, precision, run in _exported(_as_users_export(model, x), engines, precisions, x):
                yield Candidate(f"{library}, {name}", run, batch, macs, precision, ours=False)
    for name, precision, run in _ours(network, engines, precisions, x):
        yield Candidate(f"ours, {name}", run, batch, macs, precision)


def _ours(network: InceptionNetwork, engines: Sequence[str], precisions: Precisions, x: Tensor) -> Named:
    if "torch" in engines:
        for precision in precisions:
            if precision in DTYPES:
                yield "torch", precision, _inferring(optimize(network, x, precision), x)
    yield from _exported(lambda path: written(network, "onnx", path), engines, precisions, x)
    if "int8" in precisions and "openvino" in engines:
        with tempfile.TemporaryDirectory() as folder:
            images = torch.randn(8, *x.shape[1:], generator=stream(0, "calibration"))
            engine = open_engine(quantize(network, (), images, Path(folder) / "int8", 0.0).path, "openvino", "int8")
        yield "openvino", "int8", _pass(engine, x)


def _compiled(model: nn.Module) -> Callable[[Tensor], object]:
    own: Any = copy.deepcopy(model)
    return cast(Any, torch.compile(own.to(memory_format=torch.channels_last)))


def _inferring(model: Callable[[Tensor], object], x: Tensor) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            return model(x)

    return run


def _pass(engine: Engine, x: Tensor) -> Callable[[], object]:
    return lambda: engine.run(x)


def _eager(model: nn.Module, precisions: Precisions, x: Tensor) -> Named:
    yield "eager", "fp32", _inferring(model, x)
    for precision in precisions:
        if precision in DTYPES:
            other: Any = copy.deepcopy(model)
            other.to(DTYPES[precision], memory_format=torch.channels_last)
            y = x.to(DTYPES[precision]).contiguous(memory_format=torch.channels_last)
            yield "eager channels_last", precision, _inferring(other, y)


def _exported(write: Callable[[Path], Path], engines: Sequence[str], precisions: Precisions, x: Tensor) -> Named:
    """An ONNX file, which `write` makes, by the engines that run it."""
    by_openvino: list[tuple[EngineName, Precision]] = [("openvino", one) for one in precisions if one in DTYPES]
    known: list[tuple[EngineName, Precision]] = [("onnxruntime", "fp32"), *by_openvino]
    ways = [way for way in known if way[0] in engines and way[1] in precisions]
    if not ways or x.device.type != "cpu":
        return
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "model.onnx")
        for name, precision in ways:
            yield name, precision, _pass(open_engine(path, name, precision), x)


def _as_users_export(model: nn.Module, x: Tensor) -> Callable[[Path], Path]:
    """The way a user exports a model: torch.onnx.export on the model as it is."""

    def write(path: Path) -> Path:
        with quiet():
            made: Any = torch.onnx.export(model, (x[:2],), dynamo=True, verbose=False,
                                          dynamic_shapes=({0: torch.export.Dim("batch")},))  # fmt: skip
        made.save(str(path))
        return path

    return write


def training(network: Network, libraries: Sequence[str], options: Options, batch: int) -> Iterator[Candidate]:
    """Steps of SGD: the other libraries' as their users run them, then in channels_last; ours last, with memory as
    `train` has it. Each is in a process of its own.
    """
    macs, device = measure(network).macs, torch.device(options.device)

    def apart(
        name: str, way: str, precision: str = "fp32", library: str = "", within: Within = nullcontext
    ) -> Candidate:
        work = ChildProcess(_step, within, device, network=network, library=library, way=way, precision=precision,
                            batch=batch, device_name=options.device)  # fmt: skip
        return Candidate(name, work.run, batch, macs, precision, not library, 3, work.peak, work.close)

    for library in libraries:
        yield apart(f"{library}, eager", "contiguous", library=library)
        for precision in options.precision:
            yield apart(f"{library}, channels_last", "channels_last", precision, library)
    for precision in options.precision:
        yield apart("ours", "channels_last", precision, within=_as_train)
    yield apart("ours, checkpointed", "checkpointed", within=_as_train_checkpointed)


def _as_train() -> Any:
    return launched(checkpointing=False)


def _as_train_checkpointed() -> Any:
    return launched(checkpointing=True)


def _step(
    network: Network, library: str, way: str, precision: str, batch: int, device_name: str
) -> Callable[[], object]:
    """A step of training of a network, or of another library's same one, in a process that does nothing else."""
    if library:
        allow_torchvision()
    ours = build(network, seed=0, grad_checkpoint="*" if way == "checkpointed" else None)
    own: Any = peer(library, ours) if library else ours
    layout = torch.contiguous_format if way == "contiguous" else torch.channels_last
    own.to(device_name, memory_format=layout).train()
    x = torch.randn(batch, *network.input.shape, generator=stream(0, "images")).to(device_name)
    x = x.contiguous(memory_format=layout)
    labels = torch.randint(network.classes, (batch,), generator=stream(0, "labels")).to(device_name)
    optimizer = torch.optim.SGD(own.parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        with torch.autocast(x.device.type, DTYPES[precision], enabled=precision != "fp32"):
            out = own(x)
            loss = F.cross_entropy(getattr(out, "logits", out), labels)  # torchvision's give more than logits
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
