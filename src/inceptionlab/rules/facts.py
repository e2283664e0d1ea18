"""Every rule with its arguments, its meaning and an example, as its signature and its docstring say them."""

from __future__ import annotations

from dataclasses import dataclass

from inceptionlab.describing import REQUIRED, Described, arguments_of, paragraph
from inceptionlab.errors import SpecError, nearest
from inceptionlab.rules.written import RULES

_EXAMPLE = "Example: "


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """A rule: how it is written, what it does, its arguments, and a network that it changes."""

    name: str
    written: str
    meaning: str
    arguments: tuple[Described, ...]
    example: str


def list_rules(name: str | None = None) -> list[RuleFacts]:
    """The facts of every rule, or of one. Raises `SpecError` for a name that no rule has."""
    if name is not None and name not in RULES:
        raise SpecError(f"there is no rule {name!r}; {nearest(name, RULES)}")
    return [_facts(one) for one in ([name] if name else RULES)]


def _facts(name: str) -> RuleFacts:
    function = RULES[name]
    arguments = arguments_of(function)
    meaning, _, example = (function.__doc__ or "").partition(_EXAMPLE)
    given = ", ".join(one.name + ("" if one.default == REQUIRED else f"={one.default}") for one in arguments)
    return RuleFacts(name, f"{name}({given})" if given else name, paragraph(meaning), arguments, paragraph(example))
