"""A study as one value: a base, factors with levels, seeds; and the runs that it asks for."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, Literal, cast, get_args

from inceptionlab.data.registry import NAMES, default_recipe, describe, for_named
from inceptionlab.data.sources.naming import PREFIXES
from inceptionlab.errors import SpecError, nearest, one_of
from inceptionlab.runs.setup import Setup
from inceptionlab.spec.network import Network
from inceptionlab.studies.fractions import fractional
from inceptionlab.studies.widths import Cost, cost_of, of_equal_cost
from inceptionlab.training.recipe import Recipe, load_recipe, override
from inceptionlab.zoo.configure import configured

Design = Literal["full", "one", "fraction"]
PHOTOGRAPH = 128
"""The side of photographs where a study does not say it."""
CHOICES: dict[str, tuple[str, ...]] = {
    "design": get_args(Design),
    "against": ("reference", "previous"),
    "equal": ("", "params", "macs"),
}


@dataclass(frozen=True, slots=True)
class Level:
    """One setting of a factor: rules behind the base's name, fields of the recipe, or another base."""

    rules: str = ""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    model: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """A base network, factors whose first level is the reference, seeds, and the budget.

    `design` is "full" (every combination), "one" (the reference, and each other level alone) or "fraction" (one in
    `fraction` of the combinations). Levels are compared with the first one, or with the one "previous" to them. `equal`
    widens or narrows every cell to the reference's "params" or "macs". `worth` is the smallest difference of accuracy
    worth having (0.01: one point). `claim` is the sentence that the study is about, and `expects` says which verdict of
    which comparison ("factor: level") would confirm it.
    """

    name: str
    model: str
    data: str
    factors: Mapping[str, Mapping[str, Level]]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    design: Design = "full"
    recipe: str = ""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    input_size: int = 32
    channels: int = 3
    classes: int = 10
    limit_train: int | None = None
    limit_test: int | None = None
    worth: float = 0.0
    fraction: int = 2
    against: Literal["reference", "previous"] = "reference"
    equal: Literal["", "params", "macs"] = ""
    claim: str = ""
    expects: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def reference(self) -> dict[str, str]:
        """The cell of the first level of every factor."""
        return {name: next(iter(levels)) for name, levels in self.factors.items()}

    def cells(self) -> list[dict[str, str]]:
        """The combinations of levels that the design asks for, the reference first."""
        names, reference = list(self.factors), self.reference
        if self.design == "fraction":
            return list(fractional({name: list(levels) for name, levels in self.factors.items()}, self.fraction).cells)
        if self.design == "one":
            others = [reference | {name: level} for name in names for level in list(self.factors[name])[1:]]
            return [reference, *others]
        return [dict(zip(names, levels, strict=True)) for levels in product(*self.factors.values())]

    def spec(self, cell: Mapping[str, str]) -> Network:
        """The network of a cell, at the reference's cost where the study asks for that."""
        size = self.classes, self.channels, self.input_size
        own, reference = self._text(cell), self._text(self.reference)
        return for_named(_sized(own, reference if own != reference else "", size, self.equal), self.data)

    def _text(self, cell: Mapping[str, str]) -> str:
        levels = [self.factors[name][level] for name, level in cell.items()]
        model = next((level.model for level in levels if level.model), self.model)
        return " | ".join([model, *(level.rules for level in levels if level.rules)])

    def setup(self, cell: Mapping[str, str], seed: int) -> Setup:
        """The run of a cell with a seed."""
        recipe: Recipe = override(load_recipe(self.recipe or default_recipe(self.data)), self.settings)
        for name, level in cell.items():
            recipe = override(recipe, self.factors[name][level].settings)
        return Setup(self.spec(cell), recipe, self.data, seed, self.limit_train, self.limit_test)


@lru_cache(maxsize=256)
def _sized(text: str, reference: str, size: tuple[int, int, int], equal: str) -> Network:
    """The network of a text, with a factor on its widths where it shall cost what the reference does."""
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
    found = fractional({name: list(levels) for name, levels in study.factors.items()}, study.fraction)
    clear = {3: "are those of pairs of factors too", 4: "are clear of pairs of factors"}
    words = clear.get(found.resolution, "and pairs of factors are clear of each other")
    return f"resolution {found.resolution}: main effects {words}; generated: {', '.join(found.generators)}"


def load_study(path: Path) -> Study:
    """A study from TOML. Raises `SpecError` for what is missing, unknown or means nothing."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"the study {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"the study {path} is not TOML: {error}") from None
    names = [entry.name for entry in fields(Study)]
    for name in values:
        if name not in names:
            raise SpecError(f"{path}: a study has no field {name!r}; {nearest(name, names)}")
    missing = [name for name in ("model", "data", "factors") if not values.get(name)]
    if missing:
        raise SpecError(f"{path} says nothing of {', '.join(missing)}")
    if str(values["data"]).startswith(PREFIXES) and "classes" not in values:
        raise SpecError(f"{path}: data = {values['data']!r} is not read before training; say classes = its number")
    factors = {name: _levels(path, name, levels) for name, levels in values["factors"].items()}
    known: dict[str, Any] = {
        **_facts_of(str(values["data"])),
        **values,
        "name": values.get("name", path.resolve().parent.name if path.name == "study.toml" else path.stem),
        "factors": factors,
    }
    known["seeds"] = tuple(values.get("seeds", (0, 1, 2, 3, 4)))
    known["settings"] = _texts(values.get("settings", {}))
    study = Study(**known)
    _check(path, study)
    return study


def _facts_of(data: str) -> dict[str, int]:
    """What is known of a data set before it is read: the side, the channels and the classes of its pictures."""
    facts = describe(data)
    size, known = facts.size or PHOTOGRAPH, {"classes": len(facts.classes)} if facts.classes else {}
    return {"input_size": size, "channels": facts.channels, **known}


def _levels(path: Path, factor: str, levels: Any) -> dict[str, Level]:
    if not isinstance(levels, dict) or len(cast(dict[str, Any], levels)) < 2:
        raise SpecError(f"{path}: the factor {factor} needs at least two levels, the first being the reference")
    found: dict[str, Level] = {}
    for name, value in cast(dict[str, Any], levels).items():
        if isinstance(value, str):
            found[name] = Level(value)
        elif isinstance(value, dict):
            table = cast(dict[str, Any], value)
            found[name] = Level(table.get("rules", ""), _texts(table.get("settings", {})), table.get("model", ""))
        else:
            raise SpecError(f"{path}: level {name} of {factor} is {value!r}; write rules as text, or a table")
    return found


def _texts(settings: Mapping[str, Any]) -> dict[str, str]:
    """Values as the command line writes them."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in settings.items()}


def _check(path: Path, study: Study) -> None:
    for name, known in CHOICES.items():
        if getattr(study, name) not in known:
            raise SpecError(f"{path}: {name} = {getattr(study, name)!r}; {nearest(str(getattr(study, name)), known)}")
    if not study.seeds or len(set(study.seeds)) != len(study.seeds):
        raise SpecError(f"{path}: seeds = {list(study.seeds)}; give at least one, each once")
    if study.data not in NAMES and not study.data.startswith(PREFIXES) and not Path(study.data).is_dir():
        raise SpecError(f"{path}: data = {study.data!r} is no folder; {nearest(study.data, NAMES)}")
    for expected, verdict in study.expects.items():
        one_of("the study", f"expects.{expected}", verdict, ("better", "worse"))
    for cell in study.cells():
        study.setup(cell, 0)
