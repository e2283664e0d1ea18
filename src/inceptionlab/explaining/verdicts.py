"""What two tests say of a map, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from inceptionlab.explaining.faithfulness import Faithfulness
from inceptionlab.explaining.randomisation import Randomisation


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a map explains an answer, and why, in sentences."""

    holds: bool
    words: str


def verdict(attribution: Float[Tensor, "h w"], faithfulness: Faithfulness, randomisation: Randomisation) -> Verdict:
    """What the tests say of a map. A map explains an answer where the answer hangs on what it marks, and the map
    on what the network has learned.
    """
    if float(attribution.max()) == float(attribution.min()):
        return Verdict(False, "This map is flat: it explains nothing. Another node, or another method, may say more.")
    holds = faithfulness.holds and randomisation.holds
    head = [] if holds else ["This map explains nothing." if not faithfulness.holds else "This map explains little."]
    return Verdict(holds, " ".join([*head, _of_pixels(faithfulness), _of_weights(randomisation)]))


def _of_pixels(found: Faithfulness) -> str:
    gap, chance = found.curves.gap, found.chance_mean.gap
    numbers = f"insertion less deletion {signed(gap)}, of random maps {signed(chance)}"
    better = sum(one.gap >= gap for one in found.chance)
    if found.holds:
        return f"The answer hangs on what the map marks ({numbers})."
    return (
        f"The answer does not hang on what the map marks: {better} of {len(found.chance)} random maps do as well "
        f"({numbers})."
    )


def _of_weights(found: Randomisation) -> str:
    how = f"rank correlation {signed(found.whole.sizes)} with maps of random weights"
    if found.holds:
        return f"The map depends on what the network has learned ({how})."
    return f"The map would be much the same for a network that has learned nothing ({how}): it shows the image."


def signed(number: float) -> str:
    """A number of two digits with a minus, not a hyphen; none before nothing."""
    return f"{number:z.2f}".replace("-", "−")
