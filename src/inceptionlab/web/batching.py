"""Requests that wait at the same time are one batch."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from inceptionlab.exporting.engines import Runner

Waiting = tuple[Tensor, "asyncio.Future[Tensor]"]


class BusyError(Exception):
    """More images wait than are taken in."""


@dataclass(slots=True)
class Batcher:
    """Runs images one batch after another: while one is computed, those that come wait and are the next.

    A lone request waits for nobody. `largest` is the most images of a batch, `patience` the most that may wait.
    """

    run: Runner
    largest: int = 8
    patience: int = 64
    waiting: asyncio.Queue[Waiting] = field(default_factory=asyncio.Queue[Waiting])

    async def logits(self, x: Float[Tensor, "1 c h w"]) -> Float[Tensor, " classes"]:
        """The logits of one image. Raises `BusyError` where too many wait already."""
        if self.waiting.qsize() >= self.patience:
            raise BusyError
        answer: asyncio.Future[Tensor] = asyncio.get_running_loop().create_future()
        self.waiting.put_nowait((x, answer))
        return await answer

    async def work(self) -> None:
        """Answer for ever; a batch that fails fails its own requests only."""
        while True:
            batch = [await self.waiting.get()]
            while len(batch) < self.largest and not self.waiting.empty():
                batch.append(self.waiting.get_nowait())
            try:
                found: list[Tensor] | Exception = list(await asyncio.to_thread(self._computed, batch))
            except Exception as error:
                found = error
            for place, (_, answer) in enumerate(batch):
                if answer.done():  # whoever asked is gone
                    continue
                if isinstance(found, Exception):
                    answer.set_exception(found)
                else:
                    answer.set_result(found[place])

    def _computed(self, batch: list[Waiting]) -> Tensor:
        with torch.inference_mode():
            return self.run(torch.cat([x for x, _ in batch])).float().cpu()
