"""Who takes part in a benchmark: our network by its engines, and another library's by every way its users have."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab.analysis.geometry import measure
from inceptionlab.benchmarking.apart import Apart, Within
from inceptionlab.benchmarking.peers import peer
from inceptionlab.benchmarking.race import Contestant
from inceptionlab.errors import RunError
from inceptionlab.exporting.engines import DTYPES, run_onnxruntime, run_openvino
from inceptionlab.exporting.optimizing import optimize
from inceptionlab.exporting.quantizing import quantize
from inceptionlab.exporting.writers import facts_of, quiet, write_onnx
from inceptionlab.nn.building import InceptionNetwork, build
from inceptionlab.optimization.exactness import FOR_ENGINES, exact
from inceptionlab.spec.network import Network
from inceptionlab.training.allocation import freed_at_once, pages_kept

Precisions = tuple[str, ...]


def inference(
    network: InceptionNetwork, peers: dict[str, nn.Module], engines: tuple[str, ...], precisions: Precisions, x: Tensor
) -> Iterator[Contestant]:
    """The other libraries' as their users run them (fp32, NCHW), then at their best; ours last. All share weights."""
    macs, batch = measure(network.spec).macs, len(x)
    for library, model in (peers or {"ours, as built": network}).items():
        for name, precision, run in _eager(library, model, precisions, x):
            yield Contestant(name, run, batch, macs, precision, library not in peers)
        if "compile" in engines and library in peers:
            yield Contestant(f"{library}, torch.compile", _inferring(_compiled(model), x), batch, macs, "fp32", False)
        theirs = engines if library in peers else ()
        for name, precision, run in _engines(library, _written(model, x), theirs, precisions, x):
            yield Contestant(name, run, batch, macs, precision, False)
    if "torch" in engines:
        for precision in precisions:
            if precision in DTYPES:
                run = _inferring(optimize(network, x, cast(Any, precision)), x)
                yield Contestant("ours, torch", run, batch, macs, precision)
    write = _ours_written(network)
    for name, precision, run in _engines("ours", write, engines, precisions, x):
        yield Contestant(name, run, batch, macs, precision)
    if "int8" in precisions and "openvino" in engines:
        with tempfile.TemporaryDirectory() as folder:
            path = quantize(network, (), torch.randn(8, *x.shape[1:]), Path(folder) / "int8", agreement=0.0).path
            runner = run_openvino(path)
        yield Contestant("ours, openvino", lambda: runner(x), batch, macs, "int8")


def _compiled(model: nn.Module) -> Callable[[Tensor], object]:
    own: Any = copy.deepcopy(model)
    return cast(Any, torch.compile(own.to(memory_format=torch.channels_last)))


def _inferring(model: Callable[[Tensor], object], x: Tensor) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            return model(x)

    return run


def _eager(
    library: str, model: nn.Module, precisions: Precisions, x: Tensor
) -> Iterator[tuple[str, str, Callable[[], object]]]:
    yield f"{library}, eager", "fp32", _inferring(model, x)
    for precision in precisions:
        if precision in DTYPES:
            other: Any = copy.deepcopy(model)
            other.to(DTYPES[precision], memory_format=torch.channels_last)
            y = x.to(DTYPES[precision]).contiguous(memory_format=torch.channels_last)
            yield f"{library}, eager channels_last", precision, _inferring(other, y)


def _engines(
    library: str, write: Callable[[Path], None], engines: tuple[str, ...], precisions: Precisions, x: Tensor
) -> Iterator[tuple[str, str, Callable[[], object]]]:
    wanted = [engine for engine in engines if engine in ("onnxruntime", "openvino")]
    if not wanted or x.device.type != "cpu":
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write(path)
        for engine in wanted:
            for precision in precisions:
                if engine == "openvino" and precision in DTYPES:
                    runner = run_openvino(path, precision)
                elif engine == "onnxruntime" and precision == "fp32":
                    runner = run_onnxruntime(path)
                else:
                    continue
                yield f"{library}, {engine}", precision, lambda runner=runner: runner(x)


def _ours_written(network: InceptionNetwork) -> Callable[[Path], None]:
    return lambda path: write_onnx(exact(network, FOR_ENGINES), network.spec.input.shape, facts_of(network, ()), path)


def _written(model: nn.Module, x: Tensor) -> Callable[[Path], None]:
    """The way a user exports a model: torch.onnx.export on the model as it is."""

    def write(path: Path) -> None:
        with quiet():
            made: Any = torch.onnx.export(model, (x[:2],), dynamo=True, verbose=False,
                                          dynamic_shapes=({0: torch.export.Dim("batch")},))  # fmt: skip
        made.save(str(path))

    return write


def training(
    network: Network, libraries: tuple[str, ...], precisions: Precisions, batch: int, device: torch.device
) -> Iterator[Contestant]:
    """Steps of SGD: the other libraries' as their users run them, then in channels_last; ours last, with memory as
    `train` has it. Each is in a process of its own.
    """
    wrong = [precision for precision in precisions if precision not in DTYPES]
    if wrong:
        raise RunError(f"--train computes in fp32, bf16 or fp16, not {', '.join(wrong)}")
    macs = measure(network).macs

    def apart(
        name: str, way: str, precision: str = "fp32", library: str = "", within: Within = nullcontext
    ) -> Contestant:
        work = Apart(_step, within, device, network=network, library=library, way=way, precision=precision,
                     batch=batch, device_name=str(device))  # fmt: skip
        return Contestant(name, work.run, batch, macs, precision, not library, 3, work.peak, work.close)

    for library in libraries:
        yield apart(f"{library}, eager", "contiguous", library=library)
        for precision in precisions:
            yield apart(f"{library}, channels_last", "channels_last", precision, library)
    for precision in precisions:
        yield apart("ours", "channels_last", precision, within=pages_kept)
    yield apart("ours, checkpointed", "checkpointed", within=freed_at_once)


def _step(
    network: Network, library: str, way: str, precision: str, batch: int, device_name: str
) -> Callable[[], object]:
    """A step of training of a network, or of another library's same one."""
    torch.manual_seed(0)
    ours = build(network, checkpoint="*" if way == "checkpointed" else None)
    own: Any = peer(library, ours) if library else ours
    layout = torch.contiguous_format if way == "contiguous" else torch.channels_last
    own.to(device_name, memory_format=layout).train()
    x = torch.randn(batch, *network.input.shape, device=device_name).contiguous(memory_format=layout)
    labels = torch.randint(network.classes, (batch,), device=device_name)
    optimizer = torch.optim.SGD(own.parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        with torch.autocast(x.device.type, DTYPES[precision], enabled=precision != "fp32"):
            out = own(x)
            loss = F.cross_entropy(getattr(out, "logits", out), labels)  # torchvision's give more than logits
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
