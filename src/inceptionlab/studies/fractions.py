"""Fractions of two-level factorial designs: a half, a quarter … of the cells, such that main effects stay clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from inceptionlab.errors import SpecError

MOST_FACTORS = 9


@dataclass(frozen=True, slots=True)
class Fraction:
    """A fractional design (Box, Hunter and Hunter 2005, chapter 6): its cells, the reference first, and its resolution.

    At resolution 3 the effect of a factor cannot be told from interactions of two others, at 4 only from those of
    three; at 5 the interactions of two factors can be told from each other too.
    """

    cells: tuple[dict[str, str], ...]
    generators: tuple[str, ...]
    resolution: int


def fractional(factors: Mapping[str, Sequence[str]], fraction: int) -> Fraction:
    """One in `fraction` (2, 4, 8 …) of the cells of two-level factors, of the highest resolution there is.

    Raises `SpecError` for factors of more levels, too many of them, or a fraction that leaves too few cells.
    """
    names, lost = list(factors), fraction.bit_length() - 1
    bad = next((name for name, levels in factors.items() if len(levels) != 2), None)
    if bad is not None:
        raise SpecError(f"a fractional design needs two levels a factor; {bad} has {len(factors[bad])}")
    if fraction < 2 or fraction != 1 << lost:
        raise SpecError(f"fraction = {fraction}: give 2 for a half of the cells, 4 for a quarter, 8 …")
    if len(names) > MOST_FACTORS or len(names) - lost < 2 or 2 ** (len(names) - lost) < len(names) + 1:
        raise SpecError(
            f"one in {fraction} of the cells of {len(names)} factors does not tell their effects apart; a fractional "
            f"design takes up to {MOST_FACTORS} factors and needs more cells than factors"
        )
    base, words = len(names) - lost, _best_words(len(names), lost)
    cells: list[dict[str, str]] = []
    for bits in product((0, 1), repeat=base):
        whole = list(bits) + [sum(bits[i] for i in range(base) if word >> i & 1) % 2 for word in words]
        cells.append({name: factors[name][bit] for name, bit in zip(names, whole, strict=True)})
    written = tuple(
        f"{names[base + k]} = {' x '.join(names[i] for i in range(base) if word >> i & 1)}"
        for k, word in enumerate(words)
    )
    return Fraction(tuple(cells), written, _resolution(words, base))


def _best_words(factors: int, lost: int) -> tuple[int, ...]:
    """For each generated factor, the base factors (as bits) whose product it is; chosen for the highest resolution, and
    among those for the fewest words of that length.
    """
    base = factors - lost
    candidates = [word for word in range(1, 1 << base) if word.bit_count() > 1]
    choices = list(combinations(sorted(candidates, key=lambda word: -word.bit_count()), lost))
    return max(choices, key=lambda words: (_resolution(words, base), -_shortest_count(words, base)))


def _defining(generators: Sequence[int], base: int) -> list[int]:
    """The words of the defining relation: every product of the generators'."""
    own = [word | 1 << (base + k) for k, word in enumerate(generators)]
    words = [0]
    for word in own:
        words += [word ^ other for other in words]
    return words[1:]


def _resolution(words: Sequence[int], base: int) -> int:
    return min(word.bit_count() for word in _defining(words, base))


def _shortest_count(words: Sequence[int], base: int) -> int:
    lengths = [word.bit_count() for word in _defining(words, base)]
    return lengths.count(min(lengths))
