"""The family's history as a chain of rules on one small network: what each step saved, and what it won where it was
measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from inceptionlab.analysis.geometry import measure
from inceptionlab.analysis.markup import text_table
from inceptionlab.zoo.registry import get_spec

NETWORK = "inception_net"
"""The network that the chain is of: the tutorial's, two modules of GoogLeNet for images of 32 pixels."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a study measured: test accuracy, and its difference from the step before with the paired 95 % interval, all
    as shares of 1, and the verdict in a word.
    """

    top1: float
    difference: float | None = None
    low: float = 0.0
    high: float = 0.0
    verdict: str = ""


STUDY = "studies/history.toml: CIFAR-10, 5,000 training images, 6 epochs, 5 seeds, all networks of equal parameters"
"""Where the recorded accuracies are from; the verdicts stand in benchmarks/results/studies.md."""
_STEPS = (
    ("naive", "2014", "branches of 1×1, 3×3, 5×5 and pool beside each other", "unreduced",
     Recorded(0.4788)),
    ("reductions", "2014, GoogLeNet", "1×1 convolutions before the large ones and after the pool", "",
     Recorded(0.4574, -0.0215, -0.0277, -0.0152, "loses")),
    ("batch_norm", "2015, BN-Inception", "batch norm behind each convolution", "norm(batch)",
     Recorded(0.5221, 0.0647, 0.0541, 0.0753, "gains")),
    ("factorised", "2015, Inception-v2", "two 3×3 for each 5×5", "norm(batch) | factorize(5)",
     Recorded(0.5152, -0.0068, -0.0216, 0.0079, "undecided")),
    ("asymmetric", "2015, Inception-v3", "1×3 and 3×1 for each 3×3", "norm(batch) | factorize(5) | asymmetric(3)",
     Recorded(0.5198, 0.0046, -0.0142, 0.0233, "undecided")),
    ("residual", "2016, Inception-ResNet", "a shortcut around each module, in the place of narrow filters",
     "norm(batch) | factorize(5) | residual(1.0)", Recorded(0.5148, -0.0050, -0.0178, 0.0079, "undecided")),
    ("separable", "2016, Xception", "depthwise and 1×1 for each dense convolution, in the place of shortcuts",
     "norm(batch) | separable", Recorded(0.5360, 0.0211, 0.0023, 0.0400, "undecided")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the chain: since when, its idea, the network by name and rules, and what it costs.

    `saved_params` and `saved_macs` are the shares of 1 that it saved of the step before (negative: it costs more, None
    for the first), `recorded` what the shipped study found at equal parameters.
    """

    name: str
    since: str
    idea: str
    network: str
    params: int
    macs: int
    saved_params: float | None
    saved_macs: float | None
    recorded: Recorded


@dataclass(frozen=True, slots=True, repr=False)
class History:
    """The steps in order; as text a table of them."""

    steps: tuple[Step, ...]
    study: str = STUDY

    def __str__(self) -> str:
        heads = ("step", "idea", "parameters", "change", "MACs", "change", "top-1 %", "difference, points")
        rows = [
            (f"{step.name} ({step.since})", step.idea, f"{step.params:,}", _change(step.saved_params),
             f"{step.macs:,}", _change(step.saved_macs), f"{100 * step.recorded.top1:.2f}", _difference(step.recorded))
            for step in self.steps
        ]  # fmt: skip
        about = f"{NETWORK} changed step by step; change is that from the step before"
        rules = "\n".join(f"  {step.name}: {step.network}" for step in self.steps)
        return f"{about}\n{text_table(heads, rows)}\ntop-1 and difference: {self.study}\nnetworks:\n{rules}"

    __repr__ = __str__


def _change(saved: float | None) -> str:
    return "" if saved is None else f"{-100 * saved:+z.1f} %"


def _difference(recorded: Recorded) -> str:
    if recorded.difference is None:
        return ""
    low, high = 100 * recorded.low, 100 * recorded.high
    return f"{100 * recorded.difference:+z.2f} ({low:+z.2f} to {high:+z.2f}), {recorded.verdict}"


def history() -> History:
    """The family's history as a chain of rules, with what each step saves in parameters and multiply-adds of the step
    before at the tutorial's widths, and the accuracies that the shipped study recorded.
    """
    steps: list[Step] = []
    for name, since, idea, rules, recorded in _STEPS:
        network = f"{NETWORK} | {rules}" if rules else NETWORK
        measured = measure(get_spec(network))
        before = steps[-1] if steps else None
        saved = (
            (None, None) if before is None else (1 - measured.params / before.params, 1 - measured.macs / before.macs)
        )
        steps.append(Step(name, since, idea, network, measured.params, measured.macs, *saved, recorded))
    return History(tuple(steps))
