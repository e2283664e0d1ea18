"""`make parity`: our networks and independent ones give the same logits for the same random weights.

Weights are matched by the order in which layers run, batch-norm statistics are random, inputs are random. The last
column must stay below 2e-6 (0: bit for bit). Distances between sets of images (tests/parity/fidelity.py) and
attribution maps (tests/parity/attribution.py) follow. Exits with 1 where a row does not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Iterator

import torch
from torch import nn

from inceptionlab import create_model, load_weights
from inceptionlab.weights.unwrapping import OURS, recognise
from tests.parity import attribution, fidelity
from tests.parity.oracles import CASES, KERAS, Case, Keras, allow_torchvision

LIMIT = 2e-6
KINDS = (nn.Conv2d, nn.Linear, nn.LayerNorm, nn.BatchNorm1d, nn.BatchNorm2d)


def layers_as_run(model: nn.Module, x: torch.Tensor) -> list[nn.Module]:
    """The layers with weights, in the order in which they run."""
    order: list[nn.Module] = []
    hooks = [m.register_forward_hook(lambda m, *_: order.append(m)) for m in model.modules() if isinstance(m, KINDS)]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return order


def randomise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
        for parameter in module.parameters(recurse=False):
            if not isinstance(module, KINDS):  # layer scale starts at 1e-6, which would hide its block
                nn.init.uniform_(parameter, 0.1, 0.5)


def copy(source: nn.Module, target: nn.Module, x: torch.Tensor) -> None:
    """Put the weights of `source` into `target`, layer by layer in the order in which they run."""
    pairs = zip(layers_as_run(source, x), layers_as_run(target, x), strict=True)
    for theirs, ours in pairs:
        values = theirs.state_dict()
        ours.load_state_dict({key: values[key].reshape(value.shape) for key, value in ours.state_dict().items()})
    scales = [[m for m in model.modules() if not isinstance(m, KINDS)] for model in (source, target)]
    loose = [[p for m in group for p in m.parameters(recurse=False)] for group in scales]
    for theirs, ours in zip(*loose, strict=True):
        ours.data.copy_(theirs.data.reshape(ours.shape))


def through_file(source: nn.Module, target: nn.Module) -> None:
    """Save the source's weights as its users do and import the file."""
    with tempfile.TemporaryDirectory() as folder:
        torch.save(source.state_dict(), f"{folder}/weights.pth")
        load_weights(target, f"{folder}/weights.pth", fold_input=False)


def worst_error(case: Case, channels: int) -> float:
    torch.manual_seed(0)
    oracle = case.make(channels).eval()
    options = {"num_classes": 1000, **case.options}
    ours = create_model(case.name, in_channels=channels, stem="imagenet", **options).eval()
    randomise(oracle)
    if case.by_file:
        through_file(oracle, ours)
    else:
        copy(oracle, ours, torch.randn(1, channels, case.sizes[0], case.sizes[0]))
    worst = 0.0
    for size in case.sizes:
        for batch in (1, 4) if size == case.sizes[0] else (1,):
            x = torch.randn(batch, channels, size, size)
            with torch.no_grad():
                expected, got = oracle(x), ours(x)
            worst = max(worst, ((got - expected).norm() / expected.norm()).item())
    return worst


def import_error(case: Case) -> float | None:
    """The error after the oracle's own checkpoint file is imported by its keys; None where no table knows them."""
    torch.manual_seed(0)
    oracle = case.make(3).eval()
    if recognise(oracle.state_dict()) is OURS:
        return None
    randomise(oracle)
    ours = create_model(case.name, stem="imagenet", **{"num_classes": 1000, **case.options}).eval()
    through_file(oracle, ours)
    x = torch.randn(2, 3, case.sizes[0], case.sizes[0])
    with torch.no_grad():
        return ((ours(x) - oracle(x)).norm() / oracle(x).norm()).item()


def keras_errors(name: str, theirs: str, sizes: tuple[int, ...], channels: int) -> Iterator[tuple[str, float]]:
    """The worst error over the sizes after a file of each of Keras' formats is imported."""
    keras = Keras(theirs, channels)
    keras.randomise()
    ours = create_model(name, in_channels=channels, stem="imagenet").eval()
    for form in ("h5", "keras", "weights.h5"):
        with tempfile.TemporaryDirectory() as folder:
            (keras.model.save_weights if form == "weights.h5" else keras.model.save)(f"{folder}/model.{form}")
            load_weights(ours, f"{folder}/model.{form}", fold_input=False)
        worst = 0.0
        for size in sizes if form == "h5" else sizes[:1]:
            oracle = keras if size == sizes[0] else keras.at(size)
            for batch in (1, 4) if size == sizes[0] and form == "h5" else (1,):
                x = torch.randn(batch, channels, size, size)
                with torch.no_grad():
                    expected = oracle(x)
                    worst = max(worst, ((ours(x) - expected).norm() / expected.norm()).item())
        yield form, worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="only these networks, attribution, fidelity, or parts of it")
    wanted = parser.parse_args().name
    warnings.simplefilter("ignore")
    allow_torchvision()
    print("| network | oracle | channels | sizes | relative error |\n|---|---|---:|---|---:|")
    bad = 0
    for case in CASES:
        if wanted and case.name not in wanted:
            continue
        for channels in case.channels:
            error = worst_error(case, channels)
            bad += error > LIMIT
            sizes = ", ".join(map(str, case.sizes))
            row = f"| {case.name} | {case.source} | {channels} | {sizes} | {error:.1e} |"
            print(row + ("  <-- above the limit" if error > LIMIT else ""), flush=True)
        imported = import_error(case)
        if imported is not None:
            bad += imported > LIMIT
            print(f"| {case.name} | {case.source}, file imported | 3 | {case.sizes[0]} | {imported:.1e} |", flush=True)
    for name, theirs, sizes, all_channels in KERAS:
        for channels in all_channels if not wanted or name in wanted else ():
            for form, error in keras_errors(name, theirs, sizes, channels):
                bad += error > LIMIT
                tried = ", ".join(map(str, sizes if form == "h5" else sizes[:1]))
                row = f"| {name} | Keras, .{form} imported | {channels} | {tried} | {error:.1e} |"
                print(row + ("  <-- above the limit" if error > LIMIT else ""), flush=True)
    parts = [name for name in wanted if name in fidelity.PARTS]
    if not wanted or parts or "fidelity" in wanted:
        bad += fidelity.compare(parts)
    if not wanted or "attribution" in wanted:
        bad += attribution.compare()
    print(f"\n{bad} red rows" if bad else "\nno red row")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
