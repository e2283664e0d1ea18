import pytest
import torch
from torch.nn import functional as F

from inceptionlab import build, get_spec

MODELS = ["small_fast", "inception_v3", "inception_resnet_v1.facenet", "googlenet.bn"]


def pair(name):
    spec = get_spec(name).without_aux().resized(96).with_classes(5) if "small" not in name else get_spec(name)
    plain, merged = build(spec), build(spec, siblings=True)
    merged.load_state_dict(plain.state_dict())  # the keys are the same, one way
    plain.load_state_dict(merged.state_dict())  # and the other
    return plain, merged


@pytest.mark.parametrize("name", MODELS)
def test_merged_siblings_give_the_same_logits_and_gradients(name):
    plain, merged = (network.double().train() for network in pair(name))
    x, labels = torch.randn(2, *plain.spec.input.shape).double(), torch.tensor([0, 1])
    for network in (plain, merged):
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        F.cross_entropy(network(x), labels).backward()
    for (key, a), b in zip(plain.named_parameters(), merged.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-5, atol=1e-5 * float(a.grad.abs().max()) + 1e-12), key
    for (key, a), b in zip(plain.named_buffers(), merged.buffers(), strict=True):
        assert torch.allclose(a, b), key
    plain.eval(), merged.eval()
    assert torch.allclose(plain(x), merged(x), rtol=1e-6)


def test_siblings_are_merged_where_branches_open_with_1x1_convolutions():
    from inceptionlab.nn.siblings import together

    merged = build(get_spec("googlenet.bn").resized(64), siblings=True)
    assert sum(getattr(module, "run_", None) is together for module in merged.modules()) == 9  # its nine modules


def test_a_checkpointed_node_keeps_its_numbers():
    spec = get_spec("inception_net")
    plain, merged = build(spec), build(spec, siblings=True, checkpoint="inception*")
    merged.load_state_dict(plain.state_dict())
    x = torch.randn(2, *spec.input.shape)
    assert torch.allclose(plain(x), merged(x), rtol=1e-4, atol=1e-5)


def test_attention_on_branches_is_left_alone():
    spec = get_spec("small_fast | attend(se, where=branch)")
    plain, merged = build(spec), build(spec, siblings=True)
    merged.load_state_dict(plain.state_dict())
    x = torch.randn(2, *spec.input.shape)
    assert torch.allclose(plain.eval()(x), merged.eval()(x), rtol=1e-4, atol=1e-5)
