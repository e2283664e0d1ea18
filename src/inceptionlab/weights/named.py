"""Sources in torch's own terms, and Caffe's GoogLeNet: for each of our addresses their name for it."""

from __future__ import annotations

import re

from inceptionlab.spec.network import Input
from inceptionlab.weights.scheme import Named, Put, Rows


def _from_one(theirs: str) -> Put:
    """Positions that the source counts from 1."""
    return lambda match: f"{theirs}{int(match[1]) + 1}."


def _blocks(theirs: str, first: int) -> Put:
    """A repeated block whose number in the source is `first` for our number 1."""
    return lambda match: f"{theirs}{int(match[1]) + first - 1}."


_COMMON: Rows = ((r"\.norm\.", ".bn."), (r"\.linear\.(?=[^.]*$)", "."))

INCEPTION_V3 = Named(
    "torchvision, timm or pytorch-fid", "inception_v3", r"^Mixed_7c\.branch3x3dbl_3b\.conv\.weight",
    (
        (r"^conv3b\.", "Conv2d_3b_1x1."),
        (r"^conv(\d[ab])\.", r"Conv2d_\1_3x3."),
        (r"^mixed(\d[a-e])\.", r"Mixed_\1."),
        (r"\.one\.", ".branch1x1."),
        (r"\.five\.(\d)\.", _from_one(".branch5x5_")),
        (r"\.double3x3\.2\.wide\.", ".branch3x3dbl_3a."),
        (r"\.double3x3\.2\.tall\.", ".branch3x3dbl_3b."),
        (r"\.double3x3\.(\d)\.", _from_one(".branch3x3dbl_")),
        (r"\.three\.1\.wide\.", ".branch3x3_2a."),
        (r"\.three\.1\.tall\.", ".branch3x3_2b."),
        (r"\.three\.(\d)\.", _from_one(".branch3x3_")),
        (r"\.three\.", ".branch3x3."),
        (r"(?<=^Mixed_7a)\.seven\.(\d)\.", _from_one(".branch7x7x3_")),
        (r"\.seven\.(\d)\.", _from_one(".branch7x7_")),
        (r"\.double7x7\.(\d)\.", _from_one(".branch7x7dbl_")),
        (r"\.pool\.1\.", ".branch_pool."),
        (r"^aux\.", "AuxLogits."),
        *_COMMON,
    ),
    Input(), r"^AuxLogits\.",
)  # fmt: skip

GOOGLENET = Named(
    "torchvision", r"googlenet\.torchvision", r"^inception3a\.branch1\.conv\.weight",
    (
        (r"\.one\.", ".branch1."),
        (r"\.three\.", ".branch2."),
        (r"\.five\.", ".branch3."),
        (r"\.pool\.", ".branch4."),
        (r"^classifier\.", "fc."),
        *_COMMON,
    ),
    Input(),
)  # fmt: skip

_CAFFE_PARTS = {
    "one": "1x1", "three.0": "3x3_reduce", "three.1": "3x3", "five.0": "5x5_reduce", "five.1": "5x5",
    "pool.1": "pool_proj", "double3x3.0": "double_3x3_reduce", "double3x3.1": "double_3x3_1",
    "double3x3.2": "double_3x3_2",
}  # fmt: skip
_CAFFE_STEM = {"1": "7x7_s2", "2": "3x3_reduce", "3": "3x3"}
_CAFFE_NUMBER = {"1": "1", "2": "2", "3": "2"}  # our conv3 is the second convolution of Caffe's conv2

CAFFE_GOOGLENET = Named(
    "Caffe", r"googlenet\.paper", r"^inception_3a/1x1\.weight",
    (
        (r"^conv([123])\.", lambda m: f"conv{_CAFFE_NUMBER[m[1]]}/{_CAFFE_STEM[m[1]]}."),
        (r"^inception(\d[a-e])\.(one|\w+\.\d)\.", lambda m: f"inception_{m[1]}/{_CAFFE_PARTS[m[2]]}."),
        (r"^aux(\d)\.conv\.", r"loss\1/conv."),
        (r"^aux(\d)\.fc1\.", r"loss\1/fc."),
        (r"^aux(\d)\.fc2\.", r"loss\1/classifier."),
        (r"^classifier\.", "loss3/classifier."),
        (r"\.(conv|linear)\.", "."),
    ),
    Input(mean=(123 / 255, 117 / 255, 104 / 255), std=(1 / 255,), order="BGR"), r"^loss[12]/",
)  # fmt: skip

BN_INCEPTION = Named(
    "Cadene", "bn_inception.caffe", r"^inception_3a_double_3x3_2_bn\.weight",
    (
        (r"^conv([123])\.", lambda m: f"conv{_CAFFE_NUMBER[m[1]]}_{_CAFFE_STEM[m[1]]}."),
        (r"^inception(\d[a-e])\.(one|\w+\.\d)\.", lambda m: f"inception_{m[1]}_{_CAFFE_PARTS[m[2]]}."),
        (r"\.norm\.", "_bn."),
        (r"\.conv\.", "."),
        (r"^classifier\.linear\.", "last_linear."),
    ),
    Input(mean=(128 / 255, 117 / 255, 104 / 255), std=(1 / 255,), order="BGR"),
)  # fmt: skip

INCEPTION_V4 = Named(
    "timm or Cadene", "inception_v4", r"^features\.21\.branch2_3b\.conv\.weight",
    (
        (r"^conv([123])\.", _blocks("features.", 0)),
        (r"^mixed3a\.", "features.3."),
        (r"^mixed4a\.short", "features.4.branch0"),
        (r"^mixed4a\.long", "features.4.branch1"),
        (r"^mixed5a\.", "features.5."),
        (r"^(features\.[35])\.conv\.(conv|norm)", r"\1.conv.\2"),
        (r"^reduction_a\.three", "features.10.branch0"),
        (r"^reduction_a\.double3x3", "features.10.branch1"),
        (r"^reduction_b\.three", "features.18.branch0"),
        (r"^reduction_b\.seven", "features.18.branch1"),
        (r"^(c\d)\.three\.0\.", r"\1.branch1_0."),
        (r"^(c\d)\.three\.1\.wide\.", r"\1.branch1_1a."),
        (r"^(c\d)\.three\.1\.tall\.", r"\1.branch1_1b."),
        (r"^(c\d)\.double3x3\.3\.wide\.", r"\1.branch2_3a."),
        (r"^(c\d)\.double3x3\.3\.tall\.", r"\1.branch2_3b."),
        (r"^(c\d)\.double3x3\.(\d)\.", r"\1.branch2_\2."),
        (r"^a(\d)\.", _blocks("features.", 6)),
        (r"^b(\d)\.", _blocks("features.", 11)),
        (r"^c(\d)\.", _blocks("features.", 19)),
        (r"\.one\.", ".branch0."),
        (r"\.(three|seven)\.", ".branch1."),
        (r"\.(double3x3|double7x7)\.", ".branch2."),
        (r"\.pool\.", ".branch3."),
        (r"^fc\.", "last_linear."),
        *_COMMON,
    ),
    Input(),
)  # fmt: skip

_RESNET_BRANCHES: Rows = (
    (r"\.body\.linear\.conv\.", ".conv2d."),
    (r"\.body\.block\.one\.", ".branch0."),
    (r"\.body\.block\.(three|seven)\.", ".branch1."),
    (r"\.body\.block\.double3x3\.", ".branch2."),
)

INCEPTION_RESNET_V2 = Named(
    "timm or Cadene", "inception_resnet_v2", r"^repeat_1\.19\.conv2d\.weight",
    (
        (r"^conv(\d[ab])\.", r"conv2d_\1."),
        *((rf"^mixed5b\.{ours}", f"mixed_5b.branch{i}") for i, ours in enumerate(("one", "five", "double3x3", "pool"))),
        *((rf"^mixed6a\.{ours}", f"mixed_6a.branch{i}") for i, ours in enumerate(("three", "double3x3"))),
        *((rf"^mixed7a\.{ours}", f"mixed_7a.branch{i}") for i, ours in enumerate(("three", "second3x3", "double3x3"))),
        (r"^c10\.", "block8."),
        (r"^a(\d+)\.", _blocks("repeat.", 0)),
        (r"^b(\d+)\.", _blocks("repeat_1.", 0)),
        (r"^c(\d+)\.", _blocks("repeat_2.", 0)),
        *_RESNET_BRANCHES,
        (r"^fc\.", "classif."),
        *_COMMON,
    ),
    Input(),
)  # fmt: skip

_STEM_V1 = dict(zip("123456", ("1a", "2a", "2b", "3b", "4a", "4b"), strict=True))

FACENET = Named(
    "facenet-pytorch", "inception_resnet_v1.facenet", r"^repeat_2\.9\.conv2d\.weight",
    (
        (r"^conv(\d)\.", lambda m: f"conv2d_{_STEM_V1[m[1]]}."),
        *((rf"^reduction_a\.{ours}", f"mixed_6a.branch{i}") for i, ours in enumerate(("three", "double3x3"))),
        *(
            (rf"^reduction_b\.{ours}", f"mixed_7a.branch{i}")
            for i, ours in enumerate(("three", "second3x3", "double3x3"))
        ),
        (r"^c6\.", "block8."),
        (r"^a(\d+)\.", _blocks("repeat_1.", 0)),
        (r"^b(\d+)\.", _blocks("repeat_2.", 0)),
        (r"^c(\d+)\.", _blocks("repeat_3.", 0)),
        *_RESNET_BRANCHES,
        (r"^embedding\.conv\.", "last_linear."),
        (r"^embedding\.norm\.", "last_bn."),
        *_COMMON,
    ),
    Input(std=(128 / 255,)),
)  # fmt: skip

# The source counts ReLUs and norms in `rep`; ours holds a norm with its pointwise convolution.
_FIRST = {"0.": "0", "0.pointwise.norm": "1", "2.": "3", "2.pointwise.norm": "4"}
_OTHER = {"1.": "1", "1.pointwise.norm": "2", "3.": "4", "3.pointwise.norm": "5", "5.": "7", "5.pointwise.norm": "8"}


def _rep(match: re.Match[str]) -> str:
    places = _FIRST if match[1] == "1" else _OTHER
    place = places[f"{match[2]}.{match[3] or ''}"]
    return f"block{match[1]}.rep.{place}."


XCEPTION = Named(
    "timm or Cadene", r"xception\.", r"^block12\.rep\.1\.pointwise\.weight",
    (
        (r"^conv([12])\.conv\.", r"conv\1."),
        (r"^conv([12])\.norm\.", r"bn\1."),
        (r"^conv([34])\.pointwise\.norm\.", r"bn\1."),
        (r"^block(\d+)\.body\.(\d)\.(pointwise\.norm)?\.?", _rep),
        (r"\.depthwise\.conv\.", ".conv1."),
        (r"\.pointwise\.conv\.", ".pointwise."),
        (r"^(conv[34])\.depthwise\.", r"\1.conv1."),
        (r"\.skip\.conv\.", ".skip."),
        (r"\.skip\.norm\.", ".skipbn."),
        *_COMMON,
    ),
    Input(),
)  # fmt: skip


def _aligned(step: int) -> Put:
    """A convolution of a block at our positions 0, 1 (step 2) or 1, 2 after a ReLU (step 3): depthwise, pointwise."""

    def put(match: re.Match[str]) -> str:
        unit, place = divmod(int(match[2]), step)
        layer = "bn" if match[3] == "norm" else "conv"
        return f"{match[1]}.stack.conv{unit + 1}.{layer}_{('dw', 'pw')[place - (step - 2)]}."

    return put


ALIGNED = Named(
    "timm", r"xception\d\d$", r"^blocks\.0\.stack\.conv1\.bn_dw\.weight",
    (
        (r"^conv([12])\.", _blocks("stem.", 0)),
        (r"^block(\d+)\.", _blocks("blocks.", 0)),
        (r"^(blocks\.\d+)\.body\.(\d)\.(conv|norm)\.", _aligned(3)),
        (r"^(blocks\.\d+)\.(\d)\.(conv|norm)\.", _aligned(2)),
        (r"\.skip\.", ".shortcut."),
        (r"^fc\.", "head.fc."),
        *_COMMON,
    ),
)  # fmt: skip


def _preactivated(match: re.Match[str]) -> str:
    """Norm and ReLU stand between the separable convolutions: positions 0, 1, (2 norm), 4, 5, (6 norm), 8, 9."""
    place = int(match[2])
    if place % 4 == 2:
        return f"{match[1]}.stack.conv{place // 4 + 2}.norm."
    return f"{match[1]}.stack.conv{place // 4 + 1}.conv_{('dw', 'pw')[place % 4]}."


PREACTIVATED = Named(
    "timm", r"xception\d\dp", r"^blocks\.0\.stack\.conv2\.norm\.weight",
    (
        (r"^conv1\.norm\.", "stem.0.bn."),
        (r"^conv1\.", "stem.0."),
        (r"^conv2\.conv\.", "stem.1."),
        (r"^block(\d+)\.", _blocks("blocks.", 0)),
        (r"\.fork\.", "."),
        (r"^(blocks\.\d+)\.norm\.norm\.", r"\1.norm."),
        (r"^(blocks\.\d+)\.body\.(\d)\.(?:conv\.|norm\.)?", _preactivated),
        (r"\.skip\.conv\.", ".shortcut."),
        (r"^fc\.linear\.", "head.fc."),
    ),
)  # fmt: skip


def _next_block(match: re.Match[str]) -> str:
    """A block of a stage; all stages but the first begin with a norm and a convolution."""
    stage, block = int(match[1]) - 1, int(match[2])
    return f"stages.{stage}.blocks.{block - (2 if stage else 0)}."


INCEPTION_NEXT = Named(
    "timm or its authors", "inception_next", r"^stages\.0\.blocks\.0\.token_mixer\.dwconv_hw\.weight",
    (
        (r"^stem\.conv\.", "stem.0."),
        (r"^stem\.norm\.", "stem.1."),
        (r"^stage(\d)\.0\.(?!body)", _blocks("stages.", 0)),
        (r"^stages\.(\d)\.(?=[^.]*$)", r"stages.\1.downsample.0."),
        (r"^stage(\d)\.1\.conv\.", lambda m: f"stages.{int(m[1]) - 1}.downsample.1."),
        (r"^stage(\d)\.(\d+)\.(?=body)", _next_block),
        (r"\.body\.scale\.gamma$", ".gamma"),
        (r"\.body\.0\.0\.square\.conv\.", ".token_mixer.dwconv_hw."),
        (r"\.body\.0\.0\.wide\.conv\.", ".token_mixer.dwconv_w."),
        (r"\.body\.0\.0\.tall\.conv\.", ".token_mixer.dwconv_h."),
        (r"\.body\.0\.1\.", ".norm."),
        (r"\.body\.0\.2\.conv\.", ".mlp.fc1."),
        (r"\.body\.0\.3\.conv\.", ".mlp.fc2."),
        (r"^(fc\d)\.linear\.", r"head.\1."),
        (r"^norm\.norm\.", "head.norm."),
    ),
)  # fmt: skip

NAMED = (
    INCEPTION_V3, GOOGLENET, CAFFE_GOOGLENET, BN_INCEPTION, INCEPTION_V4, FACENET, INCEPTION_RESNET_V2, XCEPTION,
    ALIGNED, PREACTIVATED, INCEPTION_NEXT,
)  # fmt: skip
