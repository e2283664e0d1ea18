"""Weights that others have published for forms of the zoo: where each can be had, how it is checked, what it scores."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeGuard

from inceptionlab.decoding import Count, decode, loads_toml
from inceptionlab.errors import DataError, nearest
from inceptionlab.spec.network import Input
from inceptionlab.zoo.imagenet import Language, imagenet_2015_classes, imagenet_classes, translate_classes
from inceptionlab.zoo.registry import ALIASES, REGISTRY, entry

_FOLDER = Path(__file__).parent
_NAMED = re.compile(r"([\w.]+)@([\w./-]*)")
HUB = "hf:"
"""How the address of a file of the Hugging Face hub begins: hf:OWNER/NAME/FILE."""


@dataclass(frozen=True, slots=True)
class Published:
    """Weights for a form. `classes` is theirs (1001 with a background class first); `labels` says what those are:
    ImageNet's, the same in the order of the graph of 2015, or "" (not known here).

    `checksum` is "sha256:", "md5:" or "sha1:" and digits, or the first of them; "" where the source publishes none.
    `size` is that of what is downloaded in bytes, exactly, and `megabytes` (10^6 bytes) as exact as the source says it
    (None: nobody does). `top1` and `top5` are per cent on ImageNet's validation images, one crop, by `input` or as
    `protocol` says. `read_in` is where all of this was read.
    """

    form: str
    name: str
    url: str
    licence: str
    read_in: str
    input: Input
    member: str = ""
    checksum: str = ""
    size: Count | None = None
    megabytes: float | None = None
    classes: Count = 1000
    labels: Literal["imagenet", "imagenet-2015", ""] = "imagenet"
    top1: float | None = None
    top5: float | None = None
    protocol: str = ""
    note: str = ""

    @property
    def full(self) -> str:
        """What commands and functions take: NAME@WEIGHTS."""
        return f"{self.form}@{self.name}"

    @property
    def file(self) -> str:
        """The name of its file in the cache: its own, or for one of the hub that of its place there."""
        own = self.member or self.url.rpartition("/")[2]
        return f"{self.url.split('/')[1]}{Path(own).suffix}" if self.url.startswith(HUB) else own

    @property
    def outputs(self) -> int:
        """Classes of a network with these weights: a background class is dropped."""
        return 1000 if self.classes == 1001 else self.classes

    def class_names(self, lang: Language = "en") -> tuple[str, ...]:
        """The names of the outputs in a language ("en" or "zh", Chinese), their numbers where none are known."""
        own = {"imagenet": imagenet_classes, "imagenet-2015": imagenet_2015_classes}.get(self.labels)
        return translate_classes(own() if own else tuple(map(str, range(self.outputs))), lang)

    def as_record(self) -> dict[str, Any]:
        """Plain values for JSON; `sha256` is the checksum where it is one, `paper` is that of the network."""
        own, source = asdict(self), self.name.partition("/")[0]
        first = {"name": self.full, "form": self.form, "source": source, "weights": self.name}
        last = {"sha256": self.checksum.partition("sha256:")[2], "paper": entry(self.form).source}
        return first | {key: value for key, value in own.items() if key not in first} | last


@cache
def published() -> tuple[Published, ...]:
    """Every row of the table, in its order."""
    table = loads_toml((_FOLDER / "pretrained.toml").read_text(encoding="utf-8"), "pretrained.toml")
    return tuple(_row(source, facts, row) for source, facts in table.items() for row in facts["rows"])


def _row(source: str, facts: dict[str, Any], row: dict[str, Any]) -> Published:
    shared = {key: value for key, value in facts.items() if key != "rows"}
    tag = row.get("tag", "")
    values = shared | {key: value for key, value in row.items() if key != "tag"}
    values["input"] = shared.get("input", {}) | row.get("input", {})
    if "size" in values:
        values["megabytes"] = round(values["size"] / 1e6, 1)
    values["note"] = "; ".join(text for text in (row.get("note"), shared.get("note")) if text)
    return decode(Published, values | {"name": f"{source}/{tag}" if tag else source}, f"pretrained.toml, {source}")


def list_pretrained(pattern: str = "*") -> list[Published]:
    """The published weights whose name (NAME@WEIGHTS) or form matches a shell pattern; a form's first is its default.

    Raises `DataError` where none does.
    """
    full = ALIASES.get(pattern, pattern)
    rows = [row for row in published() if fnmatchcase(row.full, full) or fnmatchcase(row.form, full)]
    if not rows:
        raise DataError(
            f"no published weights match {pattern!r}; {nearest(pattern, {row.form for row in published()})}"
        )
    return sorted(rows, key=lambda row: list(REGISTRY).index(row.form))


def is_published(text: object) -> TypeGuard[str | Path]:
    """Whether a text, or a path made of one, is NAME@WEIGHTS and no file or folder."""
    given = text.as_posix() if isinstance(text, Path) else text
    return isinstance(given, str) and _NAMED.fullmatch(given) is not None and not Path(given).exists()


def names_weights(network: object) -> bool:
    """Whether what a user calls a network is NAME@WEIGHTS; rules may follow."""
    return isinstance(network, str) and is_published(network.partition("|")[0].strip())


def find_published(text: str | Path, weights: str | bool = True) -> Published:
    """The row of NAME@WEIGHTS, or of a name and its weights.

    WEIGHTS may be the beginning of a name that stands in the table ("timm" for "timm/tf_in1k"), or nothing (or True):
    the first of the form. An unqualified name means all forms of the member, first the one that it stands for. Raises
    `SpecError` for an unknown network, `DataError` for weights that it has not.
    """
    name, _, wanted = (text.as_posix() if isinstance(text, Path) else text).partition("@")
    wanted = wanted or (weights if isinstance(weights, str) else "")
    full = ALIASES.get(name, name) if entry(name) else ""
    own = [row for row in published() if row.form == full]
    others = [row for row in published() if name in ALIASES and row.form.startswith(f"{name}.") and row.form != full]
    rows = [*own, *others] if wanted else own
    if not rows:
        there = ", ".join(row.full for row in others)
        there = f"for other forms there are {there}" if there else "inceptionlab list --pretrained shows all there are"
        raise DataError(f"nobody has published weights for {full}; {there}")
    found = [row for row in rows if row.name == wanted] or [row for row in rows if row.name.startswith(wanted)]
    if not found:
        raise DataError(f"{name} has no weights called {wanted!r}; {nearest(wanted, [row.name for row in rows])}")
    return found[0]
