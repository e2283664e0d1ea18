"""Modules as a few lines: what computes nothing is left out, and what belongs together stands on one line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torch import nn

from inceptionlab.nn.layers.conv import ConvNormAct
from inceptionlab.nn.layers.head import Dense

_ROWS = (ConvNormAct, Dense)
"""Modules whose children follow one another in the order in which they were made."""
_USUAL = re.compile(
    r", (?:affine|track_running_stats|bias)=True|(?:, )?inplace=True|, (?:momentum=0\.1|eps=1e-05|dilation=1)\b"
    r"|, (?:stride=\(1, 1\)|stride=1\b|padding=0\b|ceil_mode=False|approximate='none'|bias=False)"
)
_PAIR = re.compile(r"(?:kernel_size=|(stride|padding|dilation)=)\((\d+), (\d+)\)")


def outline(module: nn.Module, name: str = "", indent: str = "") -> Iterator[str]:
    """A line for each module that computes something, with its name as it stands in addresses."""
    label = f"{indent}({name}): " if name else indent
    children = [(key, child) for key, child in module.named_children() if not isinstance(child, nn.Identity)]
    if not children:
        yield label + _words(module)
    elif isinstance(module, _ROWS):
        yield label + " → ".join(_words(child) for _, child in children)
    else:
        yield f"{label}{type(module).__name__}"
        for key, child in children:
            yield from outline(child, key, indent + "  ")


def _words(module: nn.Module) -> str:
    """A layer as torch writes it, without what is usual; sides of windows as papers write them."""
    inner = _PAIR.sub(_side, _USUAL.sub("", module.extra_repr()))
    return f"{type(module).__name__}({inner})" if inner else type(module).__name__


def _side(match: re.Match[str]) -> str:
    word, height, width = match.groups()
    size = height if word and height == width else f"{height}x{width}"
    return f"{word} {size}" if word else size
