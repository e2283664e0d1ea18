import pytest
import torch

from inceptionlab import build, get_spec
from inceptionlab.optimization.exactness import exact
from inceptionlab.optimization.merging import Fused

MODELS = ["small_fast", "inception_v3", "inception_resnet_v1.facenet", "googlenet.bn"]


@pytest.mark.parametrize("name", MODELS)
def test_merged_siblings_give_the_same_logits(name):
    spec = get_spec(name).without_aux().resized(96).with_classes(5) if "small" not in name else get_spec(name)
    plain = build(spec).double().eval()
    x = torch.randn(2, *plain.spec.input.shape).double()
    assert torch.allclose(plain(x), exact(plain, ("folded_norm", "merged"))(x), rtol=1e-6)


def test_siblings_are_merged_where_branches_open_with_1x1_convolutions():
    merged = exact(build(get_spec("googlenet.bn").resized(64)))
    assert sum(isinstance(module, Fused) for module in merged.modules()) == 9  # its nine modules


def test_a_checkpointed_node_keeps_its_numbers():
    spec = get_spec("inception_net")
    plain, checkpointed = build(spec), build(spec, grad_checkpoint="inception*")
    checkpointed.load_state_dict(plain.state_dict())
    x = torch.randn(2, *spec.input.shape)
    assert torch.allclose(plain(x), checkpointed(x), rtol=1e-4, atol=1e-5)


def test_attention_on_branches_is_left_alone():
    plain = build(get_spec("small_fast | attend(se, where=branch)")).eval()
    x = torch.randn(2, *plain.spec.input.shape)
    assert torch.allclose(plain(x), exact(plain)(x), rtol=1e-4, atol=1e-5)
