"""`inceptionlab list`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from inceptionlab.cli.network_tables import (
    Language,
    list_markdown,
    print_list,
    print_published,
    published_markdown,
)
from inceptionlab.errors import ConfigError, SpecError
from inceptionlab.zoo.facts import facts_of
from inceptionlab.zoo.published import Published, list_pretrained
from inceptionlab.zoo.registry import list_models


def list_(
    pattern: str = "*", *, json_: Annotated[bool, Parameter(name="--json")] = False, markdown: bool = False,
    lang: Language = "en", pretrained: bool = False,
) -> None:  # fmt: skip
    """Show the networks of the zoo: year, parameters, MACs, input, published accuracy and its source.

    Parameters
    ----------
    pattern
        A shell pattern of names.
    json_
        Print an array of objects.
    markdown
        Print a Markdown table.
    lang
        The language of its heads: "en" or "zh" (Chinese).
    pretrained
        Show the published weights instead, with what predict, evaluate, export, serve and train --weights call them;
        --json and --markdown have checksums and addresses too.
    """
    if lang != "en" and not markdown:
        raise ConfigError(f"--lang {lang} would not be read: it is the language of the table of --markdown")
    if pretrained:
        _show_published(list_pretrained(pattern), json_, markdown, lang)
        return
    names = list_models(pattern)
    if not names:
        raise SpecError(f"no network matches {pattern!r}; inceptionlab list shows them all")
    records = [facts_of(name) for name in names]
    if json_:
        print(json.dumps([asdict(record) for record in records], indent=1))
    elif markdown:
        print(list_markdown(records, lang))
    else:
        print_list(records)


def _show_published(rows: list[Published], as_json: bool, markdown: bool, lang: Language) -> None:
    if as_json:
        print(json.dumps([row.as_record() for row in rows], indent=1))
    elif markdown:
        print(published_markdown(rows, lang))
    else:
        print_published(rows)
