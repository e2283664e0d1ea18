"""Large maps a few images at a time: a batch goes through the first links of a network in slices, so that what a link
wrote is still in the cache when the next reads it, and the memory for maps is that of a slice.
"""

from __future__ import annotations

import math
from itertools import takewhile

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.nn.layers.branches import Chain
from inceptionlab.optimization.packing import flat

SLICE = 8 << 20
"""Bytes that the largest map of a slice takes about: it and the next fit into the caches of a core."""
PLACES = 1000
"""Places of a slice's map below which a convolution no longer keeps the cores busy."""


class Sliced(nn.Module):
    """`body` on slices of a batch, each of at most `count` images; `b c h w` to `b d h2 w2`."""

    def __init__(self, body: nn.Module, count: int) -> None:
        super().__init__()
        self.body = body
        self.count = count

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Fill the output slice after slice."""
        if len(x) <= self.count:
            return self.body(x)
        first = self.body(x[: self.count])
        out = first.new_empty((len(x), *first.shape[1:])).contiguous(memory_format=torch.channels_last)
        out[: self.count] = first
        for start in range(self.count, len(x), self.count):
            out[start : start + self.count] = self.body(x[start : start + self.count])
        return out


@torch.inference_mode()
def sliced(network: nn.Module, x: Float[Tensor, "b c h w"]) -> nn.Module:
    """A network whose first links, those with large maps, take a batch in slices; as it is where no map is large.

    `x` is an example in the precision and the layout of the network.
    """
    links = flat(network)
    maps = _maps(links, x[:1])
    count = max(1, math.ceil(SLICE / max(size for of_link in maps for size, _ in of_link)))
    large = [*takewhile(lambda of_link: any(count * places >= PLACES for _, places in of_link), maps)]
    if not large:
        return network
    first = Chain({str(i): link for i, link in enumerate(links[: len(large)])})
    return Chain({str(i): link for i, link in enumerate([Sliced(first, count), *links[len(large) :]])})


def _maps(links: list[nn.Module], x: Tensor) -> list[list[tuple[int, int]]]:
    """(bytes, places) of every map inside each link, for one image; a list a link."""
    found: list[list[tuple[int, int]]] = []

    def note(_: nn.Module, __: object, out: object) -> None:
        if isinstance(out, Tensor):
            places = out.shape[2] * out.shape[3] if out.dim() == 4 else 0
            found[-1].append((out.numel() * out.element_size(), places))

    for link in links:
        found.append([])
        hooks = [module.register_forward_hook(note) for module in link.modules()]
        x = link(x)
        for hook in hooks:
            hook.remove()
    return found
