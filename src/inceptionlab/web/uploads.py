"""The images of a request: its body, or the files of a form."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from inceptionlab.web.words import NO_FILE, NO_FORM, NOTHING, TOO_LARGE, TOO_MANY, Refusal

LARGEST_BODY = 32 << 20
"""Bytes of a request, its files together; one above it is refused before it is read to its end."""
MOST_FILES = 16
"""Files of a form."""
_MOST_PARTS = 1000
"""Files, or fields, of a form that is read at all."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An image file as it came, with the name that a form gave it ("" for a body)."""

    name: str
    content: bytes


def is_form(request: Request) -> bool:
    """Whether a request brings files as a form, as curl -F and the page do."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def uploads(request: Request) -> list[Upload]:
    """The images of a request. Raises `Refusal` where there are none or too many, or where something else comes."""
    if is_form(request):
        return await _files(request)
    content = b"".join([part async for part in _limited(request)])
    if not content:
        raise Refusal(400, NOTHING)
    return [Upload("", content)]


async def _limited(request: Request) -> AsyncGenerator[bytes]:
    """The body in parts, of a size that is allowed."""
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise Refusal(413, TOO_LARGE, (LARGEST_BODY >> 20,))
        yield part


async def _files(request: Request) -> list[Upload]:
    try:
        form = await MultiPartParser(
            request.headers, _limited(request), max_files=_MOST_PARTS, max_fields=_MOST_PARTS
        ).parse()
    except MultiPartException:
        raise Refusal(400, NO_FORM) from None
    try:
        return await _read(form)
    finally:
        await form.close()


async def _read(form: FormData) -> list[Upload]:
    """The files of a form, which holds nothing else."""
    given = form.multi_items()
    if not given:
        raise Refusal(400, NOTHING)
    if len(given) > MOST_FILES:
        raise Refusal(400, TOO_MANY, (MOST_FILES,))
    found: list[Upload] = []
    for field, file in given:
        if isinstance(file, str):
            raise Refusal(400, NO_FILE, (field,))
        found.append(Upload(file.filename or field, await file.read()))
    return found
