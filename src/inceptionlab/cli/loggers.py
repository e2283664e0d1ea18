"""What libraries log while a command runs: from warnings on."""

from __future__ import annotations

import logging


def warnings_only() -> None:
    """Let a command show of its libraries' log lines no less than warnings. To be called before Lightning is imported,
    which gives itself a handler for all it has to tell where the process has none. A process with handlers keeps them.
    The hub's library brings a handler for its warnings along, so that they need no second one.
    """
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    logging.basicConfig(format="%(message)s", handlers=[handler])
    logging.getLogger("huggingface_hub").propagate = False
