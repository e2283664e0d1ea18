"""What a run says of itself in sentences: what the size of its images made of its network, what it trains on as it
begins, and what it came to.
"""

from __future__ import annotations

from collections.abc import Iterator

from inceptionlab.analysis.words import describe
from inceptionlab.data.dataset import DataSet, Samples
from inceptionlab.runs.beginning import run_before
from inceptionlab.runs.folder import RunFolder
from inceptionlab.runs.setup import Setup
from inceptionlab.spec.network import Network
from inceptionlab.spec.nodes import Seq
from inceptionlab.training.balance import unevenness
from inceptionlab.zoo.own import unbuilt


def changed_by_size(paper: Network, network: Network) -> str:
    """What became of the network `paper` for images of the size that `network` takes, "" where nothing did."""
    side = min(network.input.height, network.input.width)
    if network.stem != paper.stem:
        return (
            f"the network takes a small stem at {side} pixels ({_nodes(paper.stem)} → {_nodes(network.stem)}); "
            "--stem imagenet keeps the paper's"
        )
    return ""


def _nodes(section: Seq) -> str:
    return ", ".join(f"{name} {describe(node)}" for name, node in section.children)


def opening(setup: Setup, data: DataSet, training: Samples, validation: Samples, digests: str) -> Iterator[str]:
    """What a training says as it begins."""
    if data.left_out:
        yield data.what_is_left_out
    whole, split = len(data.train), f"{len(validation):,} for validation"
    if setup.limit_train is not None:
        used = min(setup.limit_train, whole)
        yield f"a trial on {used:,} of {whole:,} images: {len(training):,} to train on, {split}"
    else:
        yield f"{len(training):,} images to train on, {split}"
    if setup.recipe.class_weights == "none" and (uneven := unevenness(training.labels, data.train.classes)):
        yield uneven
    if setup.weights and (before := run_before(setup)) is not None and _overlaps(setup, before, digests):
        yield (
            f"{before.path} may have trained on the images that validate here, whose accuracy is then too high; "
            "--continue keeps them apart"
        )


def _overlaps(setup: Setup, before: RunFolder, digests: str) -> bool:
    """Whether a run on the same images split them in another way."""
    theirs, began = before.config(), before.environment()
    splits = [(one.seed, one.limit_train, one.recipe.validation) for one in (setup, theirs)]
    return began is not None and began.data == digests and splits[0] != splits[1]


def closing(run: RunFolder) -> str:
    """What a run that was tested came to, in lines: the test, the images and the minutes."""
    setup, epochs, tested = run.setup(unbuilt), run.epochs(), run.tested()
    seconds, images = sum(epoch.seconds for epoch in epochs), epochs[-1].images if epochs else None
    used = f"{images:,} images" if images else "the training images"
    words = f"trained on {used}, {len(epochs)} {'epoch' if len(epochs) == 1 else 'epochs'} in {duration(seconds)}"
    if setup.is_trial:
        words = f"a trial: {words}, tested on {tested.score.n:,} images; its accuracy says little"
    looked = (
        f"{tested.score} (the mean of {tested.views} views of each image)" if tested.views > 1 else str(tested.score)
    )
    return "\n".join([looked, words, *([before_words(tested.read_before)] if tested.read_before else [])])


def duration(seconds: float) -> str:
    """Seconds, or minutes where they are more than one."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def before_words(runs: tuple[str, ...]) -> str:
    """That runs had read the test set before."""
    return f"the test set had been read before by {', '.join(runs)}, from which this run goes on"
