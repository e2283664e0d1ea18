"""Images of the web: what stands at an address, in memory, within limits of size, time and redirects.

Proxies are those that the variables `https_proxy`, `http_proxy` and `no_proxy` name. Nothing is kept.
"""

from __future__ import annotations

import io
import re
import time
from functools import cache
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import TypeGuard, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
    getproxies,
)

from inceptionlab.downloading import BUSY, PAUSE
from inceptionlab.errors import DataError

LARGEST = 64 << 20
"""Bytes of an image's file; one above it is refused before it is read to its end."""
REDIRECTS = 5
"""Other places that an address may lead to, one after another."""
TIMEOUT = 30.0
"""Seconds without a byte after which a server is given up."""
PATIENCE = 300.0
"""Seconds that an image may take, however slowly it comes."""
TRIES = 3
"""Attempts where a server is busy or a line is cut."""
_SCHEME = re.compile(r"(?i)(?:([a-z][a-z0-9+.-]+)://|(file|data):)")


def is_address(source: object) -> TypeGuard[str]:
    """Whether a text is an address rather than the name of a file: it begins with a scheme, whether or not a known
    one.
    """
    return isinstance(source, str) and _SCHEME.match(source) is not None


def check_address(address: str) -> None:
    """Raise `DataError` for an address whose scheme is not fetched, or without a host."""
    try:
        parts = urlsplit(address)
        scheme, host = parts.scheme.lower(), parts.hostname
    except ValueError:
        raise DataError(f"{address} is no address; write https://HOST/PATH") from None
    if scheme not in ("http", "https"):
        raise DataError(
            f"{address[:100]} is not fetched: images come from http and https addresses, and from files by their path"
        )
    if not host:
        raise DataError(f"{address} names no host; write https://HOST/PATH")


def fetched(address: str) -> io.BytesIO:
    """The file at an http or https address, asked for again where the server is busy or the line is cut.

    Raises `DataError`, naming the address, where there is none, it is too large or too slow, or leads elsewhere.
    """
    check_address(address)
    problem, again, tries = "", True, 0
    while again and tries < TRIES:
        time.sleep(PAUSE * 2**tries if tries else 0)
        tries += 1
        try:
            return io.BytesIO(_content(address))
        except HTTPError as error:
            error.close()
            problem, again = f"the server says {error.code} {error.reason}", error.code in BUSY
        except (URLError, HTTPException, OSError, UnicodeError) as error:
            problem = str(getattr(error, "reason", "") or error or repr(error))
            again = isinstance(error, IncompleteRead | ConnectionError)
    raise DataError(f"{address} could not be fetched: {problem}")


def _content(address: str) -> bytes:
    headers = {"User-Agent": "inceptionlab", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}
    request, began = Request(_quoted(address), headers=headers), time.monotonic()
    with cast(HTTPResponse, _opener(tuple(getproxies().items())).open(request, timeout=TIMEOUT)) as reply:
        length, content = reply.length or 0, bytearray()
        _check_size(address, length)
        while chunk := reply.read1(1 << 16):
            content += chunk
            _check_size(address, len(content))
            if time.monotonic() - began > PATIENCE:
                raise TimeoutError(f"it takes more than {PATIENCE:g} seconds")
    if len(content) < length:
        raise ConnectionError("the line was cut")
    if reply.headers.get_content_type() == "text/html":
        raise DataError(f"{address} is a page, not an image; give the address of the image itself")
    return bytes(content)


def _check_size(address: str, size: int) -> None:
    if size > LARGEST:
        raise DataError(f"{address} has more than {LARGEST >> 20} MiB; download it, and make the image smaller first")


def _quoted(address: str) -> str:
    """An address as servers take it, whatever letters it was typed in."""
    return quote(address, safe="%/:=&?~#+!$,;'@()*[]")


class _Redirects(HTTPRedirectHandler):
    max_redirections = REDIRECTS
    inf_msg = f"more than {REDIRECTS} redirects, or a circle of them: "


@cache
def _opener(_: tuple[tuple[str, str], ...]) -> OpenerDirector:
    """What opens http and https alone, made anew where the proxies (which it reads itself) are others."""
    opener = OpenerDirector()
    for handler in (ProxyHandler, UnknownHandler, HTTPHandler, HTTPSHandler, HTTPDefaultErrorHandler, _Redirects,
                    HTTPErrorProcessor):  # fmt: skip
        opener.add_handler(handler())
    return opener
