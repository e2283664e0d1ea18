"""What training tells: where it is, an epoch, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from inceptionlab.errors import counted


@dataclass(slots=True)
class Progress:
    """Where training is: all of it is saved, and all of it comes back on resume."""

    epoch: int = 0
    """Epochs that are finished."""
    batch: int = 0
    """Batches of the epoch under way that are finished, of `batches`."""
    batches: int = 0
    step: int = 0
    """Steps of the optimiser since the beginning."""
    loss_sum: float = 0.0
    """Sum of the losses of the epoch's images, as of the last look at it."""
    seen: int = 0
    """Images of the epoch that training has seen."""
    right: int = 0
    """Those of them whose class the network had right, as of the last look at the sum of losses."""
    counted: int = 0
    """Those of them whose answers were counted: not where targets are mixed."""
    loss: float = 0.0
    """Mean loss of the images that were seen by the last look at the sum, every 25 steps."""
    best_top1: float = -1.0
    best_epoch: int = -1
    """The epoch with the best validation accuracy, from 0."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Epoch:
    """A finished epoch, as a line of `metrics.jsonl` has it; epochs count from 1."""

    epoch: int
    step: int
    train_loss: float
    """Mean over the images of the epoch, each at the weights of its step."""
    val_loss: float
    val_top1: float
    lr: float
    """Learning rate of the last step."""
    seconds: float
    """Time of training, without validation and saving."""
    images_per_second: float
    train_top1: float | None = None
    """Accuracy on the epoch's images as they were augmented, each at the weights of its step; None where targets were
    mixed, and in logs of before.
    """
    images: int | None = None
    """Training images of the epoch."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How a head was fitted to the features of the network as it was, before any step; losses are in nats per image."""

    images: int
    """Training images whose features it was fitted to."""
    features: int
    """Features of an image."""
    strength: float
    """The penalty: strength / 2 times the squared weights (of standardised features) was added to the summed loss."""
    tried: tuple[float, ...]
    """The penalties that cross-validation tried, none where no class has two images."""
    losses: tuple[float, ...]
    """The loss of each of them on training images that were left out."""
    train_loss: float
    train_top1: float
    seconds: float
    """Time of features, where they were not kept from before, and of the fit."""
    val_loss: float = 0.0
    val_top1: float = 0.0

    def __str__(self) -> str:
        chosen = f"the best of {len(self.tried)} penalties" if self.tried else "the usual one: no class has two images"
        return (
            f"the head is fitted to {self.features:,} features of {counted(self.images, 'image')} in "
            f"{self.seconds:.0f} s (penalty {self.strength:.2g}, {chosen}): validation accuracy {self.val_top1:.2%}"
        )

    def as_epoch(self) -> Epoch:
        """The starting point of a training as epoch 0 of its curve."""
        per_second = round(self.images / max(self.seconds, 1e-9), 1)
        return Epoch(
            0, 0, self.train_loss, self.val_loss, self.val_top1, 0.0, self.seconds, per_second, self.train_top1,
            self.images,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fitted:
    """How training ended: `epochs` were finished, the best of them (from 1; 0: none) with the validation accuracy
    `best_top1`. `stopped`: a callback asked for it; the state is saved, and training can go on.
    """

    epochs: int
    best_epoch: int
    best_top1: float
    stopped: bool = False
