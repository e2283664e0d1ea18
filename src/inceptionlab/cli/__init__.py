"""The command line: one lazy file per command, so that help answers at once."""

from __future__ import annotations

import sys
import tomllib
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from inceptionlab.cli.loggers import warnings_only
from inceptionlab.cli.shell import exit_code
from inceptionlab.data.sources.naming import LAYOUT
from inceptionlab.errors import ConfigError

if TYPE_CHECKING:
    from cyclopts import App, MissingArgumentError
    from cyclopts.help.protocols import HelpFormatter

COMMANDS = tomllib.loads(Path(__file__).with_name("commands.toml").read_text(encoding="utf-8"))
"""What each command does, and examples of it."""

_EPILOGUE = (
    "Each command has its own --help with examples. A run holds no code: whose network has Blocks of one's own Python "
    "file is read with --code FILE.py, by any command."
)


@cache
def _version() -> str:
    from importlib.metadata import version

    return version("inceptionlab")


def _app() -> App:
    from cyclopts import App, Parameter

    options = Parameter(negative=(), show_default=_shown, converter=_converted)
    plain: Any = {"help_format": "plaintext", "default_parameter": options}
    app = App(
        name="inceptionlab", help="Build, train, test and explain the whole Inception family.", **plain,
        help_epilogue=_EPILOGUE, help_formatter=_in_boxes(), version=_version,
        version_flags=["--version", "-V"], result_action="return_value", suppress_keyboard_interrupt=False,
    )  # fmt: skip
    study = App(name="study", help="Ablation studies: plan, run, report.", **plain)
    app.command(study)
    for name, about in COMMANDS.items():
        lines = "\n".join(["Examples:", *(f"  {example}" for example in about["examples"])])
        lines += f"\n\n{LAYOUT}" if about.get("folders") else ""
        group, _, command = name.rpartition(" ")
        module = (group or command).replace("-", "_")
        place = f"inceptionlab.cli.commands.{module}:{_function(command)}"
        (study if group else app).command(place, name=command, help=about["help"], help_epilogue=lines)
    app.register_install_completion_command(help="Complete commands and options with Tab: a line in your shell's file.")
    return app


def _function(command: str) -> str:
    """The function of a command; names that Python has taken end in an underscore."""
    name = command.replace("-", "_")
    return f"{name}_" if name in ("list", "help") else name


def _in_boxes() -> HelpFormatter:
    """How help is drawn: texts are broken where their box is full, not where their lines in the source end."""
    from cyclopts.help.formatters import DefaultFormatter

    class Boxes(DefaultFormatter):
        def __call__(self, console: Any, options: Any, panel: Any) -> None:
            for entry in panel.entries:
                text: Any = getattr(entry.description, "primary_renderable", None)
                if hasattr(text, "plain"):
                    text.plain = " ".join(text.plain.split())
            super().__call__(console, options, panel)

    return Boxes()


def _converted(kind: Any, tokens: Any) -> Any:
    """What was typed, as the type of its option; cyclopts rounds where whole numbers are asked for: 1.5 epochs to 2."""
    from cyclopts import convert

    parts = get_args(kind) or (kind,)
    for token in tokens if int in parts and float not in parts else ():
        if not str(token.value).lstrip("+-").isdecimal():
            raise ValueError(f"{token.value!r} is no whole number")
    return cast(Any, convert)(kind, tokens)


def _shown(default: object) -> object:
    """A default for the help; what is nothing, or off, need not be said."""
    return default if default else None


def main(arguments: list[str] | None = None) -> None:
    """Run a command. Exit codes: 0 done, 2 bad input (one sentence on standard error), 130 interrupted."""
    if code := exit_code(partial(_run, arguments)):
        sys.exit(code)


def _run(arguments: list[str] | None) -> None:
    from cyclopts import CycloptsError, MissingArgumentError

    rest, code = _without_code(sys.argv[1:] if arguments is None else arguments)
    warnings_only()
    try:
        with _reading_with(code) if code else nullcontext():
            _app()(rest, exit_on_error=False, print_error=False)
    except MissingArgumentError as error:
        raise ConfigError(_missing(error)) from None
    except CycloptsError as error:
        raise ConfigError(str(error)) from None


def _missing(error: MissingArgumentError) -> str:
    """What is to be given where something is missing, with an example that gives it."""
    command, name = " ".join(error.command_chain or ()), error.argument.name if error.argument else ""
    examples: list[str] = COMMANDS.get(command, {}).get("examples", [])
    example = next((one for one in examples if f"{name} " in one), examples[0] if examples else "")
    if not (error.argument and example):
        return str(error)
    if error.keyword or any(token.keyword for token in error.argument.tokens):
        return f"{name} needs a value, as in: {example}"
    placed = error.argument.field_info.is_positional
    return f"{command} needs {name.lstrip('-').upper() if placed else name}, as in: {example}"


def _reading_with(code: str) -> AbstractContextManager[None]:
    """Within the block, runs are read with the factories of the file `code`."""
    from inceptionlab.spec.codec import reading_with
    from inceptionlab.zoo.own import blocks_of

    return reading_with(blocks_of(code))


def _without_code(arguments: list[str]) -> tuple[list[str], str]:
    """The arguments without `--code FILE`, which every command takes that reads a run, and the file."""
    rest, code = list[str](), ""
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if option != "--code":
            rest.append(word)
        elif code:
            raise ConfigError("--code is given twice; a run has one file")
        else:
            code = value if equals else next(words, "")
            if not code:
                raise ConfigError("--code needs a file, such as --code mine.py")
    return rest, code
