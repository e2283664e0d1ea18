"""From phrases to expressions: what stands behind `self.conv1 = `."""

from __future__ import annotations

from dataclasses import dataclass
from keyword import iskeyword

from inceptionlab.source.layout import Bracketed, Code, bracketed, flat
from inceptionlab.source.phrases import Argument, Call, Chain, Children, Form, Group, Phrase, shape_of
from inceptionlab.source.shapes import Context, Parameter, Shapes, form_text


@dataclass(frozen=True, slots=True)
class Speaker:
    """Says phrases in a context; `shapes` are the classes of its groups."""

    shapes: Shapes
    context: Context

    def say(self, phrase: Phrase) -> Code:
        """The expression that makes a module."""
        match phrase:
            case Call(name=name, arguments=arguments):
                return Bracketed(name, tuple(said for one in arguments if (said := self._argument(*one)) is not None))
            case Chain():
                return self._chain(phrase)
            case Group():
                shape = self.shapes[shape_of(phrase)]
                return bracketed(shape.name, *(self._given(phrase, one) for one in shape.parameters))

    def text(self, form: Form) -> str:
        """A number of channels."""
        return form_text(form, self.context)

    def _argument(self, keyword: str, value: Argument) -> tuple[str, Code] | None:
        """An argument; None for a stride of 1, which is everybody's default."""
        said = self.say(value) if isinstance(value, Call) else self.text(value) if isinstance(value, Form) else value
        if keyword == "stride" and said == "1" and isinstance(value, Form):
            return None
        return (f"{keyword}=" if keyword else "", said)

    def _given(self, group: Group, parameter: Parameter) -> Code:
        """What a group is given for a parameter of its class."""
        forms = [group.given if place == 0 else Form(((group.holes[place], 1),)) for place in parameter.places]
        said = [self.text(form) for form in forms]
        if len(said) == 1:
            return said[0]
        name = said[0].partition("[")[0]
        whole = [f"{name}[{i}]" for i in range(self.context.sizes.get(name, 0))]
        return name if said == whole else bracketed("", *said)

    def _chain(self, chain: Chain) -> Code:
        if not chain.is_numbered:
            return bracketed("nn.Sequential", _ordered(self._said(chain.children)))
        arguments: list[Code] = []
        for count, (_, said) in _runs(self._said(chain.children)):
            repeated = f"*({flat(said)} for _ in range({count}))"
            arguments.extend([repeated] if count > 2 and len(repeated) < 80 else [said] * count)
        return bracketed("nn.Sequential", *arguments)

    def _said(self, children: Children) -> list[tuple[str, Code]]:
        return [(name, self.say(child)) for name, child in children]


def _ordered(children: list[tuple[str, Code]]) -> Code:
    """`OrderedDict(...)` of children by name."""
    if all(is_word(name) for name, _ in children):
        return Bracketed("OrderedDict", tuple((f"{name}=", said) for name, said in children))
    pairs = (bracketed("", quoted(name), said) for name, said in children)
    return bracketed("OrderedDict", bracketed("", *pairs, brackets="[]"))


def _runs(children: list[tuple[str, Code]]) -> list[tuple[int, tuple[str, Code]]]:
    """Neighbours that read alike, once, with how many they are."""
    found: list[tuple[int, tuple[str, Code]]] = []
    for name, said in children:
        if found and flat(found[-1][1][1]) == flat(said):
            found[-1] = (found[-1][0] + 1, found[-1][1])
        else:
            found.append((1, (name, said)))
    return found


def is_word(name: str) -> bool:
    """Whether a name can be an attribute and a keyword as it stands."""
    return name.isidentifier() and name.isascii() and not iskeyword(name) and not name.startswith("__")


def quoted(text: str) -> str:
    """A text as Python writes it, in double quotes where that needs no more escapes."""
    plain = repr(text)
    return plain if '"' in text or "\\" in plain or plain.startswith('"') else f'"{text}"'
