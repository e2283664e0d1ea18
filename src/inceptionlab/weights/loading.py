"""Loading weights of other libraries and of ours into a network, with an account of what was done."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from inceptionlab.errors import DataError, counted, listed, nearest
from inceptionlab.nn.building import InceptionNetwork, build
from inceptionlab.spec.codec import from_json, loads
from inceptionlab.spec.network import Input, Network
from inceptionlab.storage import read_about, read_text
from inceptionlab.weights.fetching import hub_folder, is_remote, weights_file
from inceptionlab.weights.folding import folded, for_channels
from inceptionlab.weights.readers.reading import read_state
from inceptionlab.weights.scheme import CLASSIFIER, Named, Scheme
from inceptionlab.weights.unwrapping import HEADS, unwrapped
from inceptionlab.zoo.naming import SPEC
from inceptionlab.zoo.own import unbuilt
from inceptionlab.zoo.published import find_published, is_published

PUSHED = "model.safetensors"
"""The file of weights of a repository of the hub."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a load did: the source it recognised, the keys of ours loaded, of theirs dropped, of ours left new, the
    input that the network takes now, and the names before its own in the file ("model", "xception").
    """

    source: str
    loaded: tuple[str, ...]
    dropped: tuple[str, ...]
    new: tuple[str, ...]
    input: Input
    inside: str = ""

    def __str__(self) -> str:
        place = f", in {self.inside!r}" if self.inside else ""
        parts = [f"{self.source}{place}: {counted(len(self.loaded), 'tensor')} loaded"]
        parts += [f"dropped {listed(_tops(self.dropped), 12)}"] if self.dropped else []
        parts += [f"new {listed(_tops(self.new), 12)}"] if self.new else []
        return "; ".join(parts)

    def describe_input(self) -> str:
        """The input that the network takes, in a line."""
        mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (self.input.mean, self.input.std))
        return f"input: {self.input.order}, values of 0 to 1 minus ({mean}) over ({std})"


def load_weights(
    model: InceptionNetwork, file: Path | str, *, fold_input: bool = True, source_input: Input | None = None
) -> Account:
    """Load a checkpoint file of any known source, or published weights ("inception_v3@timm", "hf:OWNER/NAME"), into
    a network, in place; no code in the file is run.

    The source is recognised by its keys. A classifier for another number of classes is left new (1001 classes lose
    their background class); auxiliary heads that only one side has are dropped or left new; a batch norm without
    gamma gets ones. Names that a wrapper or a larger model puts before the network's are taken off ("model.",
    "xception."), and what stands beside it, such as a head of one's own, is dropped.

    `fold_input` folds the source's channel order and range into the first convolution, so that the network takes RGB as
    its spec says, but for the source's mean where that convolution pads; without it, the network takes what the
    source's does. `source_input` is that input where it is neither the usual one of the source nor said by the file, as
    ours do.

    Afterwards `model.spec.input` says what the network takes now, and so does the account. It is the one thing of a
    network that changes: what was made from its spec before (the setup of a run) is made from `spec_with` instead.

    Raises `DataError` for what does not fit, naming the first wrong key and its shape; the network is then as it was.
    """
    if is_published(file):
        row = find_published(file)
        file, source_input = weights_file(row), source_input or row.input
    elif is_remote(file):
        file = hub_folder(str(file), (SPEC, PUSHED)) / PUSHED
    own = cast(dict[str, Tensor], model.state_dict())
    found = unwrapped(read_state(Path(file)), own)
    theirs, scheme = found.state, found.scheme
    if not re.match(scheme.member, model.spec.name):
        raise DataError(f"{file} holds {scheme.names} as {scheme.source} names it, which is not {model.spec.name}")
    pairs = scheme.pairs(theirs, own)
    unknown = [key for key in theirs if key not in pairs and not key.endswith("num_batches_tracked")]
    _refuse_unknown(unknown, scheme, model, pairs, file)
    state, spec_input = {ours: theirs[key] for key, ours in pairs.items()}, model.spec.input
    taken = source_input or scheme.input or _recorded(Path(file), model.spec.input)
    if taken is not None and fold_input:
        state, spec_input = folded(state, model.spec, taken)
    elif taken is not None:
        taken = for_channels(taken, spec_input.channels)
        spec_input = replace(spec_input, mean=taken.mean, std=taken.std, order=taken.order)
    fitting, refused = _fitting(model, state, own, file)
    fitting |= _missing_gammas(fitting, own)
    new = [key for key in own if key not in fitting and not key.endswith("num_batches_tracked")]
    for key in new:
        if not key.startswith("aux") and not _classifies(key, model):
            raise DataError(f"{file} has nothing for {key!r} of {model.spec.title}")
    model.load_state_dict(fitting, strict=False)
    model.spec = replace(model.spec, input=spec_input)
    dropped = (*unknown, *refused, *found.beside)
    return Account(scheme.source, tuple(fitting), dropped, tuple(new), spec_input, found.inside)


def _recorded(file: Path, own: Input) -> Input | None:
    """The input that a file of ours says its network takes, or the spec beside that of a run; None where nothing says
    one, or it is the same as `own`.
    """
    about = read_about(file).get("spec") if file.suffix == ".safetensors" else None
    beside = file.with_name(SPEC)
    if isinstance(about, dict):
        spec: object = from_json(about, unbuilt)
    elif file.name == PUSHED and beside.is_file():
        spec = loads(read_text(beside), unbuilt)
    else:
        return None
    if not isinstance(spec, Network):
        return None
    values = [(one.channels, one.mean, one.std, one.order) for one in (spec.input, own)]
    return None if values[0] == values[1] else spec.input


def spec_with(spec: Network, file: Path | str, source_input: Input | None = None) -> Network:
    """The spec of a network after a file's weights are loaded: it may take another input. Raises what `load_weights`
    does.
    """
    network = build(spec, init=None)
    load_weights(network, file, source_input=source_input)
    return network.spec


def _refuse_unknown(
    unknown: list[str], scheme: Scheme, model: InceptionNetwork, pairs: dict[str, str], file: Path | str
) -> None:
    """Heads that we have not may be left out; anything else unknown is refused."""
    for key in unknown:
        head = re.search(scheme.aux, key) or re.search(CLASSIFIER, key) or HEADS.search(key)
        if not head and isinstance(scheme, Named):
            known = pairs or cast(dict[str, Tensor], model.state_dict())
            raise DataError(f"{file}: {key!r} has no place in {model.spec.title}; {nearest(key, known)}")


def _fitting(
    model: InceptionNetwork, state: dict[str, Tensor], own: dict[str, Tensor], file: Path | str
) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors in our shapes, and the keys of a classifier for other classes."""
    fitting: dict[str, Tensor] = {}
    refused: list[str] = []
    for key, value in state.items():
        classifier = _classifies(key, model)
        fitted = _fitted(value, own[key], classifier)
        if fitted is not None:
            fitting[key] = fitted
        elif classifier:
            refused.append(key)
        else:
            raise DataError(f"{file}: {key!r} is {tuple(value.shape)}, the network's is {tuple(own[key].shape)}")
    return fitting, refused


def _fitted(value: Tensor, own: Tensor, classifier: bool) -> Tensor | None:
    """The tensor in our shape, without the background class of 1001, or None where it does not fit."""
    if classifier and value.shape[0] == 1001 and own.shape[0] == 1000:
        value = value[1:]
    if value.shape == own.shape:
        return value
    flat = [size for size in value.shape if size > 1] == [size for size in own.shape if size > 1]
    return value.reshape(own.shape) if flat else None  # 1x1 filters stored as matrices, statistics as rows


def _missing_gammas(fitting: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """Ones for the batch norms of a source that has no scale anywhere."""
    norms = [key.removesuffix("running_mean") + "weight" for key in fitting if key.endswith("running_mean")]
    return {} if any(key in fitting for key in norms) else {key: torch.ones_like(own[key]) for key in norms}


def _classifies(key: str, model: InceptionNetwork) -> bool:
    """Whether a key belongs to a layer whose width is the number of classes: the last one of a head."""
    heads = [model.spec.head.children[-1][0]]
    heads += [f"{aux.name}.{aux.head.children[-1][0]}" for aux in model.spec.aux]
    return any(key.startswith(f"{head}.") for head in heads)


def _tops(keys: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(key.partition(".")[0] for key in keys))
