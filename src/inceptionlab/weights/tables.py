"""How the keys of other libraries' checkpoints become ours: ordered substitutions, one table a scheme.

A scheme is recognised by a key that no other has. The names on the left are the libraries', those on the right are
the addresses in our specs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Put: TypeAlias = "str | Callable[[re.Match[str]], str]"


@dataclass(frozen=True, slots=True)
class Table:
    """The scheme of a source: the key that gives it away, our member that it is for, and its substitutions."""

    source: str
    member: str
    mark: str
    rows: tuple[tuple[str, Put], ...]

    def rename(self, key: str) -> str:
        """Our key for one of theirs."""
        for pattern, put in self.rows:
            key = re.sub(pattern, put, key)
        return key


def _from_one(ours: str) -> Put:
    """Positions that the source counts from 1."""
    return lambda match: f"{ours}.{int(match[1]) - 1}"


def _blocks(ours: str, first: int) -> Put:
    """A repeated block whose number in the source is `first` for our number 1."""
    return lambda match: f"{ours}{int(match[1]) - first + 1}."


COMMON: tuple[tuple[str, Put], ...] = ((r"\.bn\.", ".norm."), (r"^(fc|classif|last_linear)\.", "fc.linear."))

INCEPTION_V3 = Table(
    "torchvision, timm or pytorch-fid", "inception_v3", "Mixed_7c.branch3x3dbl_3b.conv.weight",
    (
        (r"^Conv2d_(\d[ab])_\dx\d", r"conv\1"),
        (r"^Mixed_(\d[a-e])", r"mixed\1"),
        (r"\.branch1x1\.", ".one."),
        (r"\.branch5x5_(\d)", _from_one(".five")),
        (r"\.branch3x3dbl_3a", ".double3x3.2.wide"),
        (r"\.branch3x3dbl_3b", ".double3x3.2.tall"),
        (r"\.branch3x3_2a", ".three.1.wide"),
        (r"\.branch3x3_2b", ".three.1.tall"),
        (r"\.branch3x3dbl_(\d)", _from_one(".double3x3")),
        (r"\.branch3x3_(\d)", _from_one(".three")),
        (r"\.branch3x3\.", ".three."),
        (r"\.branch7x7(?:x3)?_(\d)", _from_one(".seven")),
        (r"\.branch7x7dbl_(\d)", _from_one(".double7x7")),
        (r"\.branch_pool\.", ".pool.1."),
        (r"^AuxLogits\.fc\.", "aux.fc.linear."),
        (r"^AuxLogits\.", "aux."),
        *COMMON,
    ),
)  # fmt: skip

GOOGLENET = Table(
    "torchvision", "googlenet", "inception3a.branch1.conv.weight",
    (
        (r"\.branch1\.", ".one."),
        (r"\.branch2\.", ".three."),
        (r"\.branch3\.", ".five."),
        (r"\.branch4\.", ".pool."),
        (r"^fc\.", "classifier.linear."),
        (r"^(aux\d\.fc\d)\.", r"\1.linear."),
        *COMMON,
    ),
)  # fmt: skip

INCEPTION_V4 = Table(
    "timm or Cadene", "inception_v4", "features.21.branch2_3b.conv.weight",
    (
        (r"^features\.([012])\.", lambda m: f"conv{int(m[1]) + 1}."),
        (r"^features\.3\.", "mixed3a."),
        (r"^features\.4\.branch0", "mixed4a.short"),
        (r"^features\.4\.branch1", "mixed4a.long"),
        (r"^features\.5\.", "mixed5a."),
        (r"^features\.10\.branch0", "reduction_a.three"),
        (r"^features\.10\.branch1", "reduction_a.double3x3"),
        (r"^features\.18\.branch0", "reduction_b.three"),
        (r"^features\.18\.branch1", "reduction_b.seven"),
        (r"^features\.([6-9])\.", _blocks("a", 6)),
        (r"^features\.(1[1-7])\.", _blocks("b", 11)),
        (r"^features\.(19|20|21)\.", _blocks("c", 19)),
        (r"\.branch0\.", ".one."),
        (r"^(a\d)\.branch1", r"\1.three"),
        (r"^(a\d)\.branch2", r"\1.double3x3"),
        (r"^(b\d)\.branch1", r"\1.seven"),
        (r"^(b\d)\.branch2", r"\1.double7x7"),
        (r"\.branch1_0", ".three.0"),
        (r"\.branch1_1a", ".three.1.wide"),
        (r"\.branch1_1b", ".three.1.tall"),
        (r"\.branch2_3a", ".double3x3.3.wide"),
        (r"\.branch2_3b", ".double3x3.3.tall"),
        (r"\.branch2_(\d)", r".double3x3.\1"),
        (r"\.branch3\.", ".pool."),
        *COMMON,
    ),
)  # fmt: skip

INCEPTION_RESNET_V2 = Table(
    "timm or Cadene", "inception_resnet_v2", "repeat_1.19.conv2d.weight",
    (
        (r"^conv2d_7b", "conv7b"),
        (r"^conv2d_(\d[ab])", r"conv\1"),
        (r"^mixed_5b\.branch1", "mixed5b.five"),
        (r"^mixed_5b\.branch2", "mixed5b.double3x3"),
        (r"^mixed_5b\.branch3", "mixed5b.pool"),
        (r"^mixed_5b\.branch0", "mixed5b.one"),
        (r"^mixed_6a\.branch0", "mixed6a.three"),
        (r"^mixed_6a\.branch1", "mixed6a.double3x3"),
        (r"^mixed_7a\.branch0", "mixed7a.three"),
        (r"^mixed_7a\.branch1", "mixed7a.second3x3"),
        (r"^mixed_7a\.branch2", "mixed7a.double3x3"),
        (r"^repeat\.(\d+)\.", _blocks("a", 0)),
        (r"^repeat_1\.(\d+)\.", _blocks("b", 0)),
        (r"^repeat_2\.(\d+)\.", _blocks("c", 0)),
        (r"^block8\.", "c10."),
        (r"\.conv2d\.", ".body.linear.conv."),
        (r"\.branch0\.", ".body.block.one."),
        (r"^(b\d+)\.branch1", r"\1.body.block.seven"),
        (r"\.branch1\.", ".body.block.three."),
        (r"\.branch2\.", ".body.block.double3x3."),
        *COMMON,
    ),
)  # fmt: skip

# The source counts ReLUs and norms in `rep`; ours holds a norm with its pointwise convolution.
_FIRST = {"0": "0", "1": "0.pointwise.norm", "3": "2", "4": "2.pointwise.norm"}
_OTHER = {
    "1": "1", "2": "1.pointwise.norm", "4": "3", "5": "3.pointwise.norm", "7": "5", "8": "5.pointwise.norm",
}  # fmt: skip


def _rep(places: Mapping[str, str]) -> Put:
    return lambda match: f"{match[1]}.body.{places[match[2]]}."


XCEPTION = Table(
    "timm or Cadene", "xception", "block12.rep.1.pointwise.weight",
    (
        (r"^conv([12])\.weight", r"conv\1.conv.weight"),
        (r"^bn([12])\.", r"conv\1.norm."),
        (r"^bn([34])\.", r"conv\1.pointwise.norm."),
        (r"^(block1)\.rep\.(\d)\.", _rep(_FIRST)),
        (r"^(block\d+)\.rep\.(\d)\.", _rep(_OTHER)),
        (r"\.conv1\.weight$", ".depthwise.conv.weight"),
        (r"\.pointwise\.weight$", ".pointwise.conv.weight"),
        (r"\.skip\.weight$", ".skip.conv.weight"),
        (r"\.skipbn\.", ".skip.norm."),
        *COMMON,
    ),
)  # fmt: skip


def _next_block(match: re.Match[str]) -> str:
    """A block of a stage; all stages but the first begin with a norm and a convolution."""
    stage, block = int(match[1]), int(match[2])
    return f"stage{stage + 1}.{block + (2 if stage else 0)}.body."


INCEPTION_NEXT = Table(
    "timm or its authors", "inception_next", "stages.0.blocks.0.token_mixer.dwconv_hw.weight",
    (
        (r"^stem\.0\.", "stem.conv."),
        (r"^stem\.1\.", "stem.norm."),
        (r"^stages\.(\d)\.downsample\.0\.", lambda m: f"stage{int(m[1]) + 1}.0."),
        (r"^stages\.(\d)\.downsample\.1\.", lambda m: f"stage{int(m[1]) + 1}.1.conv."),
        (r"^stages\.(\d)\.blocks\.(\d+)\.", _next_block),
        (r"\.body\.gamma$", ".body.scale.gamma"),
        (r"\.token_mixer\.dwconv_hw\.", ".0.0.square.conv."),
        (r"\.token_mixer\.dwconv_w\.", ".0.0.wide.conv."),
        (r"\.token_mixer\.dwconv_h\.", ".0.0.tall.conv."),
        (r"\.body\.norm\.", ".body.0.1."),
        (r"\.mlp\.fc1\.", ".0.2.conv."),
        (r"\.mlp\.fc2\.", ".0.3.conv."),
        (r"^head\.(fc\d)\.", r"\1.linear."),
        (r"^head\.norm\.", "norm.norm."),
    ),
)  # fmt: skip

TABLES = (INCEPTION_V3, GOOGLENET, INCEPTION_V4, INCEPTION_RESNET_V2, XCEPTION, INCEPTION_NEXT)


def recognise(keys: Mapping[str, object]) -> Table | None:
    """The table whose mark is among the keys; None where no scheme is recognised."""
    return next((table for table in TABLES if table.mark in keys), None)
