"""The application: a page for people, JSON for programs.

GET  /          the page
GET  /model     the network, its classes and its input
GET  /health    whether it answers
POST /predict   an image file as the body; `?top=5` for how many classes
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from inceptionlab.errors import DataError
from inceptionlab.runs.prediction import ClassProbability, Trained, likeliest
from inceptionlab.web.batching import Batcher, BusyError

PAGE = Path(__file__).with_name("page.html")
LARGEST_BODY = 32 << 20
"""Bytes; an image file above it is refused before it is read to its end."""


@dataclass(frozen=True, slots=True)
class Size:
    """What a network takes."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Described:
    """The answer of /model."""

    network: str
    classes: tuple[str, ...]
    engine: str
    input: Size
    parameters: int
    inceptionlab: str


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of /health: "ok", and how many images wait."""

    status: str
    waiting: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of /predict: the likeliest classes first, and how long it took."""

    top: tuple[ClassProbability, ...]
    milliseconds: float


def application(trained: Trained, engine: str = "torch", batch: int = 8) -> Starlette:
    """The web application of a trained network; requests that wait together run in batches of at most `batch`."""
    batcher = Batcher(trained.run, batch, patience=8 * batch)

    @asynccontextmanager
    async def working(_: Starlette) -> AsyncGenerator[None]:
        task = asyncio.create_task(batcher.work())
        yield
        task.cancel()

    async def page(_: Request) -> Response:
        return HTMLResponse(PAGE.read_text(encoding="utf-8"))

    async def model(_: Request) -> Response:
        return JSONResponse(asdict(described(trained, engine)))

    async def health(_: Request) -> Response:
        return JSONResponse(asdict(Health("ok", batcher.waiting.qsize())))

    return Starlette(
        routes=[
            Route("/", page), Route("/model", model), Route("/health", health),
            Route("/predict", partial(_predict, trained, batcher), methods=["POST"]),
        ],
        lifespan=working, exception_handlers={HTTPException: _refused},
    )  # fmt: skip


def described(trained: Trained, engine: str) -> Described:
    """What the server says of its network."""
    spec = trained.network.spec
    parameters = sum(p.numel() for p in trained.network.parameters())
    return Described(spec.title, trained.classes, engine, Size(*spec.input.shape), parameters, version("inceptionlab"))


async def _predict(trained: Trained, batcher: Batcher, request: Request) -> Response:
    top, body, began = _top(request), await _body(request), time.perf_counter()
    try:
        x = await asyncio.to_thread(trained.preprocess.prepare, io.BytesIO(body), "the image")
        logits = await batcher.logits(x.to(trained.device))
    except DataError as error:
        raise HTTPException(400, str(error)) from None
    except BusyError:
        raise HTTPException(503, "too many images wait; try again in a moment", {"Retry-After": "1"}) from None
    took = round(1e3 * (time.perf_counter() - began), 2)
    return JSONResponse(asdict(Answer(likeliest(logits, trained.classes, top), took)))


def _top(request: Request) -> int:
    given = request.query_params.get("top", "5")
    if not given.isascii() or not given.isdigit() or not 1 <= len(given) <= 4 or int(given) < 1:
        raise HTTPException(400, f"top={given[:20]}: ask for at least 1 class")
    return int(given)


async def _body(request: Request) -> bytes:
    """The whole body, of a size that is allowed."""
    parts, size = list[bytes](), 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise HTTPException(413, f"the image has more than {LARGEST_BODY >> 20} MiB; make it smaller first")
        parts.append(part)
    if not size:
        raise HTTPException(400, "there is no image: send an image file as the body")
    return b"".join(parts)


async def _refused(_: Request, error: Exception) -> Response:
    refusal = error if isinstance(error, HTTPException) else HTTPException(500)
    return JSONResponse({"error": refusal.detail}, refusal.status_code, refusal.headers)
