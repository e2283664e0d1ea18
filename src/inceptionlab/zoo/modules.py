"""The modules of a tutorial on Inception as blocks for any input: `v1`, `v2`, `asymmetric`, `bn` and `resnet`.

The form "literal" is the module as printed there: biased convolutions without activations, one branch where it shows
one. The form "complete" adds what it leaves out: activations, the other branches, and the concatenation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from inceptionlab.errors import SpecError, nearest
from inceptionlab.spec.nodes import STREAM, Concat, Conv, Node, Pool, Residual, Seq

Form = Literal["literal", "complete"]


def v1(form: Form = "literal") -> Node:
    """`BasicInception`: 1x1, 3x3, 5x5 and pool branches, 256 channels out."""
    conv = _convs(form)
    return Concat(
        one=conv(64),
        three=Seq(conv(96), conv(128, 3)),
        five=Seq(conv(16), conv(32, 5)),
        pool=Seq(Pool("max"), conv(32)),
    )


def v2(form: Form = "literal") -> Node:
    """`FactorizedInception`: the 5x5 as two 3x3 (96 channels out); complete, the v1 module around it."""
    conv = _convs(form)
    double = Seq(conv(64), conv(96, 3), conv(96, 3))
    return double if form == "literal" else _around(conv, double3x3=double)


def asymmetric(form: Form = "literal") -> Node:
    """`AsymmetricInception`: a 7x7 as 1x7 and 7x1, then 3x3 (96 channels out); complete, the v1 module around it."""
    conv = _convs(form)
    seven = Seq(conv(64), conv(64, (1, 7)), conv(64, (7, 1)), conv(96, 3))
    return seven if form == "literal" else _around(conv, seven=seven)


def bn(form: Form = "literal") -> Node:
    """`BNInception`: 1x1 and 3x3 with batch norm and ReLU (96 channels out); complete, the v1 module around it."""
    conv = partial(Conv, bias=True)
    three = Seq(conv(64), conv(96, 3))
    if form == "literal":
        return three
    return Concat(one=conv(64), three=three, five=Seq(conv(16), conv(32, 5)), pool=Seq(Pool("max"), conv(32)))


def resnet(form: Form = "literal", scale: float = 0.1) -> Node:
    """`InceptionResNet`: x + scale * linear(three branches of 32); complete, with ReLUs."""
    conv = _convs(form)
    block = Concat(one=conv(32), three=Seq(conv(32), conv(32, 3)), five=Seq(conv(32), conv(32, 3), conv(32, 3)))
    body = Seq(block=block, linear=Conv(STREAM, norm=None, act=None))
    return Residual(body, scale, act=None if form == "literal" else "relu")


BLOCKS: dict[str, Callable[..., Node]] = {"v1": v1, "v2": v2, "asymmetric": asymmetric, "bn": bn, "resnet": resnet}


def get_block(version: str, **options: Any) -> Node:
    """The spec of a module by the name that the tutorial's factory knows. Raises `SpecError` for an unknown one."""
    if version not in BLOCKS:
        raise SpecError(f"no Inception module is called {version!r}; {nearest(version, BLOCKS)}")
    try:
        return BLOCKS[version](**options)
    except TypeError as error:
        raise SpecError(f"the module {version!r}: {error}") from None


def _convs(form: Form) -> Callable[..., Conv]:
    if form not in ("literal", "complete"):
        raise SpecError(f"form={form!r}: known are 'literal' and 'complete'")
    return partial(Conv, norm=None, act=None if form == "literal" else "relu")


def _around(conv: Callable[..., Conv], **branch: Node) -> Node:
    return Concat(
        one=conv(64), three=Seq(conv(96), conv(128, 3)), **branch, pool=Seq(Pool("max"), conv(32)), stochastic_depth=0.0
    )
