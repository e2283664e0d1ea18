"""`inceptionlab benchmark`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from inceptionlab.benchmarking.options import Options

if TYPE_CHECKING:
    from inceptionlab.benchmarking.results import BenchmarkResult


def benchmark(
    *names: str, output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
    options: Annotated[Options | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Measure networks in interleaved rounds: latency, images per second, the share of the machine's own peak.

    Weights are random and the same for everyone. Run it alone: where a multiplication's own time spreads too far, the
    machine is too noisy and nothing is compared.

    Parameters
    ----------
    names
        Networks: of the zoo, FILE.py:FUNCTION, FILE.json or run folders, with or without rules.
    output
        Write OUTPUT.md, OUTPUT.svg and OUTPUT.json too.
    json_
        Print an array, an object per network and batch.
    options
        What is compared, and how.
    """
    from rich.console import Console

    from inceptionlab.benchmarking.measuring import benchmark
    from inceptionlab.benchmarking.peers import allow_torchvision
    from inceptionlab.benchmarking.results import as_json, write_results

    def finished(results: list[BenchmarkResult]) -> None:
        if not json_:
            print(results[-1].as_markdown() + "\n", flush=True)
        if output is not None:
            write_results(output, results)

    def step(words: str) -> None:
        if console.is_terminal:
            console.print(words, end="\r")

    console = Console(stderr=True)
    allow_torchvision()
    results = benchmark(names, options, finished, step)
    if json_:
        print(json.dumps(as_json(results), indent=1))
