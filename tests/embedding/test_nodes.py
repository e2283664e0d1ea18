"""The features of every kind of node, compared with what a hook sees in the plain network."""

import pytest
import torch

from inceptionlab import SpecError, build, create_model, get_spec
from inceptionlab.embedding.nodes import at_node, usual_node
from inceptionlab.spec import Conv, Dropout, Linear, Network, Residual, Seq
from inceptionlab.spec.nodes import CLASSES
from inceptionlab.spec.tree import find, walk

NETWORKS = [
    "small_resnet | widen(0.25) | stochastic_depth(0.2)", "inception_next_atto | widen(0.125)",
    "googlenet.torchvision | widen(0.125)", "small_fast | fuse(sum)",
]  # fmt: skip


def address(spec, path):
    """Where the module of a node stands: behind a layer scale, or beside what drops paths, a body is body.0."""
    parts, real = path.split("."), []
    for i, part in enumerate(parts):
        real.append(part)
        above = find(spec, ".".join(parts[:i])) if i else None
        if isinstance(above, Residual) and part == "body" and (above.gamma is not None or above.stochastic_depth):
            real.append("0")
    return ".".join(real)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_what_the_network_computes_there(name):
    spec = get_spec(name)
    network, seen = build(spec, seed=0).eval(), {}
    paths = sorted(path for path, _ in walk(spec))[::9] + [aux.name for aux in spec.aux]
    for path in paths:
        module = network.get_submodule(address(spec, path))
        module.register_forward_hook(lambda _, __, out, path=path: seen.setdefault(path, out.clone()))
    x = torch.randn(2, *spec.input.shape)
    with torch.no_grad():
        network.forward_with_aux(x)
        wanted = {path: y.mean((2, 3)) if y.ndim == 4 else y for path, y in seen.items()}
        assert wanted.keys() == set(paths)
        for path, y in wanted.items():
            torch.testing.assert_close(at_node(network, path)(x), y)


@pytest.mark.parametrize(
    ("name", "node"),
    [("inception_v3", "avgpool"), ("inception_next_tiny", "norm"), ("dilated_cnn", "fc1"), ("small_v1", "avgpool"),
     ("inception_resnet_v1.facenet", "embedding")],
)  # fmt: skip
def test_the_usual_node_is_what_the_classifier_reads(name, node):
    assert usual_node(get_spec(name)) == node


@pytest.mark.parametrize("name", ["inception_next_atto | widen(0.25)", "dilated_cnn | widen(0.25)", "small_fast"])
def test_the_usual_features_are_those_of_a_network_without_classes(name):
    network = build(get_spec(name), seed=0).eval()
    bare = build(network.spec.with_classes(0), init=None).eval()
    bare.load_state_dict({key: value for key, value in network.state_dict().items() if key in bare.state_dict()})
    x = torch.randn(2, *network.spec.input.shape)
    with torch.no_grad():
        torch.testing.assert_close(at_node(network, usual_node(network.spec))(x), bare(x))


def test_facenets_embedding_lies_on_the_sphere():
    network = build(get_spec("inception_resnet_v1.facenet | widen(0.125)"), seed=0)
    bare = build(network.spec.with_classes(0), init=None).eval()
    bare.load_state_dict({key: value for key, value in network.state_dict().items() if key in bare.state_dict()})
    x = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        found, raw = at_node(network.eval(), "embedding")(x), bare(x)
    torch.testing.assert_close(found, raw / raw.norm(dim=1, keepdim=True))


def test_maps_are_averaged_once():
    """OpenVINO 2026.4 computes a global pool at the end of a network in 8 bits wrongly, and a mean rightly."""
    kinds = [type(module).__name__ for module in at_node(create_model("small_fast"), "avgpool").children()]
    assert kinds[-2:] == ["Concat", "Pooled"]


def test_networks_without_a_classifier_of_their_own():
    body = Seq(a=Conv(4), b=Conv(8))
    assert usual_node(Network("own", Seq(), body, Seq())) == "b"
    nested = Seq(top=Seq(Conv(3), Dropout(0.5), Linear(CLASSES)))
    assert usual_node(Network("own", Seq(), body, nested)) == "top.0"
    assert usual_node(Network("own", Seq(), body, Seq(fc=Linear(CLASSES)))) == "b"
    with pytest.raises(SpecError, match="nothing before a classifier"):
        usual_node(Network("own", Seq(a=Conv(4)), Seq(), Seq()))


def test_an_unknown_node_is_refused_with_the_nearest():
    with pytest.raises(SpecError, match="no node stands at 'module33'; did you mean"):
        at_node(create_model("small_fast"), "module33")
