"""Rules: ablations as functions from a tree to a tree.

A rule is data: the name of a function and its arguments. It composes with `|` (left first), and its text,
`residual(0.1) | attend(cbam)`, is read back by `parse_rule` as the same rule. On a `Network` a rule changes the body,
unless it says otherwise. A rule that changes nothing is refused, so that no study compares a network with itself under
another name.
"""

from inceptionlab.rules.blocks import (
    PLACES,
    Place,
    attend,
    fuse,
    rescale,
    residual,
    stochastic_depth,
    unreduced,
    without_branch,
)
from inceptionlab.rules.convolutions import (
    activation,
    asymmetric,
    batch_norm,
    dilate,
    factorize,
    ghost,
    norm,
    separable,
    widen,
)
from inceptionlab.rules.networks import aux_after, dropout, replace, small_stem, whitened
from inceptionlab.rules.rule import Rule
from inceptionlab.rules.strides import output_stride
from inceptionlab.rules.written import parse_rule

__all__ = [
    "Rule", "parse_rule", "without_branch", "factorize", "asymmetric", "residual", "rescale", "unreduced", "attend",
    "fuse", "dilate", "ghost", "separable", "norm", "batch_norm", "activation", "widen", "stochastic_depth", "dropout",
    "aux_after", "output_stride", "small_stem", "whitened", "replace", "Place", "PLACES",
]  # fmt: skip
