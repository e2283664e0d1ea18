"""Work in a process of its own, which has its heap and its compiled kernels for itself, as a user's training has."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch

from inceptionlab.benchmarking.memory import peak_bytes
from inceptionlab.benchmarking.timing import seconds
from inceptionlab.errors import InceptionLabError, MeasurementError

Make = Callable[..., Callable[[], object]]
Within = Callable[[], AbstractContextManager[object]]


class ChildProcess:
    """A process that makes a piece of work by `make(**arguments)` and does it, `within` something, when it is asked.

    All of these must be of a module's top level. Raises `MeasurementError` where the process fails.
    """

    def __init__(self, make: Make, within: Within, device: torch.device, **arguments: Any) -> None:
        context = get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(other, make, within, device, arguments, torch.get_num_threads()), daemon=True
        )
        self.process.start()
        other.close()
        self._answer()

    def run(self) -> None:
        """Do the work once."""
        self._ask("run")

    def peak(self) -> int | None:
        """Do the work once; the bytes it took at most."""
        return self._ask("peak")

    def close(self) -> None:
        """End the process."""
        self.connection.close()
        self.process.join(10)
        self.process.kill()

    def _ask(self, what: str) -> Any:
        self.connection.send(what)
        return self._answer()

    def _answer(self) -> Any:
        try:
            answer = self.connection.recv()
        except EOFError:
            raise MeasurementError(
                "a process that was measured has ended by itself; it may have run out of memory"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(
    connection: Connection, make: Make, within: Within, device: torch.device, arguments: dict[str, Any], threads: int
) -> None:
    torch.set_num_threads(threads)
    try:
        with within():
            work = make(**arguments)
            connection.send(None)
            while True:
                what = connection.recv()
                connection.send(peak_bytes(work, device) if what == "peak" else seconds(work, device))
    except (EOFError, KeyboardInterrupt):
        return
    except InceptionLabError as error:
        connection.send(error)
    except Exception as error:  # to be told where it is waited for
        connection.send(MeasurementError(f"a process that was measured failed: {error!r}"))
