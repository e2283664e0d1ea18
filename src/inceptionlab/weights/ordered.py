"""Sources whose layers are ours in order: pytorchcv, TF-slim, Keras. Names here come after a reader's `rows`."""

from __future__ import annotations

from inceptionlab.spec.network import IMAGENET_MEAN, IMAGENET_STD, Input
from inceptionlab.weights.scheme import Ordered, Rows

# ---- pytorchcv counts stages, units, branches and convolutions; what is computed first must also sort first.
_CV_ROWS: Rows = (
    (r"^features\.init_block\.block", "0.z"),
    (r"^features\.init_block\.", "0."),
    (r"^features\.stage", "1."),
    (r"^features\.final_block\.", "2."),
    (r"^output\.bn\.", "output.fc1norm."),
    (r"^output\.(?=fc1)", "3."),
    (r"^output\.(fc2\.)?", "zz."),
    (r"\.bn\.", ".norm."),
    (r"\.conv_list\.", ".chain."),
    (r"\.conv\.dw_conv\.", ".conv1."),
    (r"\.conv\.pw_conv\.", ".conv2."),
    (r"\.identity_conv\.", ".skip."),
)
_CV_INPUT = Input(mean=IMAGENET_MEAN, std=IMAGENET_STD)


def _pytorchcv(member: str, mark: str) -> Ordered:
    return Ordered("pytorchcv", member, mark, _CV_ROWS, _CV_INPUT)


# ---- TF-slim names a layer by its scope; blocks that repeat are put between the modules around them.
_SLIM_ROWS: Rows = (
    (r"^Inception(V\d|ResnetV\d)\.", ""),
    (r"^(Aux)?Logits\.", lambda m: "aux." if m[1] else "zz."),
    (r"^Repeat\.", "Mixed_5z."),
    (r"^Repeat_1\.", "Mixed_6z."),
    (r"^Repeat_2\.", "Mixed_7x."),
    (r"^Block8\.", "Mixed_7y."),
    (r"^Conv2d_7b_1x1\.", "Mixed_7z."),
    (r"^Bottleneck\.", "Mixed_8."),
    (r"^aux\.Aux_logits\.", "aux.z."),
    (r"^(Conv2d_1a_7x7)\.bias$", r"\1.pointwise.bias"),
)


def _slim(member: str, scope: str, mark: str, input: Input | None = None) -> Ordered:
    return Ordered("TF-slim", member, rf"^{scope}\.{mark}", _SLIM_ROWS, input or Input())


# ---- Keras numbers the layers without a name in the order of their creation, which is that of torchvision.
_KERAS_ROWS: Rows = (
    (r"^predictions\.", "zz."),
    (r"^conv2d(?:_(\d+))?\.", lambda m: f"{m[1] or 0}.conv."),
    (r"^batch_normalization(?:_(\d+))?\.", lambda m: f"{m[1] or 0}.norm."),
    (r"^block35_", "block1_"),
    (r"^block17_", "block2_"),
    (r"^block8_", "block3_"),
    (r"^conv_7b_bn\.", "conv_7b.norm."),
)
_CLASSIFIER = (r"^zz", r"^(fc|classifier|logits)\.")

KERAS_V3 = Ordered(
    "Keras", "inception_v3", r"^conv2d(_\d+)?\.weight",
    _KERAS_ROWS, Input(), marked=94, groups=(_CLASSIFIER, ("", "^(?!aux)")),
)  # fmt: skip
KERAS_RESNET_V2 = Ordered(
    "Keras", "inception_resnet_v2", r"^block35_10_conv\.",
    _KERAS_ROWS, Input(),
    groups=(_CLASSIFIER, ("^block", r"\.body\.linear\."), ("^conv_7b", "^conv7b"), ("", "^(?!aux)")),
)  # fmt: skip
KERAS_XCEPTION = Ordered(
    "Keras", r"xception\.", r"^block14_sepconv2\.",
    _KERAS_ROWS[:3], Input(), groups=(_CLASSIFIER, (r"^\d", r"\.skip\."), ("", "")),
)  # fmt: skip

ORDERED = (
    _pytorchcv("bn_inception.caffe", r"^features\.init_block\.conv2\.conv2\.conv\.weight"),
    _pytorchcv("inception_resnet_v1.facenet", r"^output\.fc1\.weight"),
    _pytorchcv("inception_resnet_v2", r"^features\.stage2\.unit21\.conv\.weight"),
    _pytorchcv("inception_v4", r"^features\.init_block\.block3\.branches"),
    _pytorchcv("inception_v3", r"^features\.stage2\.unit5\.branches\.branch3\.conv_list\.conv5\."),
    _pytorchcv(r"xception\.", r"^features\.stage4\.unit1\.identity_conv|^features\.final_block\.conv2\.conv\.dw_conv"),
    _slim("googlenet.tf_slim", "InceptionV1", "Mixed_5c"),
    _slim("bn_inception.tf_slim", "InceptionV2", "Mixed_5c"),
    _slim("inception_v3", "InceptionV3", "Mixed_7c"),
    _slim("inception_v4", "InceptionV4", "Mixed_7d"),
    _slim("inception_resnet_v2", "InceptionResnetV2", "Block8"),
    _slim("inception_resnet_v1.facenet", "InceptionResnetV1", "Block8", Input(std=(128 / 255,))),
    KERAS_RESNET_V2, KERAS_V3, KERAS_XCEPTION,
)  # fmt: skip
