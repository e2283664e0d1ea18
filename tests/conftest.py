"""What the tests share: real data where INCEPTIONLAB_DATA points to it, and one thread a worker."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "inceptionlab",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("inceptionlab")

torch.set_num_threads(1)  # for fixtures of modules too: runs are compared bit for bit, and threads change the last bit


def pytest_collection_modifyitems(items):
    """Without a GPU the tests that need one say so."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="there is no CUDA device"))


@pytest.fixture(autouse=True, scope="session")
def _a_cache_of_its_own(tmp_path_factory):
    """Decoded images and downloads go to a folder of the tests, never to the user's."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _a_seed():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; tests that need it are skipped without it."""
    folder = os.environ.get("INCEPTIONLAB_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("INCEPTIONLAB_DATA does not point to a folder of data sets")
    return Path(folder)


@pytest.fixture
def fashion() -> str:
    """The name of Fashion-MNIST where Debian's package has it."""
    if not Path("/usr/share/datasets/fashion-mnist").is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    return "fashion_mnist"
