"""The best linear classifier on features that stay as they are: logistic regression, its penalty by cross-validation.

Linear classifiers on the features of a frozen network: Alain and Bengio 2016 (1610.01644); logistic regression on the
pooled features as the measure of what they transfer: Kornblith et al. 2019 (1805.08974).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from inceptionlab import rng
from inceptionlab.data.progress import followed
from inceptionlab.errors import DataError, listed

STRENGTHS = tuple(float(10**power) for power in np.arange(5, -3.1, -0.5))
"""Penalties that are tried, the strongest first: strength / 2 times the squared weights is added to the loss."""
USUAL = 1.0
"""The penalty where no class has two images, so that nothing can be left out."""
FOLDS = 5
BEYOND = 2
"""Weaker penalties that are tried after the best so far."""
NEAR, EXACT = 1e-4, 1e-8
"""The largest gradient at which a fit ends, in cross-validation and at last."""
FLOOR = 1e-3
"""A feature is divided by its deviation, but by no less than this part of their quadratic mean: one that hardly moves
among the training images would outweigh all others where it moves.
"""
Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Labelled:
    """Features with their labels, and how much each image counts in the loss."""

    features: Float[Array, "n d"]
    labels: Int64[Array, " n"]
    counts: Float[Array, " n"]

    def part(self, which: Array) -> Labelled:
        """Some of the images, by their numbers."""
        return Labelled(self.features[which], self.labels[which], self.counts[which])


@dataclass(frozen=True, slots=True)
class FittedHead:
    """A linear head for features as the network gives them, and how it was chosen: the `strength` of its penalty, and
    the mean loss (nats per image) in cross-validation of each that was `tried`.
    """

    weight: Float[Array, "c d"]
    bias: Float[Array, " c"]
    strength: float
    tried: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()

    def loss_and_accuracy(self, data: Labelled) -> tuple[float, float]:
        """(mean loss in nats, accuracy) on features."""
        logits = data.features @ self.weight.T + self.bias
        return _loss(logits, data), float((logits.argmax(1) == data.labels).mean())


def fit_head(data: Labelled, classes: tuple[str, ...], seed: int) -> FittedHead:
    """The head with the penalty that cross-validation on `data` prefers, fitted to all of it.

    Features are standardised, and that is folded into the head. Of a class with a single image none is left out in
    cross-validation. Raises `DataError` where a class has no image, or there is one class alone.
    """
    check_classes(data.labels, classes)
    losses = _losses(data, seed)
    strength = STRENGTHS[losses.index(min(losses))] if losses else USUAL
    weight, bias = _fit(_regression(EXACT), data, strength)
    return FittedHead(weight, bias, strength, STRENGTHS[: len(losses)], losses)


def check_classes(labels: Int64[Array, " n"], classes: tuple[str, ...]) -> None:
    """Raise `DataError` where a linear classifier cannot be fitted to images with these labels."""
    if len(classes) < 2:
        raise DataError(
            f"a probe tells classes apart, and the images have one, {listed(map(repr, classes))}; give two or more"
        )
    counts = np.bincount(labels, minlength=len(classes))
    if not counts.all():
        name = classes[int(np.argmin(counts))]
        raise DataError(f"no training image shows {name!r}, and a probe needs one of every class; give more images")


def folds(labels: Int64[Array, " n"], seed: int) -> Int64[Array, " n"]:
    """The fold of each image, with every class spread evenly; -1 for the only image of a class, which is in none."""
    found, given = np.full(len(labels), -1), 0
    order = np.random.default_rng(rng.sequence(seed, "probe")).permutation(len(labels))
    for label in np.unique(labels):
        own = order[labels[order] == label]
        if len(own) > 1:
            found[own] = (given + np.arange(len(own))) % FOLDS
            given += len(own)
    return found


def _losses(data: Labelled, seed: int) -> tuple[float, ...]:
    """The loss of each penalty on the images that were left out, until weaker ones are worse; () where none can be."""
    fold = folds(data.labels, seed)
    numbers = [number for number in range(FOLDS) if (fold == number).any()]
    models = {number: _regression(NEAR) for number in numbers}  # each goes on from the stronger penalty
    losses: list[float] = []
    for strength in followed(STRENGTHS if numbers else (), "cross-validation", len(STRENGTHS)):
        parts = [_left_out(models[number], data, fold == number, strength) for number in numbers]
        losses.append(sum(parts) / float(data.counts[fold >= 0].sum()))
        if len(losses) - 1 - int(np.argmin(losses)) >= BEYOND:
            break
    return tuple(losses)


def _left_out(model: Any, data: Labelled, held: Array, strength: float) -> float:
    """The summed loss on held-out images of a model that is fitted to the others."""
    weight, bias = _fit(model, data.part(np.flatnonzero(~held)), strength)
    part = data.part(np.flatnonzero(held))
    return _loss(part.features @ weight.T + bias, part) * float(part.counts.sum())


def _fit(model: Any, data: Labelled, strength: float) -> tuple[Float[Array, "c d"], Float[Array, " c"]]:
    """(weight, bias) for features as they are, of a model that is fitted to them standardised."""
    mean, deviation = data.features.mean(0), data.features.std(0)
    scale = np.maximum(deviation, FLOOR * np.sqrt((deviation**2).mean()))
    scale[scale == 0] = 1.0
    with warnings.catch_warnings():  # a little before the minimum is near enough
        warnings.simplefilter("ignore", import_module("sklearn.exceptions").ConvergenceWarning)
        model.set_params(C=1 / strength).fit((data.features - mean) / scale, data.labels, data.counts)
    weight, bias = np.asarray(model.coef_), np.asarray(model.intercept_)
    if len(weight) == 1:  # scikit-learn has the difference between two classes
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / scale
    return weight, bias - weight @ mean


def _regression(tolerance: float) -> Any:
    linear: Any = import_module("sklearn.linear_model")
    return linear.LogisticRegression(solver="newton-cg", tol=tolerance, max_iter=1000, warm_start=True)


def _loss(logits: Float[Array, "n c"], data: Labelled) -> float:
    """Mean cross-entropy in nats."""
    shifted = logits - logits.max(1, keepdims=True)
    each = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(shifted)), data.labels]
    return float((each * data.counts).sum() / data.counts.sum())
