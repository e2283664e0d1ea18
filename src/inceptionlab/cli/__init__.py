"""The command line: one lazy file a command, so that help answers at once."""

from __future__ import annotations

import sys
from importlib.metadata import version

from cyclopts import App, CycloptsError

from inceptionlab.errors import InceptionLabError

COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "list": (
        "The networks of the zoo with their numbers.",
        (
            "inceptionlab list",
            'inceptionlab list "inception*"',
            "inceptionlab list --json",
        ),
    ),
    "show": (
        "A network as the table of its paper: shapes, parameters, MACs, receptive fields.",
        (
            "inceptionlab show googlenet.paper",
            "inceptionlab show inception_v3 --depth 3",
            "inceptionlab show googlenet.gray --explain conv1",
            'inceptionlab show "small_v1 | residual(0.1)" --json',
        ),
    ),
    "diff": (
        "What differs between two networks.",
        (
            "inceptionlab diff googlenet.paper googlenet.torchvision",
            'inceptionlab diff small_v1 "small_v1 | residual(0.1) | attend(cbam)"',
        ),
    ),
    "draw": (
        "A network or a module as an SVG diagram.",
        (
            "inceptionlab draw googlenet.paper -o googlenet.svg",
            "inceptionlab draw googlenet.paper --node inception3a -o module.svg",
            "inceptionlab draw inception_v3 --depth 1 -o overview.svg",
        ),
    ),
    "check-data": (
        "What spoils a data set: unreadable and duplicate pictures, leaks between splits, classes out of balance.",
        (
            "inceptionlab check-data path/to/folder -o report.html",
            "inceptionlab check-data cifar10 --json",
        ),
    ),
    "train": (
        "Train a network, test it once, write a run folder with a report. "
        "Validation is split from the training pictures by the seed and selects the weights; the test set is read "
        "once, at the end. The last line printed is the run folder.",
        (
            "inceptionlab train --model inception_net --data cifar10",
            'inceptionlab train --model "small_v1 | attend(se)" --data fashion_mnist --epochs 5',
            "inceptionlab train --model googlenet --data path/to/folder --input-size 128 --set ema=0.99",
            "inceptionlab train --resume runs/inception_net-cifar10-1a2b3c4d",
        ),
    ),
    "evaluate": (
        "Test a trained network on the test set of its data, or of other data with the same classes.",
        (
            "inceptionlab evaluate runs/inception_net-cifar10-1a2b3c4d",
            "inceptionlab evaluate runs/inception_net-cifar10-1a2b3c4d --json",
            "inceptionlab evaluate runs/googlenet-flowers-5e6f7a8b --data path/to/other/flowers",
            "inceptionlab evaluate runs/a --crops 10 --ensemble runs/b --ensemble runs/c",
            "inceptionlab evaluate runs/a --temperature --corruptions",
        ),
    ),
    "predict": (
        "The likeliest classes of pictures by a trained network.",
        (
            "inceptionlab predict runs/inception_net-cifar10-1a2b3c4d cat.jpg",
            "inceptionlab predict runs/inception_net-cifar10-1a2b3c4d *.png --top 3 --json",
            "inceptionlab predict v3.safetensors cat.jpg",
        ),
    ),
    "serve": (
        "A trained network behind HTTP: a page for people, JSON for programs.",
        (
            "inceptionlab serve runs/inception_net-cifar10-1a2b3c4d",
            "inceptionlab serve v3.safetensors --port 0 --engine onnxruntime",
            "curl --data-binary @cat.jpg http://127.0.0.1:8000/predict?top=3",
        ),
    ),
    "study plan": (
        "The runs of a study, how their networks differ, and about how long they take.",
        ("inceptionlab study plan studies/residual_cbam.toml",),
    ),
    "study run": (
        "Train what a study still misses, then write its report; stopped or killed, it goes on where it was.",
        ("inceptionlab study run studies/residual_cbam.toml --out runs/residual_cbam",),
    ),
    "study report": (
        "The report of a study from the runs that are finished.",
        ("inceptionlab study report runs/residual_cbam",),
    ),
    "export": (
        "A trained network, or one of the zoo, for another program: torch.export, ONNX, OpenVINO, ExecuTorch. "
        "The file is run and compared with the network before the command ends.",
        (
            "inceptionlab export runs/inception_net-cifar10-1a2b3c4d --to onnx",
            "inceptionlab export v3.safetensors --to openvino -o v3.xml",
            "inceptionlab export runs/inception_net-cifar10-1a2b3c4d --to onnx --int8 -o small.onnx",
        ),
    ),
    "benchmark": (
        "How fast networks are here: engines, precisions and batches in interleaved rounds, against other libraries.",
        (
            "inceptionlab benchmark inception_v3",
            "inceptionlab benchmark inception_v3 xception --against timm --batch 1 --batch 8 -o speed",
            "inceptionlab benchmark inception_v3 --engines torch --precision fp32 --precision bf16 --json",
            "inceptionlab benchmark googlenet.torchvision --train --against torchvision",
        ),
    ),
    "import-weights": (
        "A checkpoint of another library, turned into ours.",
        (
            "inceptionlab import-weights inception_v3_google-0cc3c7bd.pth --into inception_v3 -o v3.safetensors",
            "inceptionlab import-weights timm_v4.safetensors --into inception_v4 --num-classes 10",
            "inceptionlab import-weights bvlc_googlenet.caffemodel --into googlenet.paper --classes names.txt",
        ),
    ),
    "export-weights": (
        "The weights of a network, for torchvision or timm to load.",
        (
            "inceptionlab export-weights v3.safetensors --to timm -o timm_v3.safetensors",
            "inceptionlab export-weights runs/inception_v4-flowers-5e6f7a8b --to timm",
        ),
    ),
}
"""What each command does, and examples of it."""


def _app() -> App:
    app = App(
        name="inceptionlab",
        help="Build, train, test and explain the whole Inception family.",
        help_format="plaintext",
        help_epilogue="Each command has its own --help with examples.",
        version=lambda: version("inceptionlab"),
        result_action="return_value",
    )
    study = App(name="study", help="Ablation studies: plan, run, report.", help_format="plaintext")
    app.command(study)
    for name, (words, examples) in COMMANDS.items():
        lines = "\n".join(["Examples:", *(f"  {example}" for example in examples)])
        group, _, command = name.rpartition(" ")
        module = (group or command).replace("-", "_")
        place = f"inceptionlab.cli.{module}:{command.replace('-', '_').replace('list', 'list_')}"
        (study if group else app).command(place, name=command, help=words, help_epilogue=lines)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run a command. Exit codes: 0 done, 2 bad input (one sentence on standard error), 130 interrupted."""
    try:
        _app()(arguments, exit_on_error=False)
    except CycloptsError:
        sys.exit(2)
    except InceptionLabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
