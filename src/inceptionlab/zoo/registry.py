"""Every network by name: a literal table. Nothing registers itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from inceptionlab.errors import SpecError, nearest
from inceptionlab.rules import parse_rule
from inceptionlab.spec.network import Network
from inceptionlab.zoo import (
    bn_inception,
    googlenet,
    inception_next,
    inception_resnet_v1,
    inception_resnet_v2,
    inception_v2,
    inception_v3,
    inception_v4,
    small,
    tutorial,
    xception,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A named form: how to make it, its member of the family, the year and source of the paper, and the published
    single-crop ImageNet top-1 accuracy (per cent) of the weights that fit it, with their source.
    """

    make: Callable[[], Network]
    member: str
    year: int
    source: str
    top1: float | None = None
    top1_source: str = ""


_GOOGLENET = "Szegedy et al. 2015, arXiv 1409.4842"
_BN = "Ioffe and Szegedy 2015, arXiv 1502.03167"
_RETHINKING = "Szegedy et al. 2016, arXiv 1512.00567"
_V4 = "Szegedy et al. 2017, arXiv 1602.07261"
_XCEPTION = "Chollet 2017, arXiv 1610.02357"
_DEEPLAB = "Chen et al. 2018, arXiv 1802.02611"
_NEXT = "Yu et al. 2024, arXiv 2303.16900"
_SEEDS = "tutorial networks for CIFAR-10"

REGISTRY: dict[str, Entry] = {
    "googlenet.paper": Entry(googlenet.paper, "GoogLeNet", 2014, _GOOGLENET, 68.7, "BVLC"),
    "googlenet.torchvision": Entry(googlenet.torchvision, "GoogLeNet", 2014, _GOOGLENET, 69.778, "torchvision"),
    "googlenet.tf_slim": Entry(googlenet.tf_slim, "GoogLeNet", 2014, _GOOGLENET, 69.8, "TF-slim"),
    "googlenet.bn": Entry(googlenet.bn, "GoogLeNet", 2014, _GOOGLENET),
    "googlenet.bn5x5": Entry(googlenet.bn5x5, "GoogLeNet", 2014, _GOOGLENET),
    "googlenet.gray": Entry(googlenet.gray, "GoogLeNet", 2014, _GOOGLENET),
    "googlenet.gray_erratum": Entry(googlenet.gray_erratum, "GoogLeNet", 2014, _GOOGLENET),
    "bn_inception.caffe": Entry(bn_inception.caffe, "BN-Inception", 2015, _BN, 73.524, "Cadene"),
    "bn_inception.tf_slim": Entry(bn_inception.tf_slim, "BN-Inception", 2015, _BN, 73.9, "TF-slim"),
    "inception_v2": Entry(inception_v2.table1, "Inception-v2", 2015, _RETHINKING, 76.6, "paper"),
    "inception_v2.n3": Entry(inception_v2.n3, "Inception-v2", 2015, _RETHINKING),
    "inception_v2.compact": Entry(inception_v2.compact, "Inception-v2", 2015, _RETHINKING),
    "inception_v3.torchvision": Entry(
        inception_v3.torchvision, "Inception-v3", 2015, _RETHINKING, 77.294, "torchvision"
    ),
    "inception_v3.tf_slim": Entry(inception_v3.tf_slim, "Inception-v3", 2015, _RETHINKING, 78.0, "TF-slim"),
    "inception_v3.fid": Entry(inception_v3.fid, "Inception-v3", 2015, _RETHINKING),
    "inception_v4": Entry(inception_v4.paper, "Inception-v4", 2016, _V4, 80.144, "timm"),
    "inception_resnet_v1.paper": Entry(inception_resnet_v1.paper, "Inception-ResNet-v1", 2016, _V4, 78.7, "paper"),
    "inception_resnet_v1.facenet": Entry(inception_resnet_v1.facenet, "Inception-ResNet-v1", 2016, _V4),
    "inception_resnet_v2.released": Entry(
        inception_resnet_v2.released, "Inception-ResNet-v2", 2016, _V4, 80.434, "timm"
    ),
    "inception_resnet_v2.paper": Entry(inception_resnet_v2.paper, "Inception-ResNet-v2", 2016, _V4, 80.1, "paper"),
    "xception.keras": Entry(xception.keras, "Xception", 2016, _XCEPTION, 79.0, "Keras"),
    "xception.timm": Entry(xception.timm, "Xception", 2016, _XCEPTION, 79.058, "timm"),
    "xception41": Entry(xception.xception41, "Xception", 2018, _DEEPLAB, 78.55, "timm"),
    "xception41p": Entry(xception.xception41p, "Xception", 2018, _DEEPLAB, 81.978, "timm"),
    "xception65": Entry(xception.xception65, "Xception", 2018, _DEEPLAB, 79.558, "timm"),
    "xception65p": Entry(xception.xception65p, "Xception", 2018, _DEEPLAB, 83.16, "timm"),
    "xception71": Entry(xception.xception71, "Xception", 2018, _DEEPLAB, 79.92, "timm"),
    "inception_next_atto": Entry(inception_next.atto, "InceptionNeXt", 2024, _NEXT, 75.348, "timm"),
    "inception_next_tiny": Entry(inception_next.tiny, "InceptionNeXt", 2024, _NEXT, 82.508, "timm"),
    "inception_next_small": Entry(inception_next.small, "InceptionNeXt", 2024, _NEXT, 83.584, "timm"),
    "inception_next_base": Entry(inception_next.base, "InceptionNeXt", 2024, _NEXT, 84.098, "timm"),
    "inception_net": Entry(tutorial.inception_net, "GoogLeNet", 2014, _SEEDS),
    "dilated_cnn": Entry(tutorial.dilated_cnn, "dilated CNN", 2016, _SEEDS),
    "small_fast": Entry(small.small_fast, "GoogLeNet", 2014, "a network for minutes on a CPU"),
    "small_fast2": Entry(small.small_fast2, "Inception-v2", 2024, "an experiment after Jordan 2024, arXiv 2404.00498"),
    "small_v1": Entry(small.small_v1, "GoogLeNet", 2014, _SEEDS),
    "small_v2": Entry(small.small_v2, "BN-Inception", 2015, _SEEDS),
    "small_v3": Entry(small.small_v3, "Inception-v3", 2015, _SEEDS),
    "small_resnet": Entry(small.small_resnet, "Inception-ResNet-v1", 2016, _SEEDS),
}

ALIASES = {
    "googlenet": "googlenet.torchvision",
    "bn_inception": "bn_inception.caffe",
    "inception_v3": "inception_v3.torchvision",
    "inception_resnet_v1": "inception_resnet_v1.paper",
    "inception_resnet_v2": "inception_resnet_v2.released",
    "xception": "xception.timm",
}
"""An unqualified name is the form with public weights, or the paper's where none exist."""


def list_models(pattern: str = "*") -> list[str]:
    """The names that match a shell pattern, in the order of the family's history; a word without a wildcard finds the
    names and members of the family that hold it, however it is written ("Inception-v3").
    """
    if any(sign in pattern for sign in "*?["):
        return [name for name in REGISTRY if fnmatchcase(name, pattern)]
    word = _letters(pattern)
    texts = {name: f"{_letters(name)} {_letters(one.member)}" for name, one in REGISTRY.items() if word}
    return [name for name, text in texts.items() if word in text]


def is_known(name: str) -> bool:
    """Whether the zoo has a network of this name."""
    return _full(name) in REGISTRY


def entry(name: str) -> Entry:
    """The entry of a name or of an unqualified one, in any case, with or without dashes ("Inception-v3").

    Raises `SpecError` with the nearest names.
    """
    full = _full(name)
    if full not in REGISTRY:
        raise SpecError(f"no network is called {name!r}; {nearest(name, [*REGISTRY, *ALIASES])}")
    return REGISTRY[full]


def _full(name: str) -> str:
    """The full name of one that is written otherwise, where that can mean one network only; or the name itself."""
    if name in REGISTRY or name in ALIASES or "/" in name or "\\" in name:
        return ALIASES.get(name, name)
    found = _by_letters().get(_letters(name), set())
    return next(iter(found)) if len(found) == 1 else name


@cache
def _by_letters() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name in (*REGISTRY, *ALIASES):
        found.setdefault(_letters(name), set()).add(ALIASES.get(name, name))
    return found


def _letters(name: str) -> str:
    """The letters and digits of a name in lower case, by which it is known however it is written."""
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def get_spec(name: str) -> Network:
    """The network of the zoo of a name as one value; rules may follow: `"small_v1 | residual(0.1) | attend(cbam)"`.

    No file is read or run (`network_of` does). Raises `SpecError` with the nearest names.
    """
    model, _, rules = name.partition("|")
    network = entry(model.strip()).make()
    return parse_rule(rules)(network) if rules.strip() else network
