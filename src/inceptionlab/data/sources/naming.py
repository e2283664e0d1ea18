"""What a user calls a data set, read once: a known name, a folder, or a set of the hub."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from inceptionlab.errors import DataError

LAYOUT = """A folder of images has a folder per class, in one of three layouts:
  train/cat/1.jpg, test/cat/2.jpg   each part is what it says, val/ too
  train/cat/1.jpg, val/cat/2.jpg    val/ is the test set, read once, at the end
  cat/1.jpg                         a fifth of each class becomes the test set
Where val/ is missing, or is the test set, a tenth of the training images
becomes validation (the recipe's field validation)."""
"""How a folder must look, for the commands that take one."""
KEPT, STREAMED = "hf:", "stream:"
PREFIXES = (KEPT, STREAMED)


@dataclass(frozen=True, slots=True)
class DataName:
    """`text` as it was given. `place` is a known name, the path of a folder, or a set of the hub, whose `configuration`
    may be said (None: its only one). "hf" keeps the hub's files, "stream" does not.
    """

    text: str
    kind: Literal["named", "folder", "hf", "stream"]
    place: str
    configuration: str | None = None

    @property
    def short(self) -> str:
        """The last part of the place."""
        return self.place.rstrip("/").rpartition("/")[2]


def parse_name(text: str, known: Collection[str]) -> DataName:
    """A data set's name, of which some are `known`. Raises `DataError` for an empty one."""
    for kind in ("hf", "stream"):
        if text.startswith(f"{kind}:"):
            place, _, configuration = text.removeprefix(f"{kind}:").partition(":")
            if not place:
                raise DataError(f"{text!r} names no data set of the hub; write {kind}:OWNER/NAME")
            return DataName(text, kind, place, configuration or None)
    if not text or "\0" in text:
        raise DataError(f"{text!r} is no name of a data set, and no folder can be called so")
    return DataName(text, "named" if text in known else "folder", text)
