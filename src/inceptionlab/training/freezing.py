"""Which weights stay as they are in fine-tuning, and which batch norms keep their statistics."""

from __future__ import annotations

from torch import nn

from inceptionlab.errors import SpecError, nearest
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.nn.checkpointing import BATCH_NORMS
from inceptionlab.spec.tree import matches
from inceptionlab.training.recipe import Recipe
from inceptionlab.training.whitening import whitened_conv


def frozen_nodes(network: InceptionNetwork, freeze: str) -> list[str]:
    """The top-level nodes whose weights stay: of "backbone", of "early", or those that a pattern matches.

    Raises `SpecError` for a pattern that matches none.
    """
    spec = network.spec
    backbone = [name for name, _ in (*spec.stem.children, *spec.body.children)]
    if not freeze:
        return []
    if freeze in ("backbone", "early"):
        return backbone if freeze == "backbone" else backbone[: len(backbone) // 2]
    names = [name for name in network.top_level if matches(freeze, name)]
    if not names:
        raise SpecError(
            f"freeze = {freeze!r} is no node of {spec.title}; {nearest(freeze, ['backbone', 'early', *backbone])}"
        )
    return names


def freeze(network: InceptionNetwork, recipe: Recipe) -> list[nn.Module]:
    """Fix the weights that the recipe freezes, and the filters that it whitens; gives the batch norms that must stay in
    evaluation mode.
    """
    nodes = [network.get_submodule(name) for name in frozen_nodes(network, recipe.freeze)]
    for node in nodes:
        node.requires_grad_(False)
    if recipe.whiten:
        whitened_conv(network).weight.requires_grad_(False)
    if not any(p.requires_grad for p in network.parameters()):
        raise SpecError(f"freeze = {recipe.freeze!r} leaves no weight of {network.spec.title} to train")
    where = {"none": [], "frozen": nodes, "all": [network]}[recipe.freeze_bn]
    return [module for node in where for module in node.modules() if isinstance(module, BATCH_NORMS)]
