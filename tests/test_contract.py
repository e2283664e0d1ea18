"""One output contract: a tensor, in training, evaluation, torch.export, torch.compile and DistributedDataParallel."""

import subprocess
import sys

import pytest
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from inceptionlab import build
from inceptionlab.zoo.configure import configured

FORMS = [
    "googlenet", "googlenet.paper", "bn_inception", "bn_inception.tf_slim", "inception_v2", "inception_v3",
    "inception_v4", "inception_resnet_v1", "inception_resnet_v2", "xception", "xception.keras", "xception41p",
    "inception_next_atto", "small_v3", "small_resnet",
]  # fmt: skip


@pytest.fixture(params=FORMS)
def model(request):
    torch.manual_seed(0)
    return build(configured(f"{request.param} | widen(0.125)", 3, None, 80, aux=True))


def test_a_tensor_in_training_in_evaluation_and_exported(model):
    x = torch.randn(2, 3, 80, 80)
    assert model.train()(x).shape == (2, 3)
    expected = model.eval()(x)
    logits, aux = model.forward_with_aux(x)
    torch.testing.assert_close(logits, expected)
    assert set(aux) == {head.name for head in model.spec.aux}
    assert all(y.shape == (2, 3) for y in aux.values())
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: batch},))
    torch.testing.assert_close(program.module()(x[:1]), expected[:1], rtol=1e-4, atol=1e-5)


COMPILED = """
import sys, torch
from inceptionlab import build
from inceptionlab.zoo.configure import configured
torch.manual_seed(0)
model = build(configured(f"{sys.argv[1]} | widen(0.125)", 3, None, 80, aux=True))
x = torch.randn(2, 3, 80, 80)
compiled = torch.compile(model.eval(), backend="aot_eager", fullgraph=True)
torch.testing.assert_close(compiled(x), model(x), rtol=1e-4, atol=1e-5)
"""


@pytest.mark.parametrize("name", ["googlenet", "small_resnet", "inception_next_atto"])
def test_compiling_breaks_no_graph(name):
    """In a process of its own, in which shapes are not checked: that would break the graph."""
    done = subprocess.run([sys.executable, "-c", COMPILED, name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", ["inception_v3"], indirect=True)
def test_distributed_data_parallel_gives_the_tensor(model, tmp_path):
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        parallel = DistributedDataParallel(model, find_unused_parameters=True)
        logits = parallel(torch.randn(2, 3, 80, 80))
        assert logits.shape == (2, 3)
        logits.sum().backward()
    finally:
        distributed.destroy_process_group()
