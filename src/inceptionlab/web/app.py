"""The application: a page for people, JSON for programs.

GET  /          the page
GET  /model     the network, its classes and its input
GET  /health    whether it answers
POST /predict   an image file as the body, or image files as a form; `?top=5` for how many classes. Of files in a form
                that cannot be read the answer says why, beside the others; it is refused where none can be
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

from jaxtyping import Float
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from inceptionlab.errors import DataError
from inceptionlab.report.page import style_sheet
from inceptionlab.runs.predicting import ClassProbability, likeliest
from inceptionlab.runs.prediction import Trained
from inceptionlab.web.batching import Batcher, BusyError
from inceptionlab.web.uploads import MOST_FILES, Upload, is_form, uploads
from inceptionlab.web.words import BUSY, FAILED, NO_METHOD, NO_PLACE, NOT_READ, TOP, Language, Refusal, language_of

PAGE = Path(__file__).with_name("page.html")


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
    """The answer of /predict to an image as the body: the likeliest classes first, and how long it took."""

    top: tuple[ClassProbability, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """An entry of the answer to a form: its file's name, its likeliest classes, and how long all files took."""

    file: str
    top: tuple[ClassProbability, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class FileError:
    """An entry for a file that cannot be read: why, in the language that is asked for."""

    file: str
    error: str
    milliseconds: float


def application(trained: Trained, engine: str = "torch", batch: int = 8) -> Starlette:
    """The web application of a trained network; requests that wait together run in batches of at most `batch`."""
    batcher = Batcher(trained.run, batch, patience=max(8 * batch, 2 * MOST_FILES))

    @asynccontextmanager
    async def working(_: Starlette) -> AsyncGenerator[None]:
        task = asyncio.create_task(batcher.work())
        yield
        task.cancel()

    async def page(_: Request) -> Response:
        return HTMLResponse(_page())

    async def model(_: Request) -> Response:
        return JSONResponse(asdict(described(trained, engine)))

    async def health(_: Request) -> Response:
        return JSONResponse(asdict(Health("ok", batcher.waiting.qsize())))

    return Starlette(
        routes=[
            Route("/", page), Route("/model", model), Route("/health", health),
            Route("/predict", partial(_predict, trained, batcher), methods=["POST"]),
        ],
        lifespan=working, exception_handlers={HTTPException: _misplaced, Refusal: _refused, Exception: _failed},
    )  # fmt: skip


def described(trained: Trained, engine: str) -> Described:
    """What the server says of its network."""
    spec = trained.network.spec
    parameters = sum(p.numel() for p in trained.network.parameters())
    return Described(spec.title, trained.classes, engine, Size(*spec.input.shape), parameters, version("inceptionlab"))


@cache
def _page() -> str:
    """The page with the style sheet that reports have."""
    return PAGE.read_text(encoding="utf-8").replace("/* the style sheet of reports */", style_sheet())


async def _predict(trained: Trained, batcher: Batcher, request: Request) -> Response:
    """An object for a body; for a form an array with an entry a file."""
    top, given, began = _top(request), await uploads(request), time.perf_counter()
    try:
        read = [await asyncio.to_thread(_prepared, trained, one) for one in given]
        inputs = [x.to(trained.device) for x in read if isinstance(x, Tensor)]
        if not inputs and isinstance(read[0], Refusal):
            raise read[0]
        logits = iter(await asyncio.gather(*map(batcher.logits, inputs)))
    except BusyError:
        raise Refusal(503, BUSY, headers={"Retry-After": "1"}) from None
    took = round(1e3 * (time.perf_counter() - began), 2)
    if not is_form(request):
        return JSONResponse(asdict(Answer(likeliest(next(logits), trained.classes, top), took)))
    language = _language(request)
    entries = [
        FileError(one.name, x.said(language), took) if isinstance(x, Refusal)
        else FileAnswer(one.name, likeliest(next(logits), trained.classes, top), took)
        for one, x in zip(given, read, strict=True)
    ]  # fmt: skip
    return JSONResponse([asdict(entry) for entry in entries], headers=_spoken(language))


def _prepared(trained: Trained, one: Upload) -> Float[Tensor, "1 c h w"] | Refusal:
    """The input for an image, or why there is none."""
    try:
        return trained.preprocess.prepare(io.BytesIO(one.content), one.name or "what was sent")
    except DataError as error:
        return Refusal(400, NOT_READ, (error, f"{one.name} " if one.name else "这个文件"))


def _language(request: Request) -> Language:
    return language_of(request.headers.get("accept-language", ""))


def _spoken(language: Language) -> dict[str, str]:
    return {"Content-Language": language, "Vary": "Accept-Language"}


def _top(request: Request) -> int:
    given = request.query_params.get("top", "5")
    if not given.isascii() or not given.isdigit() or not 1 <= len(given) <= 4 or int(given) < 1:
        raise Refusal(400, TOP, (given[:20],))
    return int(given)


async def _refused(request: Request, error: Exception) -> Response:
    """A sentence in the language that is asked for."""
    refusal = error if isinstance(error, Refusal) else Refusal(500, FAILED)
    language = _language(request)
    return JSONResponse({"error": refusal.said(language)}, refusal.status, _spoken(language) | refusal.headers)


async def _misplaced(request: Request, error: Exception) -> Response:
    """An address or a method that is not known."""
    path = request.url.path[:80]
    if isinstance(error, HTTPException) and error.status_code == 405:
        return await _refused(request, Refusal(405, NO_METHOD, (path, request.method), dict(error.headers or {})))
    return await _refused(request, Refusal(404, NO_PLACE, (path,)))


async def _failed(request: Request, _: Exception) -> Response:
    return await _refused(request, Refusal(500, FAILED))
