"""The loop: one readable pass over epochs and steps, on Lightning Fabric.

A step depends on the weights, the optimiser and (seed, step) alone, so a run that goes on from a state is the run
that never stopped, bit for bit.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil, isfinite
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab import storage
from inceptionlab.data.batches import augmented, batch_sizes, erased, step_generator, to_input, train_batches
from inceptionlab.data.dataset import Pictures
from inceptionlab.data.policies import coloured_and_cropped, mixed
from inceptionlab.errors import RunError
from inceptionlab.evaluation.predictions import accuracy_and_loss
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.training import state as state_files
from inceptionlab.training.freezing import freeze
from inceptionlab.training.optimizers import MovingAverage, lr_factor, make_optimizer
from inceptionlab.training.placement import all_finite, is_sharded, part_of, restore, save_shards, whole
from inceptionlab.training.recipe import Recipe
from inceptionlab.training.records import Epoch

SECONDS_BETWEEN_STATES = 5.0
SHARE_OF_SAVING = 0.02
"""A state is written every 5 seconds, or so seldom that writing takes 2 % of the time."""
STEPS_BETWEEN_CHECKS = 25


@dataclass(slots=True)
class Progress:
    """Where training is: all of it is saved, and all of it comes back on resume."""

    epoch: int = 0
    batch: int = 0
    batches: int = 0
    step: int = 0
    loss_sum: float = 0.0
    seen: int = 0
    best_top1: float = -1.0
    best_epoch: int = -1
    seconds: float = 0.0


def _no_step(progress: Progress, loss: float) -> None:
    """Nobody listens to steps."""


def _no_epoch(record: Epoch) -> None:
    """Nobody listens to epochs."""


@dataclass(slots=True)
class Listeners:
    """Who wants to know: after every step (progress, loss), after every epoch (its record); and who may ask training
    to stop after the step under way.
    """

    step: Callable[[Progress, float], None] = _no_step
    epoch: Callable[[Epoch], None] = _no_epoch
    say: Callable[[str], None] = print
    stop: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Trainer:
    """A network in training in the run folder `folder`; `prepare`, then `fit` from the newest state there."""

    network: InceptionNetwork
    recipe: Recipe
    fabric: Fabric
    folder: Path
    seed: int
    listeners: Listeners = field(default_factory=Listeners)
    progress: Progress = field(default_factory=Progress)
    model: Any = None
    optimizer: Any = None
    average: MovingAverage | None = None
    plain: Any = None
    """The network whole: the same, or where it is sharded a copy that validation and the test run."""
    _next_save: float = 0.0
    _still: list[nn.Module] = field(default_factory=list[nn.Module])

    def prepare(self) -> None:
        """Put the network on the device, make the optimiser, and take the newest readable state up."""
        self.plain = copy.deepcopy(self.network) if is_sharded(self.fabric) else self.network
        if not is_sharded(self.fabric):  # which takes contiguous weights
            cast(Any, self.network).to(memory_format=torch.channels_last)
        self._still = freeze(self.network, self.recipe)
        if self.recipe.sync_norm:
            self.network = cast(InceptionNetwork, nn.SyncBatchNorm.convert_sync_batchnorm(self.network))
        self.model = self.fabric.setup_module(self.network)
        self.optimizer = self.fabric.setup_optimizers(make_optimizer(self.network, self.recipe))
        self.plain.to(self.fabric.device)
        self.model.mark_forward_method("forward_with_aux")
        self.average = MovingAverage(self.network, self.recipe.ema) if self.recipe.ema else None
        state, problems = state_files.load_state(self.folder / "state")
        for problem in problems:
            self.listeners.say(problem)
        if state is not None:
            self._restore(state)

    def fit(self, train: Pictures, validation: Pictures) -> Progress:
        """Train to the recipe's last epoch or to the end of its patience.

        Raises `RunError` where the loss is not finite any more (the last good state is kept) or the disk is full.
        """
        self._next_save = time.monotonic() + SECONDS_BETWEEN_STATES
        while self.progress.epoch < self.recipe.epochs and not self._out_of_patience():
            self._train_epoch(train)
            self._end_epoch(validation)
        return self.progress

    def _restore(self, state: dict[str, Any]) -> None:
        restore(self.network, self.optimizer, state)
        if self.average is not None:
            own = self.network.state_dict()
            self.average.state = {name: part_of(own[name], value) for name, value in state["average"].items()}
        self.progress = Progress(**state["progress"])

    def _train_epoch(self, train: Pictures) -> None:
        self.model.train()
        for norm in self._still:
            norm.eval()
        now, recipe = self.progress, self.recipe
        sizes = batch_sizes(len(train), recipe.batch_size, self.fabric.world_size)
        now.batches = len(sizes)
        total = ceil(len(sizes) / recipe.accumulate) * recipe.epochs
        started = time.monotonic()
        before = now.loss_sum if self.fabric.is_global_zero else 0.0
        losses = torch.tensor(before, dtype=torch.float64, device=self.fabric.device)
        for images, labels in train_batches(train, sizes, self.seed, now.epoch, now.batch):
            group = sizes[now.batch - now.batch % recipe.accumulate :][: recipe.accumulate]
            losses += self._forward_backward(images, labels, len(labels) / sum(group)).double() * len(labels)
            now.batch, now.seen = now.batch + 1, now.seen + len(labels)
            last = now.batch == len(sizes)
            if now.batch % recipe.accumulate == 0 or last:
                self._step(lr_factor(recipe, now.step, total))
                stop, due = self._agreed(self.listeners.stop(), time.monotonic() > self._next_save and not last)
                if now.step % STEPS_BETWEEN_CHECKS == 0 or last or due:
                    self._check(losses)
                if due:
                    self._save(time.monotonic() - started)
                    started = time.monotonic()
                if stop:
                    raise KeyboardInterrupt
                self.listeners.step(now, now.loss_sum / max(1, now.seen))
        now.seconds += time.monotonic() - started

    def _forward_backward(self, images: Tensor, labels: Tensor, share: float) -> Tensor:
        now = self.progress
        number = now.epoch * 1_000_000 + now.batch
        torch.manual_seed(step_generator(self.seed, number).initial_seed() + self.fabric.global_rank)
        generator, picture = step_generator(self.seed + 1, number), self.network.spec.input
        size = min(picture.height, images.shape[1]), min(picture.width, images.shape[2])
        augment, smoothing = self.recipe.augment, self.recipe.label_smoothing
        crop = augmented(coloured_and_cropped(images, augment, size), augment, size, generator)
        own = torch.arange(len(labels)).tensor_split(self.fabric.world_size)[self.fabric.global_rank]
        whole = erased(to_input(crop, picture), augment.erase, generator)
        x, targets = mixed(whole[own], labels[own], augment)
        logits, aux = self.model.forward_with_aux(self._shrunk(x))
        loss = targets.loss(logits, smoothing)
        for head in self.network.spec.aux:
            loss = loss + head.weight * targets.loss(aux[head.name], smoothing)
        part = len(own) / len(labels)
        self.fabric.backward(loss * share * part * self.fabric.world_size)  # gradients are averaged over processes
        return loss.detach() * part

    def _agreed(self, stop: bool, due: bool) -> tuple[bool, bool]:
        """Whether any process was asked to stop, and whether the first one wants a state written."""
        if self.fabric.world_size > 1:
            flags = torch.tensor([float(stop), float(due and self.fabric.is_global_zero)], device=self.fabric.device)
            stop, due = (bool(flag) for flag in cast(Tensor, self.fabric.all_reduce(flags, reduce_op="sum")))
        return stop, stop or due

    def _shrunk(self, x: Tensor) -> Tensor:
        """The pictures at the side of the first part of training, while that lasts."""
        recipe, now = self.recipe, self.progress
        done = (now.epoch + now.batch / max(1, now.batches)) / recipe.epochs
        if not recipe.low_size or done >= recipe.low_share:
            return x
        return F.interpolate(x, (recipe.low_size, recipe.low_size), mode="bilinear", antialias=True)

    def _step(self, factor: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.lr * factor * group["factor"]
        if self.recipe.clip:
            self.fabric.clip_gradients(self.model, self.optimizer, max_norm=self.recipe.clip, error_if_nonfinite=False)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update(self.network, self.progress.step)
        self.progress.step += 1

    def _check(self, losses: Tensor) -> None:
        """Note the sum of the epoch's losses; refuse to go on where it is not finite."""
        self.progress.loss_sum = float(cast(Tensor, self.fabric.all_reduce(losses.clone(), reduce_op="sum")))
        if not isfinite(self.progress.loss_sum):
            raise RunError(self._not_finite("the loss is"))

    def _not_finite(self, what: str) -> str:
        now, folder = self.progress, self.folder / "state"
        kept = f"the last good state is in {folder}" if state_files.states(folder) else "no state was written yet"
        return (
            f"{what} not a finite number any more at epoch {now.epoch + 1}, step {now.step}; {kept}. A lower learning "
            f"rate (now {self.recipe.lr:g}), --set clip=2.0 or --precision fp32 may help"
        )

    def _end_epoch(self, validation: Pictures) -> None:
        now = self.progress
        weights = whole(self.average.state if self.average is not None else self.network.state_dict())
        top1, loss = self._validated(weights, validation)
        record = Epoch(
            epoch=now.epoch + 1, step=now.step, train_loss=now.loss_sum / now.seen, val_loss=loss,
            val_top1=top1, lr=self.optimizer.param_groups[0]["lr"], seconds=round(now.seconds, 3),
            images_per_second=round(now.seen / max(now.seconds, 1e-9), 1),
        )  # fmt: skip
        if not isfinite(loss):
            raise RunError(self._not_finite("the validation loss is"))
        if top1 > now.best_top1:
            now.best_top1, now.best_epoch = top1, now.epoch
        kept = self.recipe.select == "last" or now.best_epoch == now.epoch
        if kept and self.fabric.is_global_zero:
            metadata = {"spec": self.network.spec.title, "epoch": now.epoch + 1, "val_top1": round(top1, 6)}
            storage.write_tensors(self.folder / "model.safetensors", weights, metadata)
        now.epoch, now.batch, now.loss_sum, now.seen = now.epoch + 1, 0, 0.0, 0
        self.listeners.epoch(record)
        now.seconds = 0.0
        self._save(0.0)

    def _validated(self, weights: dict[str, Tensor], validation: Pictures) -> tuple[float, float]:
        """(accuracy, loss) on the validation pictures, which the first process looks at for all."""
        found = (0.0, 0.0)
        if self.fabric.is_global_zero:
            with evaluated(self.plain, weights), self.fabric.autocast():
                found = accuracy_and_loss(self.plain, validation, self.network.spec.input, self.recipe.mirror)
        return self.fabric.broadcast(found)

    def _save(self, seconds: float) -> None:
        now, started = self.progress, time.monotonic()
        if not all_finite(self.network):
            raise RunError(self._not_finite("a weight is"))
        now.seconds += seconds
        progress = {name: getattr(now, name) for name in Progress.__slots__}  # type: ignore[attr-defined]
        state = {"model": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "progress": progress}
        if self.average is not None:
            state["average"] = self.average.state
        if is_sharded(self.fabric):
            save_shards(self.folder / "state" / state_files.state_name(now.step), state, self.fabric)
        elif self.fabric.is_global_zero:
            state_files.save_state(self.folder / "state", state, now.step)
        if self.fabric.is_global_zero:
            state_files.keep_newest(self.folder / "state")
        took = time.monotonic() - started
        self._next_save = time.monotonic() + max(SECONDS_BETWEEN_STATES, took / SHARE_OF_SAVING)

    def _out_of_patience(self) -> bool:
        now = self.progress
        return bool(self.recipe.patience) and now.epoch - 1 - now.best_epoch >= self.recipe.patience


class evaluated:  # noqa: N801  (a context manager reads as a word)
    """Within the block the module is in evaluation mode with other weights; afterwards it has its own again."""

    def __init__(self, module: nn.Module, weights: dict[str, Tensor]) -> None:
        self.module, self.weights = module, weights
        self.own: dict[str, Tensor] = {}

    def __enter__(self) -> None:
        self.module.eval()
        state = self.module.state_dict()
        if any(self.weights[name] is not value and self.weights[name].data_ptr() != value.data_ptr()
               for name, value in state.items()):  # fmt: skip
            self.own = {name: value.clone() for name, value in state.items()}
            self.module.load_state_dict(self.weights)

    def __exit__(self, *_: object) -> None:
        if self.own:
            self.module.load_state_dict(self.own)
        self.module.train()
