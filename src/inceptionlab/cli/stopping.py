"""Ctrl-C and SIGTERM as a wish to stop after the step under way."""

from __future__ import annotations

import signal
from typing import Any


class StopSignal:
    """Within the block, Ctrl-C and SIGTERM ask training to stop after the step under way; a second one is not held."""

    def __init__(self) -> None:
        self.asked = False
        self.before: dict[int, Any] = {}

    def __call__(self) -> bool:
        """Whether a signal came."""
        return self.asked

    def __enter__(self) -> StopSignal:
        for number in (signal.SIGINT, signal.SIGTERM):
            self.before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
