"""Attribution maps against captum and grad-cam, with one network of random weights for all.

Run by `make parity`: each method on several members, at the last map and at a node within, a branch among them. The
last column, the largest difference over the largest value, must stay below 1e-4. Integrated gradients jump where
rounding opens a ReLU that was closed: the difference of captum from itself in batches of one, twice, is their limit if
it is larger, and stands beside.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inceptionlab import create_model
from inceptionlab.explaining.attribution import attribution_maps
from inceptionlab.explaining.options import METHODS, Settings
from inceptionlab.explaining.places import last_map, module_at, outputs_at, replaced
from tests.parity.oracles import allow_torchvision

LIMIT = 1e-4
MEMBERS = {
    "googlenet": (64, "inception4b.three"), "inception_v3": (107, "mixed6b.seven"),
    "inception_resnet_v2": (107, "mixed6a.double3x3"), "xception": (96, "block5"),
    "inception_next_tiny": (64, "stage3.2.body"),
}  # fmt: skip
"""The side of the images, and a node within the network."""
SETTINGS = Settings(steps=12, window=20, stride=13)
LARGE = 100.0
"""The gradients at the last map, which grad-cam adds 1e-6 to."""


def network_and_images(name: str, size: int) -> tuple[nn.Module, Tensor]:
    """A member whose maps differ from place to place and whose gradients are large."""
    torch.manual_seed(0)
    network = create_model(name, 10, input_size=size, stem="imagenet").eval()
    for key, parameter in network.named_parameters():
        if key.endswith("gamma"):  # layer scale starts at 1e-6, which would hide its block
            nn.init.uniform_(parameter, 0.3, 0.6)
    x = torch.randn(2, 3, size, size)
    node = last_map(network)
    values = outputs_at(network, x, [node])[1][node].detach().requires_grad_()
    with replaced(module_at(network, node), values):
        (found,) = torch.autograd.grad(network(x).max(1).values.sum(), values)
    last = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
    last.weight.data *= LARGE / found.square().mean().sqrt()
    return network, x


def by_grad_cam(network: nn.Module, x: Tensor, node: str, method: str) -> Tensor:
    """grad-cam's map, which it scales to 0 to 1."""
    import pytorch_grad_cam as package

    kind = {"grad-cam": "GradCAM", "grad-cam++": "GradCAMPlusPlus", "layer-cam": "LayerCAM"}[method]
    with getattr(package, kind)(network, [module_at(network, node)]) as cam:
        return torch.from_numpy(cam(x, targets=None))


def scaled(maps: Tensor) -> Tensor:
    """Each map from 0 to 1."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low)


def by_captum(network: nn.Module, x: Tensor, node: str, method: str, batch: int | None = None) -> Tensor:
    """captum's map, summed over the channels, in the size of the images."""
    from captum import attr

    if len(x) > 1:  # each image alone, as ours: a rounding error of another batch opens a ReLU that was closed
        return torch.cat([by_captum(network, one, node, method, batch) for one in torch.split(x, 1)])
    targets = network(x).argmax(1)
    place, steps = module_at(network, node) if node else network, SETTINGS.steps
    if method == "grad-cam":
        found = attr.LayerGradCam(network, place).attribute(x, targets, relu_attributions=True)
    elif method == "integrated-gradients" and node:
        found = attr.LayerIntegratedGradients(network, place).attribute(
            x, target=targets, n_steps=steps, internal_batch_size=batch
        )
    elif method == "integrated-gradients":
        found = attr.IntegratedGradients(network).attribute(x, target=targets, n_steps=steps, internal_batch_size=batch)
    else:
        window, stride = SETTINGS.window, SETTINGS.stride
        return attr.Occlusion(network).attribute(
            x, (3, window, window), (3, stride, stride), target=targets, perturbations_per_eval=16
        )[:, 0]
    return F.interpolate(found.sum(1, keepdim=True), x.shape[2:], mode="bilinear")[:, 0]


def cases(inner: str, last: str) -> Iterator[tuple[str, Callable[..., Tensor], str, str]]:
    """(oracle, what computes it, method, node)."""
    for node in (last, inner):
        yield from (("grad-cam", by_grad_cam, method, node) for method in METHODS[:3])
        yield from (("captum", by_captum, method, node) for method in ("grad-cam", "integrated-gradients"))
    yield from (("captum", by_captum, method, "") for method in ("integrated-gradients", "occlusion"))


def compare(members: tuple[str, ...] = tuple(MEMBERS)) -> int:
    """Print a row for each comparison; the number of red ones."""
    print("\n| network | method | node | oracle | with itself | difference |\n|---|---|---|---|---:|---:|")
    bad = 0
    for name in members:
        size, inner = MEMBERS[name]
        network, x = network_and_images(name, size)
        for oracle, function, method, node in cases(inner, last_map(network)):
            expected = function(network, x, node, method).detach()
            found = attribution_maps(network, x, method, node=node, settings=SETTINGS).maps
            found = scaled(found) if oracle == "grad-cam" else found
            error, itself = difference(found, expected), 0.0
            if method == "integrated-gradients":
                itself = difference(by_captum(network, x, node, method, 1).detach(), expected)
            red = not error <= max(LIMIT, 2 * itself)
            bad += red
            row = f"| {name} | {method} | {node or 'input'} | {oracle} | {itself:.1e} | {error:.1e} |"
            print(row + ("  <-- red" if red else ""), flush=True)
    return bad


def difference(found: Tensor, expected: Tensor) -> float:
    """The largest difference over the largest value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


def main() -> int:
    """Compare alone: `python -m tests.parity.attribution [NETWORK ...]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", help="only these networks")
    wanted = parser.parse_args().name
    warnings.simplefilter("ignore")
    allow_torchvision()
    return 1 if compare(tuple(wanted or MEMBERS)) else 0


if __name__ == "__main__":
    sys.exit(main())
