import ast
import subprocess
import sys
from pathlib import Path

import pytest

import inceptionlab

pytest.importorskip("resource")
STEPS = """
import resource, torch
from contextlib import nullcontext
from pathlib import Path
from inceptionlab.training.allocation import freed_at_once, launched, pages_kept

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20

def work():
    a, b = torch.ones(48 << 18), torch.ones(24 << 18)  # 48 and 24 MiB
    return float(a[0] + b[0])

with {within}:
    work()
    before, faults = resident(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults, resident())
print(resident())
"""


@pytest.fixture
def told(request):
    """(faults of the second piece of work, MiB after it, MiB at the end) in a process of its own."""
    if sys.platform != "linux":
        pytest.skip("counts pages as Linux does")

    def run(within):
        program = STEPS.replace("{within}", within)
        return list(map(int, subprocess.check_output([sys.executable, "-c", program], text=True).split()))

    return run


def test_pages_that_are_kept_are_not_asked_for_again_and_go_back_at_the_end(told):
    faults, within, end = told("pages_kept()")
    usual, _, _ = told("nullcontext()")
    assert faults < 500 < usual  # 72 MiB are 18,432 pages of 4 KiB
    assert end < within - 60


def test_what_is_freed_at_once_is_not_resident(told):
    _, freed, _ = told("freed_at_once()")
    _, kept, _ = told("pages_kept()")
    assert freed < kept - 60


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_command_may_leave_the_heap_as_it_is(told, monkeypatch, checkpointing):
    within = f"launched({checkpointing})"
    faults, _, _ = told(within)
    monkeypatch.setenv("INCEPTIONLAB_KEEP_PAGES", "0")
    usual, _, _ = told(within)
    assert usual > 500
    assert checkpointing or faults < 500


def test_no_function_of_the_library_sets_the_heap():
    """Commands do, and modules whose code runs in processes of their own."""
    root = Path(inceptionlab.__file__).parent
    importing = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "inceptionlab.training.allocation"
    }
    assert all(name.startswith("cli/") for name in importing - {"benchmarking/candidates.py", "studies/engines.py"})
