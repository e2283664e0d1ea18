"""What came of an evaluation and of a data set's checks, as lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inceptionlab.errors import ConfigError, counted, listed

if TYPE_CHECKING:
    from inceptionlab.data.audit import Findings
    from inceptionlab.embedding.records import SimilarImages
    from inceptionlab.evaluation.metrics import Score
    from inceptionlab.evaluation.protocol import Evaluation
    from inceptionlab.runs.prediction import Prediction

SHOWN = 10


def ending(path: Path, wanted: str, what: str) -> None:
    """Refuse a name for a file that says another kind than is written. Raises `ConfigError`."""
    if path.suffix.lower() != wanted:
        raise ConfigError(f"{path} would hold {what}, which is {wanted[1:].upper()}; give a name that ends in {wanted}")


def show_predictions(found: Sequence[Prediction]) -> None:
    """Print the likeliest classes of images."""
    for result in found:
        print(result.path)
        for one in result.top:
            print(f"  {one.probability:7.2%}  {one.label}")


def show_similar(found: SimilarImages) -> None:
    """Print the images that are nearest to others, with their distances."""
    for query in found.queries:
        print(query.name)
        for one in query.nearest:
            print(f"  {one.distance:8.4g}  {one.name}")


def show_evaluation(found: Evaluation) -> None:
    """Print an evaluation."""
    plain, width = found.score, max(len("class"), *(len(row.label) for row in found.classes))
    looks = f", the mean of {found.looks} views of each image" if found.looks > 1 else ""
    print(f"top-1 {_accuracy(plain)}{looks}")
    top5 = f"top-5 {plain.top5:.2%}   " if plain.has_top5 else ""
    print(f"{top5}loss {plain.loss:.4f}   calibration error {plain.ece:.2%}   n {plain.n:,}   "
          f"computed in {found.precision} by {found.engine}")  # fmt: skip
    if found.left_out:
        print(f"{counted(len(found.left_out), 'image')} left out that cannot be read: {listed(found.left_out)}")
    print(f"{'class':{width}}  precision  recall     F1      n   (the worst F1 first)")
    for row in found.worst_first:
        print(f"{row.label:{width}}  {row.precision:9.1%} {row.recall:7.1%} {row.f1:6.1%} {row.n:6,}")
    if found.views:
        views = found.views
        print(
            f"with {counted(views.forward_passes, 'forward pass', 'forward passes')} an image: "
            f"top-1 {_accuracy(views.score)}"
        )
        print(f"  gain {100 * views.gain:+z.2f} points ({100 * views.gain_low:+z.2f} to {100 * views.gain_high:+z.2f}, "
              "paired)")  # fmt: skip
    if found.temperature:
        fitted = found.temperature
        (before, after), (loss, new) = fitted.ece, fitted.loss
        print(f"temperature {fitted.temperature:.3f}, fitted on {counted(fitted.n, 'validation image')}: "
              f"calibration error {before:.2%} to {after:.2%}, loss {loss:.4f} to {new:.4f}")  # fmt: skip
    for one in found.corruptions:
        print(f"{one.kind:>10} {one.severity}  top-1 {_accuracy(one.score)}")


def _accuracy(found: Score) -> str:
    return f"{found.top1:.2%} (95 % interval {found.top1_low:.2%} to {found.top1_high:.2%})"


def _range(counts: Mapping[str, int]) -> str:
    """How many images the smallest and the largest class have."""
    smallest, largest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[smallest] == counts[largest]:
        return f"{counts[smallest]:,} each"
    return f"from {counts[smallest]:,} ({smallest}) to {counts[largest]:,} ({largest})"


def show_findings(found: Findings) -> None:
    """Print what is wrong with a data set."""
    for split, counts in found.counts.items():
        classes = counted(len(counts), "class", "classes")
        print(f"{split}: {counted(sum(counts.values()), 'image')} of {classes}, {_range(counts)}")
    if found.note:
        print(f"for training: {found.note}")
    print("sizes: " + ", ".join(f"{w}x{h} ({n:,})" for (w, h), n in found.sizes) + "   modes: "
          + ", ".join(f"{mode} ({n:,})" for mode, n in found.modes.items()))  # fmt: skip
    print(f"unreadable: {len(found.unreadable)}")
    for _, why in found.unreadable[:SHOWN]:
        print(f"  {why}")
    pairs = {
        "exact duplicates": found.exact, "near duplicates": found.near, "leaks between splits": found.leaks,
        "images under two classes": found.conflicts,
    }  # fmt: skip
    for name, some in pairs.items():
        print(f"{name}: {len(some)}")
        for a, b in some[:SHOWN]:
            print(f"  {a.name} ({a.label}) and {b.name} ({b.label})")
