import os
import pickle
from contextlib import nullcontext

import pytest
import torch

from inceptionlab import RunError, SpecError, get_spec
from inceptionlab.benchmarking.apart import Apart

CPU = torch.device("cpu")


def filling(mebibytes):
    return lambda: torch.ones(mebibytes << 18)


def failing(where, error):
    if where == "making":
        raise error

    def work():
        if where == "leaving":
            os._exit(1)
        raise error

    return work


def test_work_is_done_in_another_process():
    apart = Apart(filling, nullcontext, CPU, mebibytes=64)
    apart.run()
    found = apart.peak()
    assert found is None or 60 << 20 < found < 100 << 20
    apart.close()
    assert not apart.process.is_alive()


def test_what_goes_wrong_there_is_told_here():
    with pytest.raises(SpecError, match="no such rule"):
        Apart(failing, nullcontext, CPU, where="making", error=SpecError("no such rule"))
    broken = Apart(failing, nullcontext, CPU, where="working", error=ValueError("a shape"))
    with pytest.raises(RunError, match=r"failed: ValueError\('a shape'\)"):
        broken.run()
    gone = Apart(failing, nullcontext, CPU, where="leaving", error=None)
    with pytest.raises(RunError, match="has ended by itself"):
        gone.run()
    for apart in (broken, gone):
        apart.close()


def test_networks_travel_to_other_processes():
    for name in ("inception_v3", "inception_next_tiny", "googlenet.bn | widen(0.5)"):
        assert pickle.loads(pickle.dumps(get_spec(name))) == get_spec(name)
