"""Where the time of a rewritten network goes, by kind of layer, beside what the machine could do."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.optimization.packing import PackedConv

PASSES = 7
BETWEEN = "between layers"
"""What is no module's own: concatenations, sums, slices, and Python."""


@dataclass(frozen=True, slots=True)
class LayerTimes:
    """A kind of layer: how many there are, seconds of a pass, billions of its multiplications and additions."""

    kind: str
    count: int
    seconds: float
    gflop: float

    @property
    def gflops(self) -> float:
        """Billions of multiplications and additions per second."""
        return self.gflop / self.seconds if self.seconds else 0.0


@torch.inference_mode()
def profile(network: nn.Module, x: Float[Tensor, "b c h w"]) -> list[LayerTimes]:
    """The kinds of layers of a network on the CPU, the slowest first; each time is the median of some passes."""
    layers = {module: kind_of(module) for module in network.modules() if not any(True for _ in module.children())}
    began: dict[nn.Module, float] = {}
    took: list[dict[nn.Module, float]] = []
    work: dict[nn.Module, float] = defaultdict(float)

    def before(module: nn.Module, _: Any) -> None:
        began[module] = time.perf_counter()

    def behind(module: nn.Module, _: Any, out: object) -> None:
        took[-1][module] += time.perf_counter() - began[module]
        if len(took) == 1 and isinstance(out, Tensor):
            work[module] += 2e-9 * out.numel() * _products(module)

    hooks = [hook for module in layers for hook in (module.register_forward_pre_hook(before),
                                                    module.register_forward_hook(behind))]  # fmt: skip
    whole: list[float] = []
    for _ in range(PASSES + 1):
        took.append(defaultdict(float))
        start = time.perf_counter()
        network(x)
        whole.append(time.perf_counter() - start)
    for hook in hooks:
        hook.remove()
    kinds: dict[str, list[nn.Module]] = defaultdict(list)
    for module, kind in layers.items():
        kinds[kind].append(module)
    found = [
        LayerTimes(kind, len(of_kind), median(sum(one[module] for module in of_kind) for one in took[1:]),
              sum(work[module] for module in of_kind))
        for kind, of_kind in kinds.items()
    ]  # fmt: skip
    rest = median(all_ - sum(one.values()) for all_, one in zip(whole[1:], took[1:], strict=True))
    return sorted([*found, LayerTimes(BETWEEN, 0, rest, 0.0)], key=lambda share: -share.seconds)


def kind_of(module: nn.Module) -> str:
    """A name in words: a convolution by its window, stride and groups, another layer by its class."""
    if not isinstance(module, PackedConv | nn.Conv2d):
        return type(module).__name__
    _, _, height, width = module.weight.shape
    stride = module.geometry[1] if isinstance(module, PackedConv) else module.stride
    groups = module.geometry[3] if isinstance(module, PackedConv) else module.groups
    kind = " depthwise" if groups == module.weight.shape[0] else f" in {groups} groups"
    apart = kind if groups > 1 else ""
    steps = f" / {stride[0]}" if tuple(stride) != (1, 1) else ""
    return f"convolution {height}×{width}{steps}{apart}"


def _products(module: nn.Module) -> int:
    """Multiplications of one value of a layer's output."""
    if isinstance(module, PackedConv | nn.Conv2d):
        return module.weight.shape[1:].numel()
    return module.in_features if isinstance(module, nn.Linear) else 0


def profile_table(shares: Sequence[LayerTimes], peak: float | None) -> str:
    """The kinds as Markdown; `peak` is that of the machine, in GFLOP/s."""
    whole = sum(share.seconds for share in shares)
    lines = ["| layers | count | ms | of the time | GFLOP/s | of peak |", "|---|---:|---:|---:|---:|---:|"]
    for share in shares:
        rate = f"{share.gflops:.0f}" if share.gflop else ""
        part = f"{share.gflops / peak:.0%}" if share.gflop and peak else ""
        cells = [share.kind, str(share.count or ""), f"{1e3 * share.seconds:.1f}", f"{share.seconds / whole:.0%}"]
        lines.append("| " + " | ".join([*cells, rate, part]) + " |")
    return "\n".join(lines)
