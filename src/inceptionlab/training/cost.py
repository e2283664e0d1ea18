"""What a training costs in arithmetic, whatever machine it runs on."""

from __future__ import annotations

from math import ceil

from inceptionlab.analysis.geometry import measure
from inceptionlab.data.batches import batch_sizes
from inceptionlab.spec.network import Network
from inceptionlab.training.recipe import Recipe

PASSES = 3
"""A backward pass costs two forward passes: the gradients of the maps, and those of the weights."""


def training_flop(spec: Network, recipe: Recipe, images: int, epochs: int | None = None) -> int:
    """Floating-point operations of training on so many images: 2 for each multiply-add, 3 passes, every epoch of the
    recipe, or as many as there were.

    Images of the first steps cost what they do at `low_size`. Auxiliary heads count; norms, activations, the
    optimiser's step and validation do not. Raises `SizeError` where `low_size` is too small for the network.
    """
    done = recipe.epochs if epochs is None else epochs
    small = min(_small_images(images, recipe), images * done) if recipe.low_size else 0
    costs = 2 * PASSES * measure(spec).macs_with_aux * (images * done - small)
    return costs + (2 * PASSES * measure(spec.resized(recipe.low_size)).macs_with_aux * small if small else 0)


def _small_images(images: int, recipe: Recipe) -> int:
    """The images that are shrunk: those of the batches before `low_share` of all."""
    sizes = batch_sizes(images, recipe.batch_size)
    whole, rest = divmod(ceil(recipe.low_share * recipe.epochs * len(sizes)), len(sizes))
    return whole * sum(sizes) + sum(sizes[:rest])


def in_words(flop: float) -> str:
    """An amount of operations with its unit: "0.29 PFLOP"."""
    for unit, size in (("PFLOP", 1e15), ("TFLOP", 1e12), ("GFLOP", 1e9)):
        if flop >= 0.1 * size:
            return f"{flop / size:.3g} {unit}"
    return f"{flop:,.0f} FLOP"
