"""The input that a source's network takes, folded into the weights of its first convolution."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from inceptionlab.errors import DataError
from inceptionlab.spec.network import Input, Network
from inceptionlab.spec.nodes import Conv, Depthwise
from inceptionlab.spec.tree import walk


def for_channels(source: Input, channels: int) -> Input:
    """The source's input for a network of it that was made for another number of channels: means over its planes."""
    if channels == source.channels:
        return source
    mean, std = (sum(values) / len(values) for values in (source.mean, source.std))
    return replace(source, channels=channels, mean=(mean,), std=(std,), order="RGB")


def folded(state: dict[str, Tensor], spec: Network, source: Input) -> tuple[dict[str, Tensor], Input]:
    """The weights for RGB images normalised as the spec says, and that input.

    The source takes (v - m) / s for a pixel v, the spec gives (v - m') / s': its factor s' / s goes into the
    filters, its shift into the bias or the batch norm's mean. A grey image is one whose three planes are the same,
    so the filters are summed. Where the convolution pads, zeros would stand for another colour; the input keeps the
    source's mean then, so that the result is exact.
    """
    path, conv = _first(spec)
    weight = f"{path}.conv.weight"
    if weight not in state:
        return state, spec.input
    filters, depthwise = state[weight], isinstance(conv, Depthwise)
    source = source if depthwise else for_channels(source, filters.shape[1])
    target = spec.input if conv.pad == "valid" or conv.pad == 0 else _with_mean(spec.input, source)
    if source.order == "BGR" and not depthwise:
        filters = filters.flip(1)
    factor, shift = _affine(target, source, filters.dtype)
    planes = len(factor)
    per_plane = factor.repeat_interleave(filters.shape[0] // planes)[:, None] if depthwise else factor[None]
    new = dict(state)
    scaled = filters * per_plane[:, :, None, None]
    new[weight] = scaled.sum(1, keepdim=True) if target.channels == 1 and filters.shape[1] == 3 else scaled
    if shift.any() and not depthwise:
        _put_shift(new, path, (filters * shift[None, :, None, None]).sum((1, 2, 3)))
    return new, replace(target, order="RGB")


def _first(spec: Network) -> tuple[str, Conv | Depthwise]:
    first = next(((path, node) for path, node in walk(spec) if isinstance(node, Conv | Depthwise)), None)
    if first is None:
        raise DataError(f"{spec.title} has no convolution that its input could be folded into")
    return first


def _with_mean(target: Input, source: Input) -> Input:
    return replace(target, mean=for_channels(source, target.channels).mean)


def _affine(target: Input, source: Input, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """What turns the target's planes into the source's: x_source = factor * x_target + shift."""
    rows = [torch.tensor(values, dtype=dtype) for values in (target.mean, target.std, source.mean, source.std)]
    mean, std, source_mean, source_std = (row.expand(source.channels) if len(row) == 1 else row for row in rows)
    return std / source_std, (mean - source_mean) / source_std


def _put_shift(state: dict[str, Tensor], path: str, shift: Tensor) -> None:
    bias, mean = f"{path}.conv.bias", f"{path}.norm.running_mean"
    if bias in state:
        state[bias] = state[bias] + shift
    elif mean in state:
        state[mean] = state[mean] - shift
    else:
        raise DataError(f"{path} has neither a bias nor a batch norm to take the shift of its input")
