"""What libraries log while a command runs: from warnings on."""

from __future__ import annotations

import logging


def warnings_only() -> None:
    """Let a command show of its libraries' log lines no less than warnings. To be called before Lightning is imported,
    which gives itself a handler for all it has to tell where the process has none. A process with handlers keeps them.
    """
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    logging.basicConfig(format="%(message)s", handlers=[handler])
