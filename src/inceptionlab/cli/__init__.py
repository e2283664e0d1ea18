"""The command line: one lazy file per command, so that help answers at once."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from cyclopts import App, CycloptsError

from inceptionlab.cli.loggers import warnings_only
from inceptionlab.errors import InceptionLabError

COMMANDS = tomllib.loads(Path(__file__).with_name("commands.toml").read_text(encoding="utf-8"))
"""What each command does, and examples of it."""


def _app() -> App:
    app = App(
        name="inceptionlab", help="Build, train, test and explain the whole Inception family.",
        help_format="plaintext", help_epilogue="Each command has its own --help with examples.",
        version=lambda: version("inceptionlab"), result_action="return_value",
    )  # fmt: skip
    study = App(name="study", help="Ablation studies: plan, run, report.", help_format="plaintext")
    app.command(study)
    for name, about in COMMANDS.items():
        lines = "\n".join(["Examples:", *(f"  {example}" for example in about["examples"])])
        group, _, command = name.rpartition(" ")
        module = (group or command).replace("-", "_")
        place = f"inceptionlab.cli.commands.{module}:{command.replace('-', '_').replace('list', 'list_')}"
        (study if group else app).command(place, name=command, help=about["help"], help_epilogue=lines)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run a command. Exit codes: 0 done, 2 bad input (one sentence on standard error), 130 interrupted."""
    warnings_only()
    try:
        _app()(arguments, exit_on_error=False)
    except CycloptsError:
        sys.exit(2)
    except InceptionLabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
