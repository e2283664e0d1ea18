"""What a wheel must do in an environment that holds nothing else: `python smoke.py`, away from the sources."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch

import inceptionlab as il


def main() -> None:
    """Build, train, test, predict, and the commands."""
    assert "site-packages" in il.__file__, f"{il.__file__} is not the wheel's"
    assert all(getattr(il, name) is not None for name in il.__all__)
    assert il.create_model("inception_v3", num_classes=10, input_size=32).eval()(torch.zeros(1, 3, 32, 32)).shape == (
        1,
        10,
    )
    command = [str(Path(sys.executable).with_name("inceptionlab"))]
    with tempfile.TemporaryDirectory() as folder:
        run = str(Path(folder) / "run")
        train = ["train", "inception_net | small_stem(32) | norm(batch) | widen(0.5)", "digits", "--epochs", "1"]
        for words in (
            ["--version"],
            ["list"],
            ["show", "inception_v4"],
            ["recipes"],
            ["help", "studies"],
            [*train, "--out", run],
        ):
            subprocess.run([*command, *words], check=True, stdout=subprocess.DEVNULL)
        assert (Path(run) / "report.html").exists()
    print(f"inceptionlab {version('inceptionlab')} works from its wheel on Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
