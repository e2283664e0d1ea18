"""How long training waits for its first batch from a folder of 50,000 photographs, at the first start and the next.

The photographs are links to those of a real folder (INCEPTIONLAB_DATA/hymenoptera), 500 pixels wide. Run it alone:

    INCEPTIONLAB_DATA=path/to/data python benchmarks/folder_start.py
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CODE = """
import sys, time, torch
from pathlib import Path
began = time.perf_counter()
from inceptionlab.data.batches import batch_sizes, train_batches
from inceptionlab.data.registry import load_data
from inceptionlab.spec.network import Input
imported = time.perf_counter()
data = load_data(sys.argv[1], Input(3, 224, 224))
listed = time.perf_counter()
next(iter(train_batches(data.train, batch_sizes(len(data.train), 128), 0, 0)))
first = time.perf_counter()
print(f"{len(data.train):,},{listed - imported:.2f},{first - imported:.2f}")
"""


def linked(source: Path, folder: Path, count: int) -> None:
    """A folder of two classes with links to the photographs of `source`, in turn."""
    for name in ("ants", "bees"):
        (folder / "train" / name).mkdir(parents=True)
        (folder / "val" / name).mkdir(parents=True)
        files = sorted((source / "train" / name).glob("*.jpg"))
        for i in range(count // 2):
            os.symlink(files[i % len(files)], folder / "train" / name / f"{i:06}.jpg")
        os.symlink(files[0], folder / "val" / name / "0.jpg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    count = parser.parse_args().samples
    place = Path(tempfile.mkdtemp())
    try:
        linked(Path(os.environ["INCEPTIONLAB_DATA"]).resolve() / "hymenoptera", place / "photos", count)
        environment = {**os.environ, "XDG_CACHE_HOME": str(place / "cache")}
        print("| start | images | files found, s | first batch of 128 at 256x256, s |\n|---|---:|---:|---:|")
        for start in ("first", "second"):
            command = [sys.executable, "-c", CODE, str(place / "photos")]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            print(f"| {start} | " + " | ".join(done.stdout.strip().rsplit(",", 2)) + " |")
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
