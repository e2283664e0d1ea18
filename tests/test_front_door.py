"""`import inceptionlab` gives what the commands do."""

import inspect
import subprocess
import sys

import pytest

import inceptionlab as il


def test_importing_waits_for_nothing():
    heavy = ("torch", "numpy", "matplotlib", "sklearn", "scipy", "PIL", "msgspec")
    script = f"import inceptionlab, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_names_are_listed_and_the_version_is_known():
    assert set(il.__all__) <= set(dir(il))
    assert il.__version__.count(".") == 2
    assert il.rules.residual(0.1) == il.parse_rule("residual(0.1)")
    assert il.spec.Conv(3).out == 3


@pytest.mark.parametrize("name", il.__all__)
def test_every_public_name_is_documented(name):
    found = getattr(il, name)
    assert inspect.getdoc(found)
    if inspect.isfunction(found):
        assert "return" in found.__annotations__
        parameters = inspect.signature(found).parameters
        assert all(p.annotation is not inspect.Parameter.empty for p in parameters.values()), name


def test_every_command_is_a_function():
    names = "fit test train evaluate predict optimize export load_engine study check_data benchmark load_data recipe"
    for name in f"{names} build measure explain diff draw code".split():
        assert callable(getattr(il, name))
