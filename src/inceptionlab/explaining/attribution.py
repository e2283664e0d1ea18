"""Attribution: what in an image, or in the maps of a node, speaks for a class.

All methods look at one place of the network, the input or the output of a node: they see the values there and the
class's logit when others stand there. Maps are of float32 logits, not of probabilities, which no longer move where a
network is sure.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab.errors import ConfigError, DataError, SpecError, counted
from inceptionlab.explaining.options import OF_MAPS, Method, Settings, check_method
from inceptionlab.explaining.places import last_map, module_at, outputs_at, replaced
from inceptionlab.nn.modes import in_evaluation


@dataclass(frozen=True, slots=True)
class AttributionMaps:
    """A map `h w` for each image of a batch, in the input's size: above 0 speaks for the class, below against it.

    `targets` are the classes and `logits` all answers. `node` is what was looked at, "" for the input, and `grid`
    (rows, columns) how finely: maps of a node are enlarged.
    """

    maps: Float[Tensor, "b h w"]
    targets: Int64[Tensor, " b"]
    logits: Float[Tensor, "b classes"]
    method: Method
    node: str
    grid: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Site:
    """A place of a network with what stands there for each image, and the classes that are asked for."""

    network: nn.Module
    x: Float[Tensor, "b c h w"]
    node: str
    values: Float[Tensor, "b k r s"]
    targets: Int64[Tensor, " b"]
    settings: Settings

    def score(self, values: Float[Tensor, "n k r s"], rows: list[int]) -> Float[Tensor, " n"]:
        """The logits of the classes of the images `rows` with other values at the place."""
        here = replaced(module_at(self.network, self.node), values) if self.node else nullcontext()
        with here:
            logits = self.network(self.x[rows] if self.node else values)
        return logits.gather(1, self.targets[rows, None])[:, 0]

    def gradients(self, values: Float[Tensor, "n k r s"], rows: list[int]) -> Float[Tensor, "n k r s"]:
        """The derivatives of those logits by the values."""
        values = values.detach().requires_grad_()
        (found,) = torch.autograd.grad(self.score(values, rows).sum(), values)
        return found

    def chunks(self) -> Iterator[list[int]]:
        """The images in batches."""
        size, count = self.settings.batch, len(self.x)
        return (list(range(i, min(count, i + size))) for i in range(0, count, size))


def attribution_maps(
    network: nn.Module,
    x: Float[Tensor, "b c h w"],
    method: Method = "grad-cam",
    targets: Int64[Tensor, " b"] | None = None,
    node: str | None = None,
    settings: Settings | None = None,
) -> AttributionMaps:
    """What speaks for a class (`targets`; None: the answers) in images that are prepared for a network.

    - "grad-cam": the node's maps, weighed by the mean of their gradients (Selvaraju et al. 2017), without what is
      below 0;
    - "grad-cam++": the same with weights for several objects of a class (Chattopadhay et al. 2018, equation 19);
    - "layer-cam": each cell by its own gradient (Jiang et al. 2021), for early nodes too;
    - "integrated-gradients": gradients along the way from the mean image (Sundararajan et al. 2017), times what
      changed on it; a map sums to the difference of the logits;
    - "occlusion": what the logit loses when a window is covered with the mean (of a node's map: with 0), on average
      over the windows that cover a pixel (Zeiler and Fergus 2014).

    `node` None is the last map before the head, for the last two methods the input, which is ""; the network is in
    float32 and in evaluation meanwhile, and left as it was. Raises `ConfigError` for an unknown method or class,
    `SpecError` for an unknown node or one that gives no maps `b c h w`, `DataError` for logits that are not finite.
    """
    check_method(method)
    if x.ndim != 4:
        raise DataError(f"images are b x c x h x w and these are of {counted(x.ndim, 'dimension')}")
    place = (last_map(network) if method in OF_MAPS else "") if node is None else node
    network = network if _in_float32(network) else copy.deepcopy(network).float()
    with torch.inference_mode(False), torch.autocast(x.device.type, enabled=False), in_evaluation(network):
        site, logits = _site(network, x.detach().float().clone(), place, targets, settings or Settings())
        with torch.enable_grad():
            found = _METHODS[method](site).detach()
    maps = F.interpolate(found[:, None], x.shape[2:], mode="bilinear")[:, 0] if place else found
    return AttributionMaps(maps, site.targets, logits, method, place, (found.shape[1], found.shape[2]))


def _in_float32(network: nn.Module) -> bool:
    return all(p.dtype == torch.float32 for p in network.parameters())


@torch.no_grad()
def _site(
    network: nn.Module, x: Tensor, node: str, targets: Tensor | None, settings: Settings
) -> tuple[_Site, Float[Tensor, "b classes"]]:
    answers, values = list[Tensor](), list[Tensor]()
    for part in torch.split(x, settings.batch):
        logits, found = outputs_at(network, part, [node])
        answers.append(logits)
        values.append(found[node])
    logits, here = torch.cat(answers), torch.cat(values)
    if here.ndim != 4:
        given = counted(here.ndim - 1, "dimension")
        raise SpecError(f"{node} gives {given} per image, not maps c x h x w; name a node before it")
    if not logits.isfinite().all():
        raise DataError("the network gives logits that are not finite; its weights or the images are broken")
    wanted = logits.argmax(1) if targets is None else targets.to(x.device).clone()
    check_targets(map(int, wanted), logits.shape[1])
    return _Site(network, x, node, here, wanted, settings), logits


def check_targets(targets: Iterable[int], classes: int) -> None:
    """Raise `ConfigError` for a class out of range."""
    for target in targets:
        if not 0 <= target < classes:
            raise ConfigError(f"there is no class {target}; the network has the classes 0 to {classes - 1}")


def _maps_by(weigh: Callable[[Tensor, Tensor], Tensor]) -> Callable[[_Site], Tensor]:
    """A method that weighs a node's maps by a function of (maps, gradients), and keeps what is above 0."""

    def found(site: _Site) -> Tensor:
        parts: list[Tensor] = []
        for rows in site.chunks():
            values = site.values[rows]
            weights = weigh(values, site.gradients(values, rows))
            parts.append((weights * values).sum(1).relu())
        return torch.cat(parts)

    return found


def _grad_cam(_values: Tensor, gradients: Tensor) -> Tensor:
    return gradients.mean((2, 3), keepdim=True)


def _grad_cam_plus_plus(values: Tensor, gradients: Tensor) -> Tensor:
    """α = g² / (2 g² + g³ Σ A), divided by g², which takes no small number to keep it from 0 / 0."""
    alpha = 1 / (2 + gradients * values.sum((2, 3), keepdim=True))
    return (gradients.relu() * torch.where(gradients > 0, alpha, 0)).sum((2, 3), keepdim=True)


def _layer_cam(_values: Tensor, gradients: Tensor) -> Tensor:
    return gradients.relu()


def _integrated_gradients(site: _Site) -> Tensor:
    """The mean gradient on the straight way, at Gauss and Legendre's points, times the way."""
    points, weights = np.polynomial.legendre.leggauss(site.settings.steps)
    where = torch.tensor((points + 1) / 2, dtype=torch.float32, device=site.x.device).view(-1, 1, 1, 1)
    share = torch.tensor(weights / 2, dtype=torch.float32, device=site.x.device).view(-1, 1, 1, 1)
    start, batch = _start(site), site.settings.batch
    maps: list[Tensor] = []
    for i in range(len(site.x)):
        way, total = site.values[i] - start, torch.zeros_like(start)
        for at, much in zip(torch.split(where, batch), torch.split(share, batch), strict=True):
            total += (much * site.gradients(start + at * way, [i] * len(at))).sum(0)
        maps.append((total * way).sum(0))
    return torch.stack(maps)


@torch.no_grad()
def _start(site: _Site) -> Float[Tensor, "k r s"]:
    """What stands at the place for the mean image, which is 0 when it is prepared."""
    return outputs_at(site.network, torch.zeros_like(site.x[:1]), [site.node])[1][site.node][0]


@torch.no_grad()
def _occlusion(site: _Site) -> Tensor:
    rows, columns = site.values.shape[2:]
    windows = list(product(_windows(rows, site.settings), _windows(columns, site.settings)))
    maps: list[Tensor] = []
    for i in range(len(site.x)):
        (whole,) = site.score(site.values[i : i + 1], [i])
        total, times = torch.zeros_like(site.values[i, 0]), torch.zeros_like(site.values[i, 0])
        for first in range(0, len(windows), site.settings.batch):
            some = windows[first : first + site.settings.batch]
            values = site.values[i].repeat(len(some), 1, 1, 1)
            for covered, (high, wide) in zip(values, some, strict=True):
                covered[:, high, wide] = 0
            for lost, (high, wide) in zip(whole - site.score(values, [i] * len(some)), some, strict=True):
                total[high, wide] += lost
                times[high, wide] += 1
        maps.append(total / times)
    return torch.stack(maps)


def _windows(side: int, settings: Settings) -> list[slice]:
    """The windows along a side; the last one ends with it."""
    window = min(side, settings.window or max(1, round(side / 8)))
    stride = min(window, settings.stride or max(1, window // 2))
    count = 1 + -(-(side - window) // stride)
    return [slice(i * stride, min(side, i * stride + window)) for i in range(count)]


_METHODS: dict[Method, Callable[[_Site], Tensor]] = {
    "grad-cam": _maps_by(_grad_cam), "grad-cam++": _maps_by(_grad_cam_plus_plus), "layer-cam": _maps_by(_layer_cam),
    "integrated-gradients": _integrated_gradients, "occlusion": _occlusion,
}  # fmt: skip
