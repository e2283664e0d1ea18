"""Every network of the zoo exported to ONNX and OpenVINO, run there and compared: `make exports`.

python -m tests.exports            # at each network's own size, or 160 pixels where that is larger
python -m tests.exports xception   # those whose names contain a word
"""

import sys
import tempfile
import time
from pathlib import Path

import torch

from inceptionlab import build, get_spec, list_models
from inceptionlab.errors import RunError
from inceptionlab.exporting.writers import export

LARGEST = 160


def main() -> None:
    words, failed = sys.argv[1:], 0
    print("| network | input | onnxruntime | openvino | seconds |\n|---|---|---:|---:|---:|")
    for name in list_models():
        if words and not any(word in name for word in words):
            continue
        spec = get_spec(name).without_aux()
        fixed = "gray" in name  # flattens its map, so it has one size
        spec = spec if fixed or spec.input.height <= LARGEST else spec.resized(LARGEST)
        torch.manual_seed(0)
        network, began, cells = build(spec).eval(), time.monotonic(), []
        with tempfile.TemporaryDirectory() as folder:
            for to in ("onnx", "openvino"):
                try:
                    cells.append(f"{export(network, (), to, Path(folder) / name).difference:.1e}")
                except RunError as error:
                    cells.append(str(error))
                    failed += 1
        shape = "×".join(map(str, spec.input.shape))
        print(f"| `{name}` | {shape} | {' | '.join(cells)} | {time.monotonic() - began:.0f} |", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
