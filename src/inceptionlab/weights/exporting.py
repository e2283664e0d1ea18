"""Our weights under the names of torchvision and timm, so that their users can load them."""

from __future__ import annotations

import re
from typing import Literal, cast

import torch
from torch import Tensor

from inceptionlab.errors import SpecError
from inceptionlab.nn.building import InceptionNetwork
from inceptionlab.weights.creating import create_model
from inceptionlab.weights.named import NAMED
from inceptionlab.weights.scheme import Named


def export_weights(model: InceptionNetwork, to: Literal["torchvision", "timm"]) -> dict[str, Tensor]:
    """The state dict that the library's own network of this member loads; it takes the input that `model.spec` says.

    Auxiliary heads that the library's network does not have are left out. Raises `SpecError` for a network that the
    library does not have, also one that rules have changed.
    """
    scheme = _scheme(model, to)
    own = cast(dict[str, Tensor], model.state_dict())
    with torch.device("meta"):
        zoo = create_model(model.spec.name, aux=bool(model.spec.aux)).state_dict()
    extra = next((key for key in (*own, *zoo) if (key in own) != (key in zoo)), None)
    if extra is not None:
        raise SpecError(f"{model.spec.title} is not {to}'s network: it differs at {extra!r}")
    named = {scheme.theirs(key): value for key, value in own.items()}
    return {key: value for key, value in named.items() if not key.startswith("aux.")}


def _scheme(model: InceptionNetwork, to: str) -> Named:
    fits = [scheme for scheme in NAMED if to in scheme.source and re.match(scheme.member, model.spec.name)]
    if not fits:
        known = sorted({scheme.names for scheme in NAMED if to in scheme.source})
        raise SpecError(f"{to} has no {model.spec.name}; it has {', '.join(known)}")
    return fits[0]
