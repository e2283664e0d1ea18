import random
import signal
import subprocess
import sys
import time

import torch

from inceptionlab.data.registry import digits
from inceptionlab.runs.options import Machine
from inceptionlab.runs.testing import train
from inceptionlab.training import state as state_files
from tests.training.test_run import QUIET, SCRIPT, SETUP, curve, same, weights

KILLS = 20


def test_twenty_kills_at_random_moments_change_nothing(tmp_path):
    """Each process is killed at some moment after its first step: in a step, while a state is written, at an epoch's
    end; now and then its newest state is cut off too.
    """
    torch.set_num_threads(1)
    chance, whole, killed = random.Random(0), tmp_path / "whole", tmp_path / "killed"
    train(SETUP, whole, Machine("cpu"), QUIET, digits())
    for kill in range(KILLS):
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(killed)], stdout=subprocess.PIPE, text=True)
        with process:
            if not process.stdout.readline():
                break  # it was done before this kill
            time.sleep(chance.uniform(0, 0.08))
            process.send_signal(signal.SIGKILL)
        if (killed / "test.json").exists():
            break  # the kill came after the end; a finished run reads no state, so a cut-off one would stay
        states = sorted((killed / "state").glob("*.pt"))
        if kill % 5 == 4 and len(states) > 1:
            states[-1].write_bytes(states[-1].read_bytes()[:1000])
    if not (killed / "test.json").exists():
        train(SETUP, killed, Machine("cpu"), QUIET, digits())
    assert curve(killed) == curve(whole)
    assert same(weights(killed), weights(whole))
    assert (killed / "metrics.jsonl").read_text().count("\n") == SETUP.recipe.epochs
    state, problems = state_files.load_state(killed / "state")
    assert state is not None
    assert problems == []
