import os
import pickle
from contextlib import nullcontext

import pytest
import torch

from inceptionlab import SpecError, get_spec
from inceptionlab.benchmarking.child import ChildProcess
from inceptionlab.errors import MeasurementError

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
    child = ChildProcess(filling, nullcontext, CPU, mebibytes=64)
    child.run()
    found = child.peak()
    assert found is None or 60 << 20 < found < 100 << 20
    child.close()
    assert not child.process.is_alive()


def test_what_goes_wrong_there_is_told_here():
    with pytest.raises(SpecError, match="no such rule"):
        ChildProcess(failing, nullcontext, CPU, where="making", error=SpecError("no such rule"))
    broken = ChildProcess(failing, nullcontext, CPU, where="working", error=ValueError("a shape"))
    with pytest.raises(MeasurementError, match=r"failed: ValueError\('a shape'\)"):
        broken.run()
    gone = ChildProcess(failing, nullcontext, CPU, where="leaving", error=None)
    with pytest.raises(MeasurementError, match="has ended by itself"):
        gone.run()
    for child in (broken, gone):
        child.close()


def test_networks_travel_to_other_processes():
    for name in ("inception_v3", "inception_next_tiny", "googlenet.bn | widen(0.5)"):
        assert pickle.loads(pickle.dumps(get_spec(name))) == get_spec(name)
