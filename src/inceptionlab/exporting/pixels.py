"""Networks that take pixels from 0 to 255 instead of normalised values, so that nobody can prepare them wrongly."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.data.preprocess import Preprocess
from inceptionlab.data.preprocess import normalised as normalise
from inceptionlab.exporting.engines import Engine, Runner
from inceptionlab.nn.layers.branches import Chain
from inceptionlab.optimization.rewrites import put_before
from inceptionlab.spec.network import Input


class Normalised(nn.Module):
    """Pixels `b c h w` from 0 to 255 in the order R, G, B, normalised as a network's input says; `pixels` is its
    inverse.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, taken: Input) -> None:
        super().__init__()
        mean, std = Preprocess(taken).mean_and_std()
        self.register_buffer("mean", mean.clone())
        self.register_buffer("std", std.clone())
        self.turned = Preprocess(taken).turned

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Subtract the mean, divide by the deviation, turn the planes round where the network wants that."""
        return normalise(x, self.mean, self.std, self.turned)

    def pixels(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The pixels that `forward` makes `x` of, to rounding."""
        return (x.flip(1) if self.turned else x) * self.std + self.mean


def normalised(engine: Engine) -> Runner:
    """What runs an engine on normalised images, whether it takes those or pixels."""
    if engine.takes == "normalised" or engine.about is None:
        return engine.run
    inverse = Normalised(engine.about.input).pixels
    return lambda x: engine.run(inverse(x))


def taking_pixels(network: nn.Module, taken: Input) -> nn.Module:
    """A network of folded modules (`exact`), changed in place, that takes pixels. The normalisation goes into its first
    convolution where that pads nothing; where it pads, zeros would stand for another colour, and it stays a step.
    """
    step = Normalised(taken)
    scale, shift = (1 / step.std.double()).flatten(), (-step.mean.double() / step.std.double()).flatten()
    if not step.turned and put_before(network, scale, shift):
        return network
    return Chain({"normalised": step, "network": network})
