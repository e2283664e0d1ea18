"""Networks by name, with random weights or published ones."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TypedDict, Unpack

from inceptionlab.nn.building import InceptionNetwork, build
from inceptionlab.nn.features import FeatureNetwork, backbone
from inceptionlab.spec.network import Network
from inceptionlab.weights.loading import load_weights
from inceptionlab.zoo.configure import Stem, configured
from inceptionlab.zoo.published import Published, find_published, names_weights


class Options(TypedDict, total=False):
    """What else a network is made with."""

    aux: bool
    stem: Stem


def create_model(
    name: str | Network,
    num_classes: int | None = None,
    in_channels: int | None = None,
    input_size: int | tuple[int, int] | None = None,
    pretrained: bool | str = False,
    **options: Unpack[Options],
) -> InceptionNetwork:
    """Build a network by name.

    `num_classes` (0: features), `in_channels` and `input_size` default to the spec's own (1000 classes, 3 channels
    for the ImageNet forms). `aux=True` keeps the auxiliary heads. `stem="auto"` takes a small stem where the
    image is less than half as large as the network's own; "imagenet" keeps the paper's, "small" replaces it.

    `pretrained=True` loads the published weights that are the form's first in `inceptionlab list --pretrained`, a text
    such as "timm/tf_in1k" (or "timm") those of that name, and so does the name "inception_v3@timm". Its `spec.input` is
    then what these weights take. For other classes than theirs the classifier is new, which the logger "inceptionlab"
    says. Raises `SpecError` for an unknown network, `DataError` for weights that cannot be had or do not fit.
    """
    text = name if isinstance(name, str) else name.name
    base, _, rules = text.partition("|")
    if pretrained is False and not names_weights(name):
        return build(configured(name, num_classes, in_channels, input_size, **options))
    row = find_published(base.strip(), pretrained)
    model = name if isinstance(name, Network) else " | ".join(part for part in (row.form, rules.strip()) if part)
    classes = row.outputs if num_classes is None else num_classes
    size = (row.input.height, row.input.width) if input_size is None else input_size
    return _loaded(configured(model, classes, in_channels, size, **options), row)


def create_features(
    name: str | Network,
    in_channels: int | None = None,
    input_size: int | tuple[int, int] | None = None,
    stem: Stem = "auto",
    output_stride: int | None = None,
    pretrained: bool | str = False,
) -> FeatureNetwork:
    """A network's maps without its head, as detection and segmentation want them (timm's `features_only`).

    `output_stride` (8 or 16) keeps the last maps finer by dilation. `pretrained` is that of `create_model`. Raises
    `SpecError` where the stride changes nothing, and what `create_model` does.
    """
    if pretrained is False and not names_weights(name):
        return backbone(configured(name, None, in_channels, input_size, False, stem), output_stride)
    whole = create_model(name, None, in_channels, input_size, pretrained, stem=stem)
    features = backbone(whole.spec, output_stride)
    weights = whole.state_dict()
    features.load_state_dict({key: weights[key] for key in features.state_dict()})
    return features


def _loaded(spec: Network, row: Published) -> InceptionNetwork:
    """The network with a row's weights, for images that are prepared as these weights take them."""
    taken = replace(spec.input, crop=row.input.crop, interpolation=row.input.interpolation)
    for init in (None, "kaiming"):  # initial weights take seconds, and are for what the file has not
        network = build(replace(spec, input=taken), init)
        account = load_weights(network, row.full, fold_input=spec.input.channels != row.input.channels)
        if not account.new:
            break
    level = logging.WARNING if account.new else logging.INFO
    logging.getLogger("inceptionlab").log(level, "%s: %s", row.full, account)
    return network
