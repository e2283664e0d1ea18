"""`inceptionlab train`."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from inceptionlab.errors import SpecError
from inceptionlab.zoo.configure import Stem, configured
from inceptionlab.zoo.registry import entry

if TYPE_CHECKING:
    from inceptionlab.data.dataset import DataSet
    from inceptionlab.evaluation.metrics import Score
    from inceptionlab.runs.run import Machine, Setup
    from inceptionlab.spec.network import Network
    from inceptionlab.training.recipe import Recipe


@dataclass(frozen=True)
class Options:
    """Options of a run."""

    epochs: int | None = None
    """Passes over the training pictures (default: the recipe's)."""
    batch_size: int | None = None
    """Pictures a step (default: the recipe's)."""
    lr: float | None = None
    """The highest learning rate (default: the recipe's)."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = None
    """Arithmetic; "auto" is bf16 where the device is faster in it."""
    set_: Annotated[tuple[str, ...], Parameter(name="--set")] = ()
    """Any field of the recipe, as NAME=VALUE ("ema=0.99", "augment.flip=false"); may be repeated."""
    seed: int = 0
    """Seed of the split, the initial weights, the order and the augmentation."""
    device: str = "auto"
    """"auto", "cpu", "cuda" or "mps"."""
    input_size: int | None = None
    """Side of the pictures in pixels (default: that of the data, or the network's for photographs)."""
    stem: Stem = "auto"
    """"auto" takes a small stem for small pictures."""
    aux: bool = False
    """Train with the network's auxiliary heads."""
    weights: Path | None = None
    """Begin with the weights of a file, ours or another library's; a classifier for other classes is new."""
    limit_train: int | None = None
    """Use only so many training pictures, for a trial."""
    limit_test: int | None = None
    """Use only so many test pictures, for a trial."""
    data_dir: Path | None = None
    """Folder in which named data sets are looked for, and downloaded to."""
    tensorboard: bool = False
    """Write a TensorBoard log too."""
    checkpoint: str = ""
    """Nodes whose activations are computed again in the backward pass, for less memory ("inception*", "*")."""
    compile: Literal["none", "default", "reduce-overhead", "max-autotune"] = "none"
    """Mode of torch.compile: minutes before the first step on a CPU, less time a step; "reduce-overhead" records CUDA
    graphs."""
    shard: bool = False
    """Divide weights, gradients and the optimiser's state among the processes that torchrun started (FSDP)."""


def train(
    *, model: str | None = None, data: str | None = None, recipe: str | None = None, out: Path | None = None,
    resume: Path | None = None, options: Annotated[Options | None, Parameter(name="*")] = None,
) -> None:  # fmt: skip
    """Train a network, test it once, and write a run folder with weights, curves and a report.

    Validation is split from the training pictures by the seed and selects the weights; the test set is read once, at
    the end. The last line printed is the run folder. A run that was stopped goes on with --resume.

    Parameters
    ----------
    model
        A network of the zoo, with or without rules.
    data
        digits, cifar10, cifar100, fashion_mnist, mnist, a folder of pictures with a folder a class,
        hf:NAME, or stream:NAME to read a set of the hub without keeping it.
    recipe
        A recipe by name or a TOML file (default: the one for the data).
    out
        The run folder (default: runs/NAME-HASH).
    resume
        A run folder to go on with; the model, the data and the recipe are taken from it.
    options
        Options of the run.
    """
    from inceptionlab.runs.run import Machine, read_setup

    chosen = options or Options()
    machine = Machine(chosen.device, chosen.data_dir, chosen.tensorboard, chosen.checkpoint, chosen.compile,
                      chosen.shard)  # fmt: skip
    if resume is not None:
        _go(read_setup(resume), resume, machine, None)
        return
    if model is None or data is None:
        raise SpecError("train needs --model and --data, or --resume RUN; inceptionlab list shows the models")
    setup, loaded = _setup(model, data, recipe, chosen)
    _go(setup, out or Path("runs") / setup.key, machine, loaded)


def _setup(model: str, data: str, recipe: str | None, options: Options) -> tuple[Setup, DataSet]:
    from inceptionlab.data.registry import load_data
    from inceptionlab.runs.run import Setup, default_recipe
    from inceptionlab.training.recipe import load_recipe

    entry(model.partition("|")[0].strip())
    chosen = _overridden(load_recipe(recipe or default_recipe(data)), options)
    picture = configured(model, input_size=options.input_size, stem="imagenet").input
    loaded = load_data(data, picture, options.data_dir)
    size = options.input_size or loaded.size
    spec = configured(model, len(loaded.train.classes), loaded.train.channels, size, options.aux, options.stem)
    weights = str(options.weights.resolve()) if options.weights else ""
    spec = _taking_input_of(weights, spec) if weights else spec
    return Setup(spec, chosen, data, options.seed, options.limit_train, options.limit_test, weights), loaded


def _taking_input_of(weights: str, spec: Network) -> Network:
    """The network with the input that the file's weights take after its own is folded into them."""
    from inceptionlab.nn.building import build
    from inceptionlab.weights.loading import load_weights

    network = build(spec)
    load_weights(network, weights)
    return network.spec


def _overridden(recipe: Recipe, options: Options) -> Recipe:
    from inceptionlab.training.recipe import override, recipe_from

    names = ("epochs", "batch_size", "lr", "precision")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    settings: dict[str, str] = {}
    for text in options.set_:
        name, equals, value = text.partition("=")
        if not equals:
            raise SpecError(f"--set {text!r}: write NAME=VALUE, such as --set ema=0.99")
        settings[name.strip()] = value.strip()
    return override(recipe_from(given, recipe), settings)


def _go(setup: Setup, folder: Path, machine: Machine, data: DataSet | None) -> None:
    from inceptionlab.runs import run

    asked = StopSignal()
    with asked:
        listeners, close = _listeners(setup, asked)
        try:
            score = run.train(setup, folder, machine, listeners, data)
        except KeyboardInterrupt:
            print(f"stopped; go on with: inceptionlab train --resume {folder}", file=sys.stderr)
            raise
        finally:
            close()
    if _first_process():
        _print_score(score, folder)


def _first_process() -> bool:
    """Whether this is the only process or the first one that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def _print_score(score: Score, folder: Path) -> None:
    print(
        f"test accuracy {score.top1:.2%} (95 % interval {score.top1_low:.2%} to {score.top1_high:.2%}, "
        f"{score.n:,} pictures)   top-5 {score.top5:.2%}   calibration error {score.ece:.2%}"
    )
    print(f"report: {folder / 'report.html'}")
    print(folder)


class StopSignal:
    """Within the block, Ctrl-C and SIGTERM ask training to stop after the step under way; a second one is not held."""

    def __init__(self) -> None:
        self.asked = False
        self.before: dict[int, Any] = {}

    def __call__(self) -> bool:
        """Whether a signal came."""
        return self.asked

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self.before[number] = signal.signal(number, self._note)

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def _listeners(setup: Setup, stop: StopSignal) -> tuple[Any, Any]:
    """Listeners that draw a progress bar on a terminal, and print a line an epoch everywhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from inceptionlab.training.loop import Listeners

    console = Console(stderr=True, soft_wrap=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console,
        disable=not console.is_terminal or not _first_process(),
    )  # fmt: skip
    task = bar.add_task(setup.spec.title, total=None)
    bar.start()

    def step(progress: Any, loss: float) -> None:
        if progress.batches:
            total = progress.batches * setup.recipe.epochs
            done = progress.epoch * progress.batches + progress.batch
            bar.update(task, completed=done, total=total, description=f"epoch {progress.epoch + 1}  loss {loss:.3f}")

    def epoch(record: dict[str, Any]) -> None:
        bar.console.print(
            f"epoch {record['epoch']:>3}/{setup.recipe.epochs}  train loss {record['train_loss']:.4f}  "
            f"val loss {record['val_loss']:.4f}  val top-1 {record['val_top1']:.2%}  "
            f"{record['images_per_second']:.0f} img/s", highlight=False,
        )  # fmt: skip

    if not _first_process():
        return Listeners(say=lambda _: None, stop=stop), bar.stop
    return Listeners(step, epoch, lambda text: bar.console.print(text, highlight=False), stop), bar.stop
