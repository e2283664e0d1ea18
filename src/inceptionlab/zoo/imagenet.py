"""The names of ImageNet's classes: WordNet's words, names in Chinese, and the order of TensorFlow's graph of 2015."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from inceptionlab.errors import ConfigError, nearest

Language = Literal["en", "zh"]
"""Languages that classes have names in: English, Chinese."""
_FOLDER = Path(__file__).parent
_FILES = {"en": "imagenet_classes.txt", "zh": "imagenet_classes_zh.txt"}
_NOTHING = {"en": "no class", "zh": "无类别"}
OUTPUTS_2015 = 1008
"""Outputs of TensorFlow's Inception graph of 2015-12-05, of which 1,000 mean something."""


def imagenet_classes(lang: Language = "en") -> tuple[str, ...]:
    """The names of the 1,000 classes of ImageNet, in order. Raises `ConfigError` for another language."""
    return tuple(_names(lang).values())


def imagenet_2015_classes() -> tuple[str, ...]:
    """The names of the 1,008 outputs of TensorFlow's Inception graph of 2015-12-05, which the Frechet distance uses.

    They are the classes of ImageNet in another order, between outputs that mean no class.
    """
    words, order = _names("en"), _lines("imagenet_2015.txt")
    named = {place: words[number] for place, number in enumerate(order, 1)}
    return tuple(named.get(place, f"{_NOTHING['en']} ({place})") for place in range(OUTPUTS_2015))


def in_words(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Classes that are called by WordNet's numbers, as ImageNet's folders are, by their words; others as they are."""
    return tuple(_names("en").get(name, name) for name in classes)


def translate_classes(classes: Sequence[str], lang: Language = "en") -> tuple[str, ...]:
    """The classes of ImageNet among these, whether by their words or by WordNet's numbers, in a language ("en" or "zh",
    Chinese); others as they are. Raises `ConfigError` for another language.
    """
    words = in_words(tuple(classes))
    known = dict(zip(imagenet_classes(), imagenet_classes(lang), strict=True))
    known |= {f"{_NOTHING['en']} ({i})": f"{_NOTHING[lang]} ({i})" for i in range(OUTPUTS_2015)}
    return tuple(known.get(name, name) for name in words)


@cache
def _names(lang: str) -> dict[str, str]:
    """The name of each class by its number in WordNet."""
    if lang not in _FILES:
        raise ConfigError(f"lang={lang!r}: {nearest(lang, get_args(Language))}")
    rows = (line.partition("\t") for line in _lines(_FILES[lang]))
    return {number: name for number, _, name in rows}


def _lines(file: str) -> list[str]:
    text = (_FOLDER / file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]
