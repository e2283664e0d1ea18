"""The vocabulary: a network is one value. Nothing here imports torch."""

from inceptionlab.spec.network import Aux, Input, Network
from inceptionlab.spec.nodes import (
    ACTS,
    CLASSES,
    LRN,
    NODES,
    STREAM,
    Act,
    ActKind,
    Attention,
    Block,
    Branches,
    Children,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    Ghost,
    Linear,
    Node,
    Norm,
    NormKind,
    Padding,
    Pool,
    Product,
    Residual,
    Seq,
    Size,
    Split,
    Sum,
    as_norm,
    pair,
)  # fmt: skip

__all__ = [
    "Network", "Input", "Aux",
    "Conv", "Depthwise", "Ghost", "Pool", "Norm", "Act", "Dropout", "LRN", "Attention", "Linear", "Block", "Seq",
    "Branches", "Concat", "Sum", "Product", "Split", "Residual", "Node", "NODES", "Children", "STREAM", "CLASSES",
    "ACTS", "Size", "Padding", "NormKind", "ActKind", "pair", "as_norm",
]  # fmt: skip
