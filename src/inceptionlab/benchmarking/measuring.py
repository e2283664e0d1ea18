"""`benchmark`: networks measured beside other libraries' on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from math import prod

import torch
from torch import Tensor, nn

from inceptionlab.analysis.geometry import measure
from inceptionlab.benchmarking.candidates import inference, training
from inceptionlab.benchmarking.memory import peak_bytes
from inceptionlab.benchmarking.options import Options
from inceptionlab.benchmarking.peaks import measured_peaks
from inceptionlab.benchmarking.peers import peer
from inceptionlab.benchmarking.profiling import profile
from inceptionlab.benchmarking.race import Candidate, race
from inceptionlab.benchmarking.results import BenchmarkResult, raised, rows_of
from inceptionlab.errors import ConfigError
from inceptionlab.exporting.optimizing import optimize
from inceptionlab.nn.building import InceptionNetwork, build
from inceptionlab.rng import scope, stream
from inceptionlab.runs.environment import device_name
from inceptionlab.spec.network import Network
from inceptionlab.zoo.configure import configured

PACKAGES = ("inceptionlab", "torch", "onnxruntime", "openvino", "timm", "torchvision")
Finished = Callable[[list[BenchmarkResult]], None]


def benchmark(
    names: str | Network | Sequence[str | Network], options: Options | None = None, finished: Finished = lambda _: None,
    step: Callable[[str], None] = lambda _: None,
) -> list[BenchmarkResult]:  # fmt: skip
    """Measure a network or several, by name or as specs, in interleaved rounds: a result for each network and batch.

    Weights are random and the same for everyone. `finished` is called after each result with all so far, so that what
    is stopped keeps what was measured; `step` is told which round is measured. Run it alone: raises `MeasurementError`
    where the machine is too noisy, `ConfigError` for a library that does not have the network.
    """
    if not names:
        raise ConfigError("no network was named; inceptionlab list shows them")
    chosen, results = options or Options(), list[BenchmarkResult]()
    for name in [names] if isinstance(names, str | Network) else names:
        for batch in chosen.batch:
            results.append(_measured(name, batch, chosen, step))
            finished(results)
    return results


def _measured(name: str | Network, batch: int, options: Options, step: Callable[[str], None]) -> BenchmarkResult:
    device = torch.device(options.device)
    network, x = _prepared(name, batch, options)
    title = name if isinstance(name, str) else name.title
    peers = _peers(network, options)
    candidates, memory = list[Candidate](), dict[tuple[str, str], int | None]()
    try:
        for one in _candidates(network, peers, options, x):
            candidates.append(one)
            memory[one.name, one.precision] = one.peak() if one.peak else peak_bytes(one.run, device)
        peaks = measured_peaks(device, options.precision)
        found = race(
            candidates, device, options.rounds, lambda number: step(f"{title}, batch {batch}: round {number + 1}"),
            options.noisy,
        )  # fmt: skip
        peaks = peaks.with_best_of(measured_peaks(device, options.precision))
    finally:
        for one in candidates:
            one.close()
    layers = tuple(profile(optimize(network, x), x)) if options.profile else ()
    peaks = raised(peaks.raised("fp32", found.gflops, "the multiplication between the rounds"), found.timings, layers)
    return BenchmarkResult(
        title, batch, network.spec.input.shape, options.train, device_name(device), peaks.threads, torch.__version__,
        found.noise, {name: peak.gflops for name, peak in peaks.peaks.items()},
        {name: peak.by for name, peak in peaks.peaks.items()}, peaks.bandwidth, _intensity(network, batch), _versions(),
        rows_of(found.timings, peaks, memory), layers,
    )  # fmt: skip


def _prepared(name: str | Network, batch: int, options: Options) -> tuple[InceptionNetwork, Tensor]:
    """(our network with random weights and statistics, images)."""
    network = build(configured(name, input_size=options.input_size, stem="imagenet"), seed=0).train()
    x = torch.randn(batch, *network.spec.input.shape, generator=stream(0, "images"))
    with torch.no_grad(), scope(0, "dropout"):
        network(x if batch > 1 else x.repeat(2, 1, 1, 1))  # statistics that fit the weights
    return network.eval().to(options.device), x.to(options.device)


def _peers(network: InceptionNetwork, options: Options) -> dict[str, nn.Module]:
    """The other libraries' networks with the same weights."""
    peers = {library: peer(library, network) for library in options.against}
    missing = [library for library, model in peers.items() if model is None]
    if missing:
        raise ConfigError(f"{', '.join(missing)} has no {network.spec.name}; leave --against out to measure ours alone")
    return {library: model.to(options.device) for library, model in peers.items() if model is not None}


def _candidates(
    network: InceptionNetwork, peers: dict[str, nn.Module], options: Options, x: Tensor
) -> Iterator[Candidate]:
    if options.train:
        return training(network.spec, tuple(peers), options, len(x))
    return inference(network, peers, options, x)


def _intensity(network: InceptionNetwork, batch: int) -> float:
    """Multiplications and additions per byte, if every map is written and read once and every weight read once."""
    measured = measure(network.spec)
    maps = sum(prod(row.output) for row in measured.walk() if not row.children)
    return 2 * measured.macs * batch / (4 * (measured.params + 2 * maps * batch))


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
