"""`inceptionlab benchmark`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from inceptionlab.errors import RunError, SpecError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from inceptionlab.benchmarking.race import Contestant
    from inceptionlab.nn.building import InceptionNetwork

ENGINES = ("torch", "onnxruntime", "openvino")


@dataclass(frozen=True)
class Race:
    """What is compared, and how."""

    against: tuple[Literal["timm", "torchvision"], ...] = ()
    """Another library whose network of the same name, with the same weights, is the base; may be repeated."""
    engines: tuple[Literal["torch", "onnxruntime", "openvino", "compile"], ...] = ENGINES
    """What runs the network; may be repeated ("compile", minutes a network, is tried on the other library's)."""
    precision: tuple[Literal["fp32", "bf16", "fp16", "int8"], ...] = ("fp32", "bf16")
    """Arithmetic; may be repeated ("int8" is OpenVINO's)."""
    batch: tuple[int, ...] = (1, 8)
    """Pictures a pass; may be repeated."""
    train: bool = False
    """Measure steps of training instead."""
    rounds: int = 15
    """Interleaved rounds that are measured, after two that warm up."""
    input_size: int | None = None
    """Side of the pictures in pixels (default: the network's own)."""
    device: str = "cpu"
    """"cpu" or "cuda"."""
    noisy: bool = False
    """Compare even where the machine's own times spread too far."""
    profile: bool = False
    """Show too where the time of our network goes in torch, by kind of layer (fp32, on a CPU)."""


def benchmark(
    *names: str, output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
    race: Annotated[Race | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Measure networks in interleaved rounds: latency, pictures a second, the share of the machine's own peak.

    Weights are random and the same for everyone. Run it alone: where a multiplication's own time spreads too far, the
    machine is too noisy and nothing is compared.

    Parameters
    ----------
    names
        Networks of the zoo.
    output
        Write OUTPUT.md, OUTPUT.svg and OUTPUT.json too.
    json_
        Print an array, an object a network and batch.
    race
        What is compared, and how.
    """
    chosen = race or Race()
    if not names:
        raise SpecError("no network was named; inceptionlab list shows them")
    if chosen.profile and (chosen.device != "cpu" or chosen.train):
        raise SpecError("--profile looks at inference on a CPU; leave --train out and give --device cpu")
    if chosen.rounds < 3 or min(chosen.batch, default=0) < 1:
        raise SpecError(f"--rounds {chosen.rounds} --batch {list(chosen.batch)}: give at least 3 rounds and 1 picture")
    results: list[tuple[dict[str, Any], str]] = []
    for name, batch in ((name, batch) for name in names for batch in chosen.batch):
        results.append(_measured(name, batch, chosen))
        if not json_:
            print(_section(results[-1][0]) + "\n", flush=True)
        if output is not None:  # after each, so that what is stopped keeps what was measured
            _write(output, results)
    if json_:
        print(json.dumps([record for record, _ in results], indent=1))


def _measured(name: str, batch: int, chosen: Race) -> tuple[dict[str, Any], str]:
    import torch

    from inceptionlab.benchmarking import race as benchmarking
    from inceptionlab.benchmarking.memory import peak_bytes
    from inceptionlab.runs.environment import device_name

    device = torch.device(chosen.device)
    network, x, peers = _prepared(name, batch, chosen, device)
    contestants: list[Contestant] = []
    memory: dict[tuple[str, str], int | None] = {}
    try:
        for one in _contestants(network, peers, chosen, x):
            contestants.append(one)
            memory[one.name, one.precision] = one.peak() if one.peak else peak_bytes(one.run, device)
        machine = benchmarking.measured_machine(device, chosen.precision)
        machine.device = device_name(device)
        found, machine.noise = benchmarking.race(
            contestants, device, chosen.rounds, _follow(name, batch), chosen.noisy, machine
        )
        machine.at_best(benchmarking.measured_machine(device, chosen.precision))
    finally:
        for one in contestants:
            one.close()
    rows = benchmarking.as_records(found, machine)
    for row in rows:
        row["peak_memory"] = memory[row["name"], row["precision"]]
    intensity = _intensity(network, batch)
    record = {
        "network": name, "batch": batch, "input": list(network.spec.input.shape), "train": chosen.train,
        "device": machine.device, "threads": machine.threads, "torch": torch.__version__, "noise": machine.noise,
        "peak_gflops": machine.peaks, "bandwidth_gb": machine.bandwidth, "versions": _versions(), "rows": rows,
        "profile": _profiled(network, x) if chosen.profile else [],
    }  # fmt: skip
    return record, benchmarking.roofline_svg(rows, machine, intensity)


def _profiled(network: InceptionNetwork, x: Tensor) -> list[dict[str, Any]]:
    from dataclasses import asdict

    from inceptionlab.benchmarking.profiling import profile
    from inceptionlab.exporting.optimizing import optimize

    return [asdict(share) for share in profile(optimize(network, x), x)]


def _prepared(
    name: str, batch: int, chosen: Race, device: Any
) -> tuple[InceptionNetwork, Tensor, dict[str, nn.Module]]:  # fmt: skip
    """(our network with random weights and statistics, pictures, the other libraries' with the same weights)."""
    import torch

    from inceptionlab.benchmarking.peers import peer
    from inceptionlab.nn.building import build
    from inceptionlab.zoo.configure import configured

    torch.manual_seed(0)
    network = build(configured(name, input_size=chosen.input_size, stem="imagenet"))
    x = torch.randn(batch, *network.spec.input.shape)
    network.train()
    with torch.no_grad():
        network(x[: max(2, batch)] if batch > 1 else x.repeat(2, 1, 1, 1))  # statistics that fit the weights
    network.eval()
    peers = {library: peer(library, network) for library in chosen.against}
    missing = [library for library, model in peers.items() if model is None]
    if missing:
        raise RunError(f"{', '.join(missing)} has no {network.spec.name}; leave --against out to measure ours alone")
    return network.to(device), x.to(device), {k: model.to(device) for k, model in peers.items() if model is not None}


def _contestants(network: InceptionNetwork, peers: dict[str, nn.Module], chosen: Race, x: Tensor) -> Any:
    from inceptionlab.benchmarking.candidates import inference, training
    from inceptionlab.exporting.choosing import installed

    if chosen.train:
        return training(network.spec, tuple(peers), chosen.precision, len(x), x.device)
    engines = tuple(engine for engine in chosen.engines if engine in (*installed(), "compile"))
    return inference(network, peers, engines, chosen.precision, x)


def _intensity(network: InceptionNetwork, batch: int) -> float:
    """Multiplications and additions a byte, if every map is written and read once and every weight read once."""
    from math import prod

    from inceptionlab.analysis.geometry import measure

    measured = measure(network.spec)
    maps = sum(prod(row.output) for row in measured.walk() if not row.children)
    return 2 * measured.macs * batch / (4 * (measured.params + 2 * maps * batch))


def _follow(name: str, batch: int) -> Any:
    """Says on a terminal which round is measured."""
    from rich.console import Console

    console = Console(stderr=True)

    def step(number: int) -> None:
        if console.is_terminal:
            console.print(f"{name}, batch {batch}: round {number + 1}", end="\r")

    return step


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str] = {}
    for package in ("inceptionlab", "torch", "onnxruntime", "openvino", "timm", "torchvision"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _section(record: dict[str, Any]) -> str:
    from inceptionlab.benchmarking.profiling import Share, profile_table
    from inceptionlab.benchmarking.race import table

    peaks = ", ".join(f"{name} {value:.0f}" for name, value in record["peak_gflops"].items())
    what = "training" if record["train"] else "inference"
    versions = ", ".join(f"{name} {value}" for name, value in record["versions"].items())
    memory = "\n".join(
        f"| {row['name']} | {row['precision']} | {row['peak_memory'] / 2**20:.0f} |"
        for row in record["rows"] if row["peak_memory"] is not None
    )  # fmt: skip
    shares = [Share(**share) for share in record["profile"]]
    where = f"\n\n{profile_table(shares, record['peak_gflops'].get('fp32'))}" if shares else ""
    return (
        f"### {record['network']}, {'×'.join(map(str, record['input']))}, batch {record['batch']}, {what}\n\n"
        f"{record['device']}, {record['threads']} threads; {versions}; peak of a multiplication, GFLOP/s: {peaks}; "
        f"noise {record['noise']:.0%}\n\n{table(record['rows'])}\n\n"
        f"| first pass | precision | peak memory, MiB |\n|---|---|---:|\n{memory}{where}"
    )


def _write(output: Path, results: Sequence[tuple[dict[str, Any], str]]) -> None:
    from inceptionlab.storage import write, write_json

    output.parent.mkdir(parents=True, exist_ok=True)
    write_json(output.with_name(output.name + ".json"), [record for record, _ in results])
    pictures: list[str] = []
    for record, svg in results:
        picture = output.with_name(f"{output.name}-{record['network']}-{record['batch']}.svg")
        write(picture, svg)
        pictures.append(f"{_section(record)}\n\n![below the roof]({picture.name})")
    write(output.with_name(output.name + ".md"), "\n\n".join(pictures) + "\n")
