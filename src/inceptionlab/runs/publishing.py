"""`push`: a finished run as a repository of the Hugging Face hub, with a card that says what it is."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from inceptionlab import storage
from inceptionlab.analysis.geometry import measure
from inceptionlab.errors import RunError
from inceptionlab.runs.folder import PUSHED, RunFolder, Tested, run_folder, to_toml
from inceptionlab.runs.setup import Config
from inceptionlab.spec.codec import to_json
from inceptionlab.spec.network import Network
from inceptionlab.weights.fetching import hub_endpoint, hub_library, hub_name, is_remote


def push(run: RunFolder | Path | str, to: str, *, private: bool = False, licence: str = "") -> str:
    """Put a run that was tested on the hub as `to` (hf:OWNER/NAME); the address of its page.

    There are its weights (safetensors), spec, configuration, classes and test, a `config.json`, and a model card with
    its data, seed, accuracy with its interval and how to load it: `load_run(to)`. Of folders on this machine only their
    own names are told. `licence` is an identifier of the hub ("apache-2.0"), which you give because it is yours to
    choose.

    Raises `RunError` for a run that is not finished or that the hub refuses, `ConfigError` for another name,
    `MissingExtra` without huggingface_hub.
    """
    name, folder, library = hub_name(to), run_folder(run), hub_library()
    if not folder.is_tested:
        raise RunError(f"{folder.path} is no finished run; train --resume {folder.path} ends it")
    with TemporaryDirectory() as place:
        write_repository(folder, Path(place), to, licence)
        try:
            api: Any = library.HfApi(endpoint=hub_endpoint(), token=os.environ.get("HF_TOKEN") or None)
            api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=place, commit_message=f"Push {folder.path.name}")
        except Exception as error:  # the library raises whatever its parts do
            causes = dict.fromkeys(_first_line(one) for one in (error, error.__cause__) if one is not None)
            why = ": ".join(causes)
            hint = "HF_TOKEN must hold a token that may write there"
            raise RunError(f"{folder.path} could not be pushed to {hub_endpoint()}/{name}: {why}; {hint}") from None
    return f"{hub_endpoint()}/{name}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")


def write_repository(run: RunFolder, place: Path, to: str, licence: str = "") -> None:
    """Write the files of a run's repository into a folder."""
    setup, tested, classes = run.setup(), run.tested(), run.classes()
    config = _without_paths(run.config())
    for file in (*PUSHED, "test.json"):
        shutil.copyfile(run.path / file, place / file)
    storage.write(place / "config.toml", to_toml(asdict(config)))
    about = {"library_name": "inceptionlab", "inceptionlab_version": version("inceptionlab"),
             "architecture": setup.spec.title, "num_classes": setup.spec.classes, "label_names": classes,
             "input": asdict(setup.spec.input), "spec": to_json(setup.spec)}  # fmt: skip
    storage.write_json(place / "config.json", about)
    storage.write(place / "README.md", _card(setup.spec, config, tested, to, licence))


def _without_paths(config: Config) -> Config:
    """A configuration that tells nothing of the machine: the last name of a folder or file stands for it."""
    data = config.data if config.data.startswith(("hf:", "stream:")) else Path(config.data).name
    weights = config.weights if is_remote(config.weights) else Path(config.weights).name
    return replace(config, data=data, weights=weights)


def _card(spec: Network, config: Config, tested: Tested, to: str, licence: str) -> str:
    """The model card: facts for the hub between the dashes, then sentences for people."""
    score, recipe = tested.score, config.recipe
    facts = ["library_name: inceptionlab", "pipeline_tag: image-classification", "tags:", "- image-classification",
             "- inceptionlab", *([f"license: {licence}"] if licence else []), "metrics:", "- accuracy"]  # fmt: skip
    channels, height, width = spec.input.shape
    trial = " This was a trial on a part of the data." if config.limit_train or config.limit_test else ""
    began = f", beginning with the weights {config.weights}" if config.weights else ""
    lines = [
        f"`{spec.title}` for {spec.classes} classes and images of {channels}x{height}x{width}, "
        f"{measure(spec).params:,} parameters, trained by InceptionLab {version('inceptionlab')}.",
        f"**Accuracy on the test images: {score.top1:.2%}** (95 % interval {score.top1_low:.2%} to "
        f"{score.top1_high:.2%}, {score.n:,} images), top-5 {score.top5:.2%}, calibration error "
        f"{score.ece:.2%}.{trial}",
        f"Trained on `{config.data}` with seed {config.seed} for {recipe.epochs} epochs{began}; the recipe stands in "
        f"`config.toml`, the network in `spec.json`. The weights were selected by {tested.selected_by}, the test "
        "images were read once, at the end.",
        f"Licence: {licence or 'not said'}.",
    ]
    code = (
        f'import inceptionlab as il\n\ntrained = il.load_run({json.dumps(to)})\nprint(il.predict(trained, ["a.jpg"]))'
    )
    text = "\n\n".join([f"# {to.rpartition('/')[2]}", *lines, f"```python\n{code}\n```"])
    return "\n".join(["---", *facts, "---", text, ""])
