"""A study as one value: a base, factors with levels, seeds; and the runs that it asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations, product
from math import prod
from typing import Annotated, Literal

import msgspec

from inceptionlab.data.registry import default_recipe, for_named, full_name
from inceptionlab.decoding import Count, Natural, Share, shown, validate
from inceptionlab.errors import ConfigError, nearest
from inceptionlab.runs.options import Side
from inceptionlab.runs.setup import Setup
from inceptionlab.spec.network import Network
from inceptionlab.studies.fractions import Fraction, fractional
from inceptionlab.studies.widths import Cost, cost_of, of_equal_cost
from inceptionlab.training.recipe import Recipe, load_recipe, override
from inceptionlab.zoo.configure import configured
from inceptionlab.zoo.naming import is_place, network_of, state_of
from inceptionlab.zoo.published import names_weights

Design = Literal["full", "one", "fraction"]
MOST_CELLS = 1024
MOST_RUNS = 100_000


@dataclass(frozen=True, slots=True)
class Level:
    """One setting of a factor: rules behind the base's name, fields of the recipe (values as on the command line), or
    another base.
    """

    rules: str = ""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    model: str = ""

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, slots=True)
class Study:
    """A base network, factors whose first level is the reference, seeds, and the budget.

    `design` is "full" (every combination), "one" (the reference, and each other level alone) or "fraction" (one in
    `fraction` of the combinations). Levels are compared with the first one, or with the one "previous" to them. `equal`
    widens or narrows every cell to the reference's "params" or "macs". `min_effect` is the smallest difference of
    accuracy worth having (0.01: one point). `hypothesis` is what the study is about, and `expects` says which verdict
    of which comparison ("factor: level") would confirm it. Raises `ConfigError` for values that mean nothing, and
    `SpecError` for a fraction that leaves too few cells.
    """

    name: str
    model: str
    data: str
    factors: Mapping[str, Mapping[str, Level]]
    seeds: tuple[Natural, ...] = (0, 1, 2, 3, 4)
    design: Design = "full"
    recipe: str = ""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    input_size: Side = 32
    channels: Count = 3
    classes: Count = 10
    limit_train: Count | None = None
    limit_test: Count | None = None
    min_effect: Share = 0.0
    fraction: Annotated[int, msgspec.Meta(ge=2, le=MOST_CELLS)] = 2
    against: Literal["reference", "previous"] = "reference"
    equal: Literal["", "params", "macs"] = ""
    hypothesis: str = ""
    expects: Mapping[str, Literal["better", "worse"]] = field(default_factory=dict[str, Literal["better", "worse"]])

    def __post_init__(self) -> None:
        validate(self)
        _check_names(self)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"seeds = {shown(list(self.seeds))}: give at least one, each once")
        _check_count(self)
        known = _comparisons(self)
        for expected in self.expects:
            if expected not in known:
                raise ConfigError(f"expects: there is no comparison {shown(expected)}; {nearest(expected, known)}")

    @property
    def reference(self) -> dict[str, str]:
        """The cell of the first level of every factor."""
        return {name: next(iter(levels)) for name, levels in self.factors.items()}

    @property
    def count(self) -> int:
        """The number of cells, which need not be made to be counted."""
        sizes = [len(levels) for levels in self.factors.values()]
        if self.design == "one":
            return 1 + sum(size - 1 for size in sizes)
        return prod(sizes) // (self.fraction if self.design == "fraction" else 1)

    def cells(self) -> list[dict[str, str]]:
        """The combinations of levels that the design asks for, the reference first."""
        names, reference = list(self.factors), self.reference
        if self.design == "fraction":
            return list(self.fractional().cells)
        if self.design == "one":
            others = [reference | {name: level} for name in names for level in list(self.factors[name])[1:]]
            return [reference, *others]
        return [dict(zip(names, levels, strict=True)) for levels in product(*self.factors.values())]

    def with_models(self, name: Callable[[str], str]) -> Study:
        """The same study whose base networks are called otherwise."""
        factors = {
            factor: {
                key: replace(level, model=name(level.model)) if level.model else level for key, level in of.items()
            }
            for factor, of in self.factors.items()
        }
        return replace(self, model=name(self.model), factors=factors)

    @property
    def models(self) -> tuple[str, ...]:
        """What the base networks are called."""
        levels = [level.model for of in self.factors.values() for level in of.values() if level.model]
        return (self.model, *levels)

    @property
    def network(self) -> str:
        """What readers call the base network: its name in the zoo, or the title of one in a file."""
        return network_of(self.model).title if is_place(self.model) else self.model

    def fractional(self) -> Fraction:
        """The fraction of the cells, and what it costs. Raises `SpecError` where there is none."""
        return fractional({name: list(levels) for name, levels in self.factors.items()}, self.fraction)

    def spec(self, cell: Mapping[str, str]) -> Network:
        """The network of a cell, at the reference's cost where the study asks for that."""
        size = self.classes, self.channels, self.input_size
        own, reference = self._text(cell), self._text(self.reference)
        states = state_of(own), state_of(reference)
        return for_named(_sized(own, reference if own != reference else "", size, self.equal, states), self.data)

    def _text(self, cell: Mapping[str, str]) -> str:
        levels = [self.factors[name][level] for name, level in cell.items()]
        model = next((level.model for level in levels if level.model), self.model)
        return " | ".join([model, *(level.rules for level in levels if level.rules)])

    def setup(self, cell: Mapping[str, str], seed: int) -> Setup:
        """The run of a cell with a seed."""
        recipe: Recipe = override(load_recipe(self.recipe or default_recipe(self.data)), self.settings)
        for name, level in cell.items():
            recipe = override(recipe, self.factors[name][level].settings)
        return Setup(self.spec(cell), recipe, full_name(self.data), seed, self.limit_train, self.limit_test)


def _comparisons(study: Study) -> list[str]:
    """What the study compares, as `expects` names it: levels of factors, and of interactions of two of them."""
    levels = {name: list(levels) for name, levels in study.factors.items()}
    names = [f"{factor}: {level}" for factor, known in levels.items() for level in known[1:]]
    two = [factor for factor, known in levels.items() if len(known) == 2] if study.design == "full" else []
    return names + [f"{first} x {second}: {levels[first][1]}" for first, second in combinations(two, 2)]


def _check_names(study: Study) -> None:
    for factor, levels in study.factors.items():
        if len(levels) < 2:
            raise ConfigError(f"the factor {shown(factor)} needs at least two levels, the first being the reference")
        for name in (study.name, factor, *levels):
            if not name.isprintable() or not name.strip():
                raise ConfigError(f"{shown(name)} names nothing that could be printed; give letters")
    if not study.factors:
        raise ConfigError("factors = {}: give at least one, each a table of two or more levels")


def _check_count(study: Study) -> None:
    if study.design == "fraction":
        study.fractional()
    runs = study.count * len(study.seeds)
    if study.count > MOST_CELLS or runs > MOST_RUNS:
        raise ConfigError(
            f"the study asks for {study.count:,} cells x {len(study.seeds):,} seeds; at most {MOST_CELLS:,} cells and "
            f'{MOST_RUNS:,} runs are possible. design = "one" changes one factor at a time, "fraction" takes a part'
        )


@lru_cache(maxsize=256)
def _sized(
    text: str, reference: str, size: tuple[int, int, int], equal: str, states: tuple[int, int]
) -> Network:  # fmt: skip
    """The network of a text, with a factor on its widths where it shall cost what the reference does.

    `states` are those of the files behind both, so that a file that was written anew is read anew.
    """
    if names_weights(text):
        raise ConfigError(f"{text} names weights, and a study trains every network from its beginning; name it alone")
    plain = configured(text, *size)
    if not equal or not reference:
        return plain
    cost: Cost = "params" if equal == "params" else "macs"
    target = cost_of(configured(reference, *size), cost)
    if abs(cost_of(plain, cost) - target) <= 0.002 * target:
        return plain
    return of_equal_cost(plain, target, cost)


def label(cell: Mapping[str, str]) -> str:
    """A cell in words."""
    return ", ".join(f"{name}={level}" for name, level in cell.items())


def aliases(study: Study) -> str:
    """What a fractional design costs, in words."""
    found = study.fractional()
    clear = {3: "are those of pairs of factors too", 4: "are clear of pairs of factors"}
    words = clear.get(found.resolution, "and pairs of factors are clear of each other")
    return f"resolution {found.resolution}: main effects {words}; generated: {', '.join(found.generators)}"
