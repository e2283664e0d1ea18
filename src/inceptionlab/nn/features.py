"""A network as the backbone of another: its maps at every stride, without its head."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn

from inceptionlab.analysis.geometry import measure
from inceptionlab.errors import SpecError
from inceptionlab.nn.building import InceptionNetwork, build
from inceptionlab.rules import output_stride as with_output_stride
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Seq


class FeatureNetwork(nn.Module):
    """The last map of a network at each stride, finest first.

    `names` are the nodes that give them, `channels` their widths, `strides` how many pixels of the image a step is.
    The keys of its state are those of the whole network, whose weights load with `strict=False`.
    """

    def __init__(self, network: InceptionNetwork) -> None:
        super().__init__()
        stages = measure(network.spec).stages()
        self.spec, self.top_level = network.spec, network.top_level
        self.names = tuple(row.path for row in stages.values())
        self.channels = tuple(row.output[0] for row in stages.values())
        self.strides = tuple(stages)
        for name in self.top_level:
            self.add_module(name, network.get_submodule(name))

    def forward(self, x: Float[Tensor, "b c h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """The maps of images."""
        maps: list[Tensor] = []
        for name in self.top_level:
            x = self.get_submodule(name)(x)
            if name in self.names:
                maps.append(x)
        return maps


def backbone(spec: Network, output_stride: int | None = None) -> FeatureNetwork:
    """The maps of a network with initial weights. Raises what `create_features` does."""
    if not spec.body.children:
        raise SpecError(f"{spec.name} has no body that could give features")
    spec = replace(spec, head=Seq(), aux=())
    spec = spec if output_stride is None else with_output_stride(output_stride)(spec)
    return FeatureNetwork(build(spec))
