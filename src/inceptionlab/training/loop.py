"""The loop: one readable pass over epochs and steps, on Lightning Fabric.

A step depends on the weights, the optimiser and (seed, epoch, batch) alone, so a run that goes on from a state is the
run that never stopped, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from math import ceil, isfinite
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from inceptionlab import rng
from inceptionlab.data.batches import Rows, alternating, augmented, batch_sizes, cut_out, train_batches
from inceptionlab.data.dataset import Samples
from inceptionlab.data.policies import Targets, coloured_and_cropped, mixed
from inceptionlab.data.preprocess import Preprocess
from inceptionlab.errors import RunError
from inceptionlab.evaluation.predictions import logits_of
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.nn.checkpointing import plain_name
from inceptionlab.training import state as state_files
from inceptionlab.training.averaging import average_of, evaluated
from inceptionlab.training.balance import class_weights
from inceptionlab.training.callbacks import Callbacks
from inceptionlab.training.freezing import freeze
from inceptionlab.training.optimizers import make_optimizer, set_rates
from inceptionlab.training.placement import Placement
from inceptionlab.training.recipe import Recipe
from inceptionlab.training.records import Epoch, Fitted, Progress
from inceptionlab.training.sharding import all_finite

SECONDS_BETWEEN_STATES = 5.0
SHARE_OF_SAVING = 0.02
"""A state is written every 5 seconds, or so seldom that writing takes 2 % of the time."""
STEPS_BETWEEN_CHECKS = 25


class Trainer:
    """A network in training in the run folder `folder`, as far as the newest readable state there; `fit` goes on.

    `network` holds its initial weights, and is placed, frozen and given an optimiser here.
    """

    def __init__(
        self,
        network: InceptionNetwork,
        recipe: Recipe,
        placement: Placement,
        folder: Path,
        seed: int,
        callbacks: Callbacks | None = None,
    ) -> None:
        self.network, self.recipe, self.placement, self.folder = network, recipe, placement, folder
        self.seed, self.callbacks, self.progress = seed, callbacks or Callbacks(), Progress()
        self.fabric = placement.fabric
        self._still = freeze(network, recipe)
        if recipe.sync_norm:
            nn.SyncBatchNorm.convert_sync_batchnorm(network)
        self.model = placement.set_up(network)
        self.optimizer = cast(Optimizer, self.fabric.setup_optimizers(make_optimizer(network, recipe)))
        self.average = average_of(network, recipe)
        self._weights: Float[Tensor, " classes"] | None = None
        self._next_save = 0.0
        self._restore()

    def fit(self, train: Samples, validation: Samples) -> Fitted:
        """Train to the recipe's last epoch, to the end of its patience, or until a callback asks to stop.

        Raises `RunError` where the loss is not finite any more (the last good state is kept), and `StorageError` where
        the disk is full.
        """
        self._next_save = time.monotonic() + SECONDS_BETWEEN_STATES
        part, count = self.placement.part(validation)
        if self.recipe.class_weights == "balanced":
            self._weights = class_weights(train.labels, self.network.spec.classes).to(self.fabric.device)
        stopped = False
        while not stopped and self.progress.epoch < self.recipe.epochs and not self._out_of_patience():
            stopped = self._train_epoch(train)
            if not stopped:
                self._end_epoch(part, count)
        now = self.progress
        return Fitted(now.epoch, now.best_epoch + 1, now.best_top1, stopped)

    def _restore(self) -> None:
        state, problems = state_files.open_state(self.folder / "state")
        for problem in problems:
            self.callbacks.say(problem)
        if state is not None:
            average = self.average.state if self.average is not None else {}
            self.placement.restore(self.network, self.optimizer, average, state)
            self.progress = Progress(**state["progress"])

    def _train_epoch(self, train: Samples) -> bool:
        """Train to the end of the epoch; gives whether a callback asked to stop before."""
        self.model.train()
        for norm in self._still:
            norm.eval()
        now, recipe = self.progress, self.recipe
        sizes = batch_sizes(len(train), recipe.batch_size, self.fabric.world_size)
        now.batches = len(sizes)
        total = ceil(len(sizes) / recipe.accumulate) * recipe.epochs
        started = time.monotonic()
        before = [now.loss_sum, now.right] if self.fabric.is_global_zero else [0.0, 0.0]
        sums = torch.tensor(before, dtype=torch.float64, device=self.fabric.device)
        sides = self._sides(train, sizes)
        for images, labels in train_batches(train, sizes, self.seed, now.epoch, now.batch, self.placement.own):
            size = sizes[now.batch]
            own = self.placement.own(size)
            rows = Rows(size, own, sides[now.batch][own] if sides else None)
            group = sizes[now.batch - now.batch % recipe.accumulate :][: recipe.accumulate]
            sums += self._forward_backward(images, labels, rows, size / sum(group))
            now.batch, now.seen = now.batch + 1, now.seen + size
            last = now.batch == len(sizes)
            if now.batch % recipe.accumulate == 0 or last:
                self._step(total)
                stop, due = self._agreed(self.callbacks.stop(), time.monotonic() > self._next_save and not last)
                if now.step % STEPS_BETWEEN_CHECKS == 0 or now.batch <= recipe.accumulate or last or due:
                    self._check(sums)
                if due:
                    self._save(time.monotonic() - started)
                    started = time.monotonic()
                if stop:
                    return True
                self.callbacks.on_step(now, now.loss)
        now.seconds += time.monotonic() - started
        return False

    def _sides(self, train: Samples, sizes: list[int]) -> Sequence[Bool[Tensor, " b"]]:
        """Which images of each batch of the epoch are mirrored; empty where chance says so for each batch."""
        if not self.recipe.augment.alternate:
            return ()
        return torch.split(alternating(train, self.seed, self.progress.epoch), sizes)

    def _forward_backward(
        self, images: UInt8[Tensor, "b h w c"], labels: Int64[Tensor, " b"], rows: Rows, share: float
    ) -> Float[Tensor, 2]:
        """Add `share` times the gradients of a batch, of which these are one's own rows; gives the sum of their losses,
        and how many of them were right (0 where targets are mixed).
        """
        now, smoothing = self.progress, self.recipe.label_smoothing
        x, targets = self._changed(images, labels, rows)
        rank, device = self.fabric.global_rank, self.fabric.device
        with rng.scope(self.seed, "dropout", now.epoch, now.batch, rank, device=device):
            logits, aux = self.model.forward_with_aux(self._shrunk(x))
            loss = targets.loss(logits, smoothing, self._weights)
            for head in self.network.spec.aux:
                loss = loss + head.weight * targets.loss(aux[head.name], smoothing, self._weights)
            self.placement.backward(loss, share, rows.count)
        now.counted += rows.count if targets.others is None else 0
        right = (logits.detach().argmax(1) == targets.labels).sum() if targets.others is None else torch.tensor(0)
        return torch.stack([loss.detach().double() * len(labels), right.to(loss.device).double()])

    def _changed(
        self, images: UInt8[Tensor, "b h w c"], labels: Int64[Tensor, " b"], rows: Rows
    ) -> tuple[Float[Tensor, "b c h w"], Targets]:
        """The rows of a batch as the recipe changes them, each kind of change with random numbers of its own."""
        now, augment, wanted = self.progress, self.recipe.augment, self.network.spec.input
        size, place = (min(wanted.height, images.shape[1]), min(wanted.width, images.shape[2])), (now.epoch, now.batch)
        with rng.scope(self.seed, "policy", *place, device=images.device):
            images = coloured_and_cropped(images, augment, size, rows)
        crops = augmented(images, augment, size, rng.stream(self.seed, "crop", *place), rows)
        x = cut_out(Preprocess(wanted).to_input(crops), augment.cutout, rng.stream(self.seed, "cutout", *place), rows)
        return mixed(x, labels, augment, np.random.default_rng(rng.sequence(self.seed, "mix", *place)))

    def _agreed(self, stop: bool, due: bool) -> tuple[bool, bool]:
        """Whether any process was asked to stop, and whether the first one wants a state written, or one stops."""
        stop, due = self.placement.any(stop, due and self.fabric.is_global_zero)
        return stop, stop or due

    def _shrunk(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        """The images at the side of the first part of training, while that lasts."""
        recipe, now = self.recipe, self.progress
        done = (now.epoch + now.batch / max(1, now.batches)) / recipe.epochs
        if not recipe.low_size or done >= recipe.low_share:
            return x
        return F.interpolate(x, (recipe.low_size, recipe.low_size), mode="bilinear", antialias=True)

    def _step(self, steps: int) -> None:
        """The optimiser's next step of `steps`."""
        set_rates(self.optimizer, self.recipe, self.progress.step, steps)
        if self.recipe.max_grad_norm:
            self.fabric.clip_gradients(
                self.model, self.optimizer, max_norm=self.recipe.max_grad_norm, error_if_nonfinite=False
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update(self.network, self.progress.step, steps)
        self.progress.step += 1

    def _check(self, sums: Float[Tensor, 2]) -> None:
        """Note the sum and the mean of the epoch's losses, and the right answers; refuse to go on where they are not
        finite.
        """
        now = self.progress
        now.loss_sum, right = map(float, self.placement.total(sums))
        now.right = int(right)
        now.loss = now.loss_sum / now.seen
        if not isfinite(now.loss_sum):
            raise RunError(self._not_finite("the loss is"))

    def _not_finite(self, what: str) -> str:
        now, folder = self.progress, self.folder / "state"
        kept = f"the last good state is in {folder}" if state_files.states(folder) else "no state was written yet"
        return (
            f"{what} not a finite number any more at epoch {now.epoch + 1}, step {now.step}; {kept}. A lower learning "
            f"rate (now {self.recipe.lr:g}), --set max_grad_norm=2.0 or --precision fp32 may help"
        )

    def _end_epoch(self, validation: Samples, count: int) -> None:
        now, average = self.progress, self.average.state if self.average is not None else None
        weights = self.network.state_dict() if average is None else average
        buffers = {plain_name(name) for name, _ in self.network.named_buffers()}
        self.placement.agree({name: weights[name] for name in weights if name in buffers})
        top1, loss = self._validated(average, validation, count)
        record = Epoch(
            now.epoch + 1, now.step, now.loss_sum / now.seen, loss, top1, self.optimizer.param_groups[0]["lr"],
            round(now.seconds, 3), round(now.seen / max(now.seconds, 1e-9), 1),
            now.right / now.seen if now.counted == now.seen else None, now.seen,
        )  # fmt: skip
        if not isfinite(loss):
            raise RunError(self._not_finite("the validation loss is"))
        if top1 > now.best_top1:
            now.best_top1, now.best_epoch = top1, now.epoch
        if self.recipe.select == "last" or now.best_epoch == now.epoch:
            about = {"spec": self.network.spec.title, "epoch": now.epoch + 1, "val_top1": round(top1, 6)}
            self.placement.write_weights(self.folder / "model.safetensors", weights, about)
        now.epoch, now.batch, now.loss_sum, now.seen = now.epoch + 1, 0, 0.0, 0
        now.right = now.counted = 0
        self.callbacks.on_epoch(record)
        now.seconds = 0.0
        self._save(0.0)

    def _validated(self, average: dict[str, Tensor] | None, part: Samples, count: int) -> tuple[float, float]:
        """(accuracy, loss) on the validation images, of which each process looks at the first `count` of its part."""
        with evaluated(self.network, average), self.fabric.autocast():
            preprocess, recipe = Preprocess(self.network.spec.input), self.recipe
            every = logits_of(self.network, part, preprocess, flip_tta=recipe.flip_tta, shift_tta=recipe.shift_tta)
        logits, labels = every[:count], part.labels[:count].cpu()
        right = (logits.argmax(1) == labels).sum()
        loss = F.cross_entropy(logits.double(), labels, reduction="sum")
        found = torch.stack([right, loss, torch.tensor(count)]).to(self.fabric.device)
        right, loss, seen = map(float, self.placement.total(found))
        return right / seen, loss / seen

    def _save(self, seconds: float) -> None:
        now, started = self.progress, time.monotonic()
        if not all_finite(self.network):
            raise RunError(self._not_finite("a weight is"))
        now.seconds += seconds
        state = {"model": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "progress": asdict(now)}
        if self.average is not None:
            state["average"] = self.average.state
        self.placement.save(self.folder / "state", state, now.step)
        took = time.monotonic() - started
        self._next_save = time.monotonic() + max(SECONDS_BETWEEN_STATES, took / SHARE_OF_SAVING)

    def _out_of_patience(self) -> bool:
        now = self.progress
        return bool(self.recipe.patience) and now.epoch - 1 - now.best_epoch >= self.recipe.patience
